"""Search for layers of few experts: slots trade places, take other experts, whole chips trade places.

Simulated annealing on the objective itself: a layer's own cost is exact given its neighbours, so loads, copies, hops
and moves are weighed as they are, without caps in between. Kirkpatrick et al. 1983.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.experts.exact import credit
from planners.experts.metrics import load_ratios, padded_share
from planners.experts.problem import ExpertProblem, Floats, Placement
from simcore.cost.jit import njit_with_memory as njit

Tuple = tuple[Any, ...]
MOST_EXPERTS, MOST_SLOTS = 16, 64
"""of a layer, where this search beats capped swaps of slots"""
STEPS, MOST_STEPS, RESTARTS = 6_000, 250_000, 12
"""annealing steps per slot and layer in each restart, and in all of a restart: two or three CPU seconds together"""
EASY = 64
"""chips x slots of a layer from which a step takes longer: the most steps fall accordingly"""
HOT, COLD = 0.3, 0.0005
"""first and last temperature, over the weights of a layer"""
OVER_CAP = 100.0
"""cost of a load above the cap, over the weights"""


def applies(problem: ExpertProblem) -> bool:
    """Few experts and slots a layer."""
    return problem.experts <= MOST_EXPERTS and problem.slot_count <= MOST_SLOTS


def improved(problem: ExpertProblem, start: Placement, seed: int) -> Placement:
    """The best placement met in a few restarts from `start`, never above its objective."""
    shares = problem.shares()
    if shares is None or problem.cut_weight == 0:
        shares = np.zeros((max(problem.layers - 1, 0), problem.experts, problem.experts))
    slots = start.expert_of_slot.astype(np.int64)
    problem_arrays = (
        problem.load_weight / problem.layers * problem.chips / problem.loads.sum(axis=1)[:, None] * problem.loads,
        problem.cut_weight / max(problem.layers - 1, 1) * shares,
        credit(problem),
        _moves(problem),
        _caps(problem, start),
    )
    scale = (problem.load_weight + problem.cut_weight + problem.move_cost) / problem.layers
    most = int(MOST_STEPS * min(1.0, EASY / (problem.chips * problem.slot_count)))
    steps = min(STEPS * problem.slot_count * problem.layers, most)
    plan = (steps, HOT * scale, COLD * scale, OVER_CAP, RESTARTS, seed)
    return Placement(np.sort(search(slots, problem_arrays, plan), axis=2))


def _moves(problem: ExpertProblem) -> Floats:
    """Cost of a slot with this expert on this chip, [layers, chips, experts]."""
    if problem.previous is None or problem.move_cost == 0:
        return np.zeros((problem.layers, problem.chips, problem.experts))
    held = (problem.previous[..., None] == np.arange(problem.experts)).any(axis=2)
    return np.where(held, 0.0, problem.move_cost / (problem.layers * problem.slot_count))


def _caps(problem: ExpertProblem, start: Placement) -> Floats:
    """Largest weighted load of each layer, [layers]: the cap, or what the start reaches above it."""
    if problem.load_cap_ratio is None:
        return np.full(problem.layers, np.inf)
    reached = load_ratios(problem, padded_share(start, problem.experts))
    return np.asarray(np.maximum(problem.load_cap_ratio, reached) * problem.load_weight / problem.layers * (1 + 1e-9))


@njit(cache=True, nogil=True)
def near(layer: int, slots: np.ndarray, copies: np.ndarray, what: Tuple) -> np.ndarray:
    """What an expert on a chip saves given the layers beside, [chips, experts]."""
    _, pairs, saved, _, _ = what
    layers, chips, room = slots.shape
    out = np.zeros((chips, copies.shape[1]))
    for side in (-1, 1):
        other = layer + side
        if other < 0 or other >= layers:
            continue
        for h in range(chips):
            for k in range(room):
                j = slots[other, h, k]
                for e in range(copies.shape[1]):
                    both = pairs[layer, e, j] if side > 0 else pairs[other, j, e]
                    for g in range(chips):
                        out[g, e] += saved[g, h] * both / copies[other, j]
    return out


@njit(cache=True, nogil=True)
def layer_cost(layer: int, slots: np.ndarray, copies: np.ndarray, what: Tuple, over: float) -> float:
    """Load, moves and less what is saved; slots [chips, room] and copies [experts] of one layer, what with `near`."""
    loads, close, moves, cap = what
    busiest, rest = 0.0, 0.0
    for g in range(slots.shape[0]):
        load = 0.0
        for k in range(slots.shape[1]):
            e = slots[g, k]
            load += loads[layer, e] / copies[e]
            rest += moves[layer, g, e] - close[g, e] / copies[e]
        busiest = max(busiest, load)
    total: float = busiest + rest + over * max(0.0, busiest - cap[layer])
    return total


@njit(cache=True, nogil=True)
def change(slots: np.ndarray, copies: np.ndarray) -> Tuple:
    """Try a change of one layer in place; (kind, four numbers that undo it), kind -1: nothing was changed."""
    chips, room = slots.shape
    g, k, h = np.random.randint(chips), np.random.randint(room), np.random.randint(chips)
    kind = np.random.random()
    if kind < 0.4 and slots.size > len(copies):
        old, new = slots[g, k], np.random.randint(len(copies))
        if copies[old] == 1 or old == new:
            return -1, g, k, h, 0
        slots[g, k] = new
        copies[old] -= 1
        copies[new] += 1
        return 1, g, k, old, new
    if g == h:
        return -1, g, k, h, 0
    if kind > 0.9:
        swap_chips(slots, g, h)
        return 2, g, k, h, 0
    other = np.random.randint(room)
    slots[g, k], slots[h, other] = slots[h, other], slots[g, k]
    return 0, g, k, h, other


@njit(cache=True, nogil=True)
def swap_chips(slots: np.ndarray, g: int, h: int) -> None:
    for k in range(slots.shape[1]):
        slots[g, k], slots[h, k] = slots[h, k], slots[g, k]


@njit(cache=True, nogil=True)
def undo(slots: np.ndarray, copies: np.ndarray, made: Tuple) -> None:
    kind, g, k, h, other = made
    if kind == 0:
        slots[g, k], slots[h, other] = slots[h, other], slots[g, k]
    elif kind == 1:
        slots[g, k] = h
        copies[h] += 1
        copies[other] -= 1
    else:
        swap_chips(slots, g, h)


@njit(cache=True, nogil=True)
def search(start: np.ndarray, what: Tuple, plan: Tuple) -> np.ndarray:
    """The best slots met, [layers, chips, room]; odd restarts go on from the best, the others from the start."""
    loads, _, _, moves, cap = what
    steps, hot, cold, over, restarts, seed = plan
    np.random.seed(seed)
    layers = len(start)
    best, least, first = start.copy(), 0.0, 0.0
    cooling = (cold / hot) ** (1.0 / max(steps, 1)) if hot > 0.0 else 1.0
    for restart in range(restarts):
        slots = best.copy() if restart % 2 else start.copy()
        now = least if restart % 2 else first
        copies = np.zeros((layers, loads.shape[1]))
        for layer in range(layers):
            for e in slots[layer].flat:
                copies[layer, e] += 1
        heat = hot * (0.1 if restart % 2 else 1.0)
        stale = np.full(layers, True)
        close = np.zeros((layers, *moves.shape[1:]))
        cost = np.zeros(layers)
        for _ in range(steps):
            heat *= cooling
            layer = np.random.randint(layers)
            if stale[layer]:
                close[layer] = near(layer, slots, copies, what)
                cost[layer] = layer_cost(layer, slots[layer], copies[layer], (loads, close[layer], moves, cap), over)
                stale[layer] = False
            made = change(slots[layer], copies[layer])
            if made[0] < 0:
                continue
            after = layer_cost(layer, slots[layer], copies[layer], (loads, close[layer], moves, cap), over)
            gain = cost[layer] - after
            if gain < 0 and (heat <= 0 or np.random.random() >= np.exp(gain / heat)):
                undo(slots[layer], copies[layer], made)
                continue
            cost[layer] = after
            now -= gain
            if layer > 0:
                stale[layer - 1] = True
            if layer + 1 < layers:
                stale[layer + 1] = True
            if now < least - 1e-12:
                least, best = now, slots.copy()
    return best
