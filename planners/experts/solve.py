"""Solve an expert placement: exact where that is cheap, constructive and searched elsewhere, always with a bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from planners.answer import Answer, Clock, Status, infeasible
from planners.experts import chain, packing
from planners.experts.bounds import load_bound, total_bound
from planners.experts.eplb import eplb
from planners.experts.metrics import cost_of
from planners.experts.problem import ExpertProblem, Floats, Ints, Placement, clashes
from simcore.errors import InputError, suggest

CAPS = (1.0, 1.02, 1.05, 1.1, 1.2)
"""load caps of a frontier"""
SLACKS = (1.0, 1.01, 1.02, 1.04, 1.08, 1.15)
"""where the problem names no cap: loads allowed, over what balancing alone reaches in each layer"""
QUICK, DEEP, DEEPEST = 8, 85, 700
"""annealing steps per slot and layer: for choosing a cap, for the final search of 128 slots, and at most"""
HOT, COLD = 0.2, 0.005
"""first and last temperature, in mean slot-to-slot traffic (1 / slots)"""


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
        method = "chain" if exact_chain_applies(problem) else "heuristic"
    placement = METHODS[method](problem, seed, clock)
    return answer(problem, placement, method, seed, clock)


def answer(problem: ExpertProblem, placement: Placement, method: str, seed: int, clock: Clock) -> Answer[Placement]:
    """Metrics, bound and status of a placement."""
    objective, metrics = cost_of(problem, placement)
    proven = method in ("chain", "exact") and not clock.over
    bound = objective if proven else min(total_bound(problem), objective)
    status: Status = "optimal" if proven or objective <= bound * (1 + 1e-9) else "feasible"
    if clock.over:
        status = "time limit"
    return Answer(placement, objective, bound, method, seed, clock.cpu_s, status, metrics=metrics)


def exact_chain_applies(problem: ExpertProblem) -> bool:
    """No copies, no moves to pay for, equal hops, few partitions per layer."""
    plain = problem.slot_count == problem.experts and problem.move_cost == 0 and problem.node_hop_cost <= 1
    return plain and chain.count_partitions(problem.experts, problem.chips) <= chain.MOST_PARTITIONS


def by_chain(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Dynamic programming over partitions: proven optimal."""
    if not exact_chain_applies(problem):
        ways = chain.count_partitions(problem.experts, problem.chips)
        raise InputError(
            f"chain needs at most {chain.MOST_PARTITIONS} partitions per layer without copies, here {ways:.3g}"
        )
    chip, _ = chain.exact_chain(problem)
    every = np.tile(np.arange(problem.experts), (problem.layers, 1))
    return placement_of(every, chip, problem.chips)


def by_heuristic(problem: ExpertProblem, seed: int, clock: Clock) -> Placement:
    """Copies, balance, alignment, annealing under the best load cap.

    With one slot per chip alignment alone is optimal for the copies chosen, and nothing is annealed.
    """
    start = balanced_start(problem)
    if problem.transitions is None or problem.layers < 2:
        return placement_of(*start, problem.chips)
    best = placement_of(*start, problem.chips)
    if problem.slots_per_chip == 1 and problem.node_hop_cost <= 1 and problem.move_cost == 0:
        return best
    value, chosen, worse = cost_of(problem, best)[0], SLACKS[0], 0
    for cap in SLACKS if problem.load_cap_ratio is None else ():
        found = searched(problem, start, cap, QUICK, seed)
        cost = cost_of(problem, found)[0]
        worse = 0 if cost < value else worse + 1
        if cost < value:
            best, value, chosen = found, cost, cap
        if clock.over:
            return best
        if worse == 2:
            break
    found = searched(problem, start, chosen, effort(problem), seed)
    return found if cost_of(problem, found)[0] < value else best


def effort(problem: ExpertProblem) -> int:
    """Steps per slot and layer of the final search: more for more pairs, fewer where a step scans many chips."""
    wanted = DEEP * (problem.slot_count / 128) ** 2.8 / (1 + problem.chips / 36)
    return int(np.clip(wanted, DEEP // 4, DEEPEST))


def balanced_start(problem: ExpertProblem) -> tuple[Ints, Ints]:
    """(expert of each slot, chip of each slot), [layers, slots] each, balanced and aligned along the layers."""
    if problem.previous is not None and problem.move_cost > 0:
        flat = problem.previous.reshape(problem.layers, -1)
        return flat, np.tile(np.repeat(np.arange(problem.chips), problem.slots_per_chip), (problem.layers, 1))
    experts = packing.replicate(problem.loads, problem.slot_count, problem.chips)
    chip = packing.balanced(packing.slot_loads(problem.loads, experts), experts, problem.chips)
    shares = problem.shares()
    if shares is None or problem.layers < 2:
        return experts, chip
    return experts, chain.align(slot_pairs(shares, experts), chip, problem.chips)


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


def searched(problem: ExpertProblem, start: tuple[Ints, Ints], slack: float, sweeps: int, seed: int) -> Placement:
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
    plan = (caps.astype(np.float32), steps, HOT / slots, COLD / slots, seed, copies, node)
    anneal.anneal(pairs, weights.astype(np.float32), experts.astype(np.int32), chip, q, plan)
    return placement_of(experts, chip.astype(np.int64), problem.chips)


def staying(problem: ExpertProblem, experts: Ints) -> Floats:
    """What leaving a slot's expert where it was saves, in units of pair traffic, [layers, slots, chips]."""
    out = np.zeros((*experts.shape, problem.chips))
    if problem.previous is None or problem.move_cost == 0:
        return out
    worth = problem.move_cost / (problem.layers * problem.slot_count) / (problem.cut_weight / (problem.layers - 1))
    for layer, row in enumerate(experts):
        for chip in range(problem.chips):
            out[layer, np.isin(row, problem.previous[layer, chip]), chip] = worth
    return out


def placement_of(experts: Ints, chip: Ints, chips: int) -> Placement:
    """Slots sorted by chip."""
    order = np.argsort(chip, axis=1, kind="stable")
    return Placement(np.take_along_axis(experts, order, axis=1).reshape(len(experts), chips, -1))


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
    "auto": by_heuristic,
    "heuristic": by_heuristic,
    "chain": by_chain,
    "ilp": by_ilp,
    "exact": by_exact,
    "eplb": by_eplb,
    "exflow": by_exflow,
    "round-robin": by_round_robin,
}


def frontier(problem: ExpertProblem, caps: tuple[float, ...] = CAPS, seed: int = 0) -> list[Answer[Placement]]:
    """The least traffic under each load cap; objectives and bounds are the problem's own."""
    answers = []
    for cap in caps:
        clock = Clock()
        capped = replace(problem, load_cap_ratio=cap, load_weight=0.0)
        found = place(capped, "auto", seed=seed)
        if found.plan is not None:
            answers.append(answer(problem, found.plan, "heuristic", seed, clock))
    return answers
