"""Solve an expert placement: exact where that is cheap, constructive and searched elsewhere, always with a bound."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np

from planners.answer import Answer, Clock, Status, infeasible
from planners.experts import chain, local, packing
from planners.experts.bounds import load_bound, total_bound
from planners.experts.eplb import eplb
from planners.experts.exact import layouts_for, optimum
from planners.experts.metrics import cost_of, load_ratios, padded_share
from planners.experts.problem import ExpertProblem, Floats, Ints, Placement, clashes
from simcore.errors import InputError, suggest

CAPS = (1.0, 1.02, 1.05, 1.1, 1.2)
"""load caps of a frontier"""
SLACKS = (1.0, 1.01, 1.02, 1.04, 1.08, 1.15, 1.3, 1.6, 2.2, 4.0, 1e6)
"""where the problem names no cap: loads allowed, over what balancing alone reaches in each layer; tried in turn while
they help"""
PATIENT_WORK = 3_000_000_000
"""values that `chain` computes where it is asked for by name: up to half a CPU minute"""
QUICK, DEEP, DEEPEST = 8, 85, 700
"""annealing steps per slot and layer: for choosing a cap, for the final search of 128 slots, and at most"""
HOT, COLD, WARM = 0.2, 0.005, 0.05
"""first and last temperature, and the first where a good placement is changed a little, in mean slot-to-slot traffic
(1 / slots)"""


def place(
    problem: ExpertProblem, method: str = "auto", *, seed: int = 0, time_limit_s: float | None = None
) -> Answer[Placement]:
    """A placement with objective, lower bound and metrics; see `METHODS`.

    Raises InputError for an unknown method, and for `exact` on an instance too large for it.
    """
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}", key="method", fix=suggest(method, METHODS))
    clock = Clock(time_limit_s)
    reasons = clashes(problem)
    if reasons:
        return infeasible(method, seed, clock, *reasons)
    if method == "auto":
        method = automatic(problem)
    with one_thread():
        placement = METHODS[method](problem, seed, clock)
        return answer(problem, placement, method, seed, clock)


def one_thread() -> AbstractContextManager[Any]:
    """Matrices of a few hundred experts gain nothing from threads, which on a busy machine wait for one another."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def automatic(problem: ExpertProblem) -> str:
    """The optimum where all layouts of a layer can be looked at; else a search, its own kind for few experts."""
    if layouts_for(problem) is not None:
        return "chain"
    return "local" if local.applies(problem) else "heuristic"


def answer(
    problem: ExpertProblem, placement: Placement, method: str, seed: int, clock: Clock, bound: float | None = None
) -> Answer[Placement]:
    """Metrics, bound (worked out where none is given) and status of a placement."""
    objective, metrics = cost_of(problem, placement)
    proven = method in ("chain", "exact") and not clock.over
    if proven:
        bound = objective
    bound = min(total_bound(problem) if bound is None else bound, objective)
    status: Status = "optimal" if proven or objective <= bound * (1 + 1e-9) else "feasible"
    if clock.over:
        status = "time limit"
    return Answer(placement, objective, bound, method, seed, clock.cpu_s, status, metrics=metrics)


