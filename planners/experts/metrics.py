"""What a placement means: balance, traffic, links, for plain and for context-coherent expert parallelism."""

from __future__ import annotations

import numpy as np

from planners.experts.problem import ExpertProblem, Floats, Ints, Placement
from planners.experts.trace import Trace


def chip_loads(loads: Floats, share: Floats) -> Floats:
    """Tokens per chip, [layers, chips], when copies share evenly."""
    return np.asarray(np.einsum("lge,le->lg", share, loads))


def load_ratios(problem: ExpertProblem, share: Floats) -> Floats:
    """Busiest chip over the mean, [layers]."""
    per_chip = chip_loads(problem.loads, share)
    return np.asarray(per_chip.max(axis=1) / per_chip.mean(axis=1))


def flows(problem: ExpertProblem, share: Floats) -> Floats:
    """Share of the token pairs of each layer pair that goes from chip to chip, [layers - 1, chips, chips].

    A copy of the next expert is chosen by its share, whichever chip the token is on.
    """
    shares = problem.shares()
    if shares is None:
        return np.zeros((0, problem.chips, problem.chips))
    return np.stack([share[layer] @ pair @ share[layer + 1].T for layer, pair in enumerate(shares)])


def cost_of(
    problem: ExpertProblem, placement: Placement, share: Floats | None = None
) -> tuple[float, dict[str, float]]:
    """(objective, metrics) of a placement on a problem's loads and transitions.

    Copies share evenly, or as `share` [layers, chips, experts] says.

    load_ratio      mean over layers of busiest / mean: the time of plain expert parallelism's expert step
    load_worst      its largest layer
    cut_share       pairs that change chip: the hops of context-coherent expert parallelism
    node_cut_share  pairs that change node
    link_ratio      busiest chip-to-chip flow over the mean off-chip flow
    moved_share     slots whose expert was not on that chip before
    """
    share = padded_share(placement, problem.experts) if share is None else share
    ratios = load_ratios(problem, share)
    found = {"load_ratio": float(ratios.mean()), "load_worst": float(ratios.max())}
    moving = flows(problem, share)
    same_node = np.kron(np.eye(problem.nodes), np.ones((problem.chips // problem.nodes,) * 2)) > 0
    if len(moving):
        off = moving * (1.0 - np.eye(problem.chips))
        found["cut_share"] = float(1.0 - np.trace(moving, axis1=1, axis2=2).mean())
        found["node_cut_share"] = float(1.0 - moving[:, same_node].sum(axis=1).mean())
        found["link_ratio"] = link_ratio(off.sum(axis=0))
    found["moved_share"] = moved_share(problem, placement)
    hop = max(problem.node_hop_cost, 1.0)
    cut = (found.get("cut_share", 0.0) + (hop - 1.0) * found.get("node_cut_share", 0.0)) / hop
    objective = problem.load_weight * found["load_ratio"] + problem.cut_weight * cut
    return float(objective + problem.move_cost * found["moved_share"]), found


def link_ratio(between: Floats) -> float:
    """Busiest chip-to-chip flow over the mean of all flows between different chips, [chips, chips] in."""
    pairs = len(between) * (len(between) - 1)
    return float(between.max() * pairs / between.sum()) if between.sum() > 0 else 1.0


def padded_share(placement: Placement, experts: int) -> Floats:
    """`Placement.chip_share` with a column for every expert, even one that the last layers do not use."""
    share = placement.chip_share
    missing = experts - share.shape[2]
    return np.pad(share, ((0, 0), (0, 0), (0, missing))) if missing > 0 else share


def moved_share(problem: ExpertProblem, placement: Placement) -> float:
    """Share of slots whose expert was not on that chip in the previous placement."""
    if problem.previous is None:
        return 0.0
    new, old = placement.expert_of_slot, problem.previous
    kept = (new[:, :, :, None] == old[:, :, None, :]).any(axis=3)
    return float(1.0 - kept.mean())


def fan_out(trace: Trace, placement: Placement, per: int = 1) -> float:
    """Mean number of distinct chips (groups of `per` chips: nodes) that a token's experts lie on in one layer.

    This, not the cut, is the traffic of plain expert parallelism, which sends a token once to each chip it needs. Of
    several copies the first one is used.
    """
    layers, _, _ = placement.expert_of_slot.shape
    total: float = 0.0
    for layer in range(layers):
        home = first_chip(placement.expert_of_slot[layer]) // per
        chosen = np.sort(home[trace[:, layer].astype(np.int64)], axis=1)
        total += 1.0 + float((np.diff(chosen, axis=1) > 0).sum(axis=1).mean())
    return float(total / layers)


def first_chip(expert_of_slot: Ints) -> Ints:
    """The lowest chip that holds each expert of one layer, [experts]."""
    home = np.zeros(int(expert_of_slot.max()) + 1, np.int64)
    for chip in range(len(expert_of_slot) - 1, -1, -1):
        home[expert_of_slot[chip]] = chip
    return home