def by_chain(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Dynamic programming over all layouts of each layer: proven optimal."""
    ways = layouts_for(problem, PATIENT_WORK)
    if ways is None:
        raise InputError("layers have too many layouts to look at all", key="method", fix="use auto")
    return optimum(problem, ways)


def by_local(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """From the capped swaps' placement, a search over slots, copies and chips on the objective itself."""
    if not local.applies(problem):
        most = f"{local.MOST_EXPERTS} experts and {local.MOST_SLOTS} slots a layer"
        raise InputError(f"local is for at most {most}", key="method", fix="use heuristic")
    found = by_heuristic(problem, seed, clock)
    return found if clock.over else local.improved(problem, found, seed)


def by_heuristic(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Copies, balance, alignment, annealing under the best load cap; the published balancer's placement if better.

    With one slot per chip alignment alone is optimal for the copies chosen, and nothing is annealed.
    """
    start = balanced_start(problem)
    found = [placement_of(*start, problem.chips), by_eplb(problem, seed, clock)]
    best = min(found, key=lambda placement: cost_of(problem, placement)[0])
    alone = problem.slots_per_chip == 1 and problem.node_hop_cost <= 1
    if problem.move_cost == 0 and (alone or problem.cut_weight == 0):
        return best
    if problem.transitions is None or problem.layers < 2:
        return best
    value, chosen, worse = cost_of(problem, best)[0], SLACKS[0], 0
    for cap in SLACKS if problem.load_cap_ratio is None else ():
        trial = searched(problem, start, cap, QUICK, seed)
        cost = cost_of(problem, trial)[0]
        worse = 0 if cost < value else worse + 1
        if cost < value:
            best, value, chosen = trial, cost, cap
        if clock.over:
            return best
        if worse == 2:
            break
    last = searched(problem, start, chosen, effort(problem), seed)
    return last if cost_of(problem, last)[0] < value else best


def effort(problem: ExpertProblem) -> int:
    """Steps per slot and layer of the final search: more for more pairs, fewer where a step scans many chips."""
    wanted = DEEP * (problem.slot_count / 128) ** 2.8 / (1 + problem.chips / 36)
    return int(np.clip(wanted, DEEP // 4, DEEPEST))


def balanced_start(problem: ExpertProblem) -> tuple[Ints, Ints]:
    """(expert of each slot, chip of each slot), [layers, slots] each, balanced and aligned along the layers."""
    if problem.previous is not None and problem.move_cost > 0:
        return slots_of(Placement(problem.previous))
    experts = packing.replicate(problem.loads, problem.slot_count, problem.chips)
    chip = packing.balanced(packing.slot_loads(problem.loads, experts), experts, problem.chips)
    experts, chip = no_worse_than_published(problem, experts, chip)
    shares = problem.shares()
    if shares is None or problem.layers < 2:
        return experts, chip
    return experts, chain.align(slot_pairs(shares, experts), chip, problem.chips)


def slots_of(placement: Placement) -> tuple[Ints, Ints]:
    """(expert of each slot, chip of each slot), [layers, slots] each: the inverse of `placement_of`."""
    layers, chips, room = placement.expert_of_slot.shape
    return placement.expert_of_slot.reshape(layers, -1), np.tile(np.repeat(np.arange(chips), room), (layers, 1))


def no_worse_than_published(problem: ExpertProblem, experts: Ints, chip: Ints) -> tuple[Ints, Ints]:
    """Layers that the published balancer balances better are taken from it."""
    published = by_eplb(problem, 0, Clock())
    slots, chips = slots_of(published)
    theirs = load_ratios(problem, padded_share(published, problem.experts))
    ours = load_ratios(problem, padded_share(placement_of(experts, chip, problem.chips), problem.experts))
    better = theirs < ours * (1 - 1e-12)
    experts[better], chip[better] = slots[better], chips[better]
    return experts, chip


def slot_pairs(shares: Floats, experts: Ints) -> Floats:
    """Transitions between slots, [layers - 1, slots, slots]: copies of an expert share its traffic evenly."""
    count = np.stack([np.bincount(row, minlength=shares.shape[1]) for row in experts])
    each = [1.0 / count[layer][row] for layer, row in enumerate(experts)]
    return np.stack(
        [
            pair[np.ix_(experts[layer], experts[layer + 1])] * np.outer(each[layer], each[layer + 1])
            for layer, pair in enumerate(shares)
        ]
    )


def searched(
    problem: ExpertProblem, start: tuple[Ints, Ints], slack: float, sweeps: int, seed: int, hot: float = HOT
) -> Placement:
    """Anneal with loads up to `slack` x what the start reaches, or up to the problem's cap where it can be met."""
    from planners.experts import anneal

    shares = problem.shares()
    assert shares is not None
    experts, chip = start[0], start[1].astype(np.int32)
    weights = packing.slot_loads(problem.loads, experts)
    mean = weights.sum(axis=1) / problem.chips
    reached = np.array([np.bincount(c, w, problem.chips).max() for c, w in zip(chip, weights, strict=True)])
    cap = problem.load_cap_ratio
    caps = (reached * slack if cap is None else np.maximum(np.maximum(cap, load_bound(problem)) * mean, reached)) * (
        1 + 1e-6
    )
    pairs = slot_pairs(shares, experts).astype(np.float32)
    node = (problem.chips // problem.nodes, 1.0 - 1.0 / max(problem.node_hop_cost, 1.0))
    stay = staying(problem, experts).astype(np.float32)
    q = anneal.affinity(pairs, chip, stay, node)
    slots = problem.slot_count
    copies = slots > problem.experts
    steps = sweeps * problem.layers * slots
    plan = (caps.astype(np.float32), steps, hot / slots, COLD / slots, seed, copies, node)
    anneal.anneal(pairs, weights.astype(np.float32), experts.astype(np.int32), chip, q, plan)
    return placement_of(experts, chip.astype(np.int64), problem.chips)


def staying(problem: ExpertProblem, experts: Ints) -> Floats:
    """What leaving a slot's expert where it was saves, in units of pair traffic, [layers, slots, chips]."""
    out = np.zeros((*experts.shape, problem.chips))
    if problem.previous is None or problem.move_cost == 0:
        return out
    worth = (
        problem.move_cost
        / (problem.layers * problem.slot_count)
        / (max(problem.cut_weight, 1e-9) / (problem.layers - 1))
    )
    for layer, row in enumerate(experts):
        for chip in range(problem.chips):
            out[layer, np.isin(row, problem.previous[layer, chip]), chip] = worth
    return out


def placement_of(experts: Ints, chip: Ints, chips: int) -> Placement:
    """Slots sorted by chip."""
    order = np.argsort(chip, axis=1, kind="stable")
    return Placement(np.take_along_axis(experts, order, axis=1).reshape(len(experts), chips, -1))


def by_spectral(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Annealing from clusters of traffic instead of from balance."""
    from planners.experts.spectral import spectral_start

    if problem.transitions is None or problem.layers < 2:
        raise InputError("a spectral start needs transitions between layers", key="method", fix="use heuristic")
    return searched(problem, spectral_start(problem, seed), SLACKS[1], effort(problem), seed)


def by_eplb(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """The published balancer with one group per node where experts divide."""
    groups = problem.nodes if problem.experts % problem.nodes == 0 else 1
    return Placement(eplb(problem.loads, problem.slot_count, problem.chips, problem.nodes, groups))


def by_exflow(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Affinity alone, no load cap: what a placement without balance reaches."""
    return searched(replace(problem, load_cap_ratio=None), balanced_start(problem), 1e6, effort(problem), seed)


def by_round_robin(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Slot s holds expert s modulo experts; consecutive slots on one chip."""
    row = np.arange(problem.slot_count) % problem.experts
    return Placement(np.tile(row.reshape(problem.chips, -1), (problem.layers, 1, 1)))


def by_ilp(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Block-coordinate descent: each layer's capped assignment solved to optimality given its neighbours."""
    from planners.experts.programs import descend

    return descend(problem, by_heuristic(problem, seed, clock), clock)


def by_exact(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """One integer program for everything: small instances only."""
    from planners.experts.programs import monolithic

    return monolithic(problem, clock)


METHODS: dict[str, Callable[[ExpertProblem, int, Clock], Placement]] = {
    "auto": by_heuristic,  # a name only: `automatic` says which of the others it stands for
    "heuristic": by_heuristic,
    "local": by_local,
    "chain": by_chain,
    "spectral": by_spectral,
    "ilp": by_ilp,
    "exact": by_exact,
    "eplb": by_eplb,
    "exflow": by_exflow,
    "round-robin": by_round_robin,
}


def frontier(problem: ExpertProblem, caps: tuple[float, ...] = CAPS, seed: int = 0) -> list[Answer[Placement]]:
    """The least traffic under each load cap; objectives and bounds are the problem's own.

    All caps together take the effort of one plan.
    """
    if clashes(problem):
        return []
    with one_thread():
        return _frontier(problem, caps, seed)


def _frontier(problem: ExpertProblem, caps: tuple[float, ...], seed: int) -> list[Answer[Placement]]:
    bound, exact = total_bound(problem), layouts_for(problem) is not None
    start = balanced_start(problem)
    annealed = not exact and problem.transitions is not None and problem.layers > 1
    answers: list[Answer[Placement]] = []
    for cap in caps:
        clock = Clock()
        capped = replace(problem, load_cap_ratio=cap, load_weight=0.0)
        if exact:
            plan = by_chain(capped, seed, clock)
        elif annealed:
            hot = HOT if not answers else WARM
            plan = searched(capped, start, SLACKS[0], max(1, effort(problem) // max(1, len(caps) - 1)), seed, hot)
            start = slots_of(plan)
        else:
            plan = placement_of(*start, problem.chips)
        answers.append(answer(problem, plan, "heuristic", seed, clock, bound))
    return answers
