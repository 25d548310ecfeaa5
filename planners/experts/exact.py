"""The optimum by dynamic programming over the layouts of each layer: any weights, copies, hop costs, moves and caps.

Layers only touch their neighbours, so V_l(b) = own(l, b) + min over a of V_{l-1}(a) + cut(a, b). Renaming chips (within
a node, and whole nodes) in all layers alike changes nothing, so V is computed for one layout b of each class, against
all layouts a: layouts x classes values a layer. Bellman (1957).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.experts.layouts import Layouts, layouts
from planners.experts.problem import ExpertProblem, Floats, Placement

MOST_LAYOUTS = 100_000
MOST_WORK = 150_000_000
"""layouts x classes x pairs of layers: about a CPU second"""
CHUNK = 8_000_000
"""values held at once"""


def layouts_for(problem: ExpertProblem, work: int = MOST_WORK) -> Layouts | None:
    """The layouts of each layer where the optimum takes at most `work` values; None elsewhere."""
    found = layouts(problem, MOST_LAYOUTS)
    if found is None or len(found.counts) * len(found.heads) * max(problem.layers - 1, 1) > work:
        return None
    return found


def optimum(problem: ExpertProblem, ways: Layouts) -> Placement:
    """A placement of least objective, proven, from all layouts of its layers."""
    share = ways.share
    own = own_cost(problem, ways, share)
    shares = problem.shares()
    pairs = shares if shares is not None and problem.cut_weight > 0 else np.zeros((0, 0, 0))
    weight = problem.cut_weight / max(len(pairs), 1)
    value = [own[0]]
    for layer in range(1, problem.layers):
        if len(pairs):
            best = _before(value[-1], weight * _seen(problem, share, pairs[layer - 1]), share[ways.heads])
            value.append(own[layer] + best[ways.kind])
        else:
            value.append(own[layer] + value[-1].min())
    chosen = [int(np.argmin(value[-1]))]
    for layer in range(problem.layers - 2, -1, -1):
        before = value[layer]
        if len(pairs):
            seen = weight * _seen(problem, share, pairs[layer])
            before = before - seen @ share[chosen[-1]].ravel()
        chosen.append(int(np.argmin(before)))
    return placement_of_counts(ways.counts[chosen[::-1]])


def own_cost(problem: ExpertProblem, ways: Layouts, share: Floats) -> Floats:
    """Load and moves of each layout in each layer, [layers, layouts]; infinite above the cap where one can meet it."""
    mean = problem.loads.sum(axis=1, keepdims=True) / problem.chips
    ratio = np.stack([(share @ load).max(axis=1) for load in problem.loads]) / mean
    cap = np.inf if problem.load_cap_ratio is None else problem.load_cap_ratio
    allowed = ratio <= np.maximum(cap, ratio.min(axis=1, keepdims=True)) * (1 + 1e-12)
    cost = problem.load_weight * ratio / problem.layers
    if problem.previous is not None and problem.move_cost > 0:
        each = problem.move_cost / (problem.layers * problem.slot_count)
        held = (problem.previous[..., None] == np.arange(problem.experts)).any(axis=2)
        cost = cost + each * np.tensordot(~held, ways.counts, axes=([1, 2], [1, 2]))
    return np.where(allowed, cost, np.inf)


def credit(problem: ExpertProblem) -> Floats:
    """What a pair from chip to chip saves of a hop between nodes, [chips, chips]: 1 where it stays."""
    hop = max(problem.node_hop_cost, 1.0)
    size = problem.chips // problem.nodes
    same_node = np.kron(np.eye(problem.nodes), np.ones((size, size)))
    return np.asarray((np.eye(problem.chips) + (hop - 1.0) * same_node) / hop)


def _seen(problem: ExpertProblem, share: Floats, pair: Floats) -> Floats:
    """What each layout saves by a share of expert j on chip h in the next layer, [layouts, chips x experts]."""
    return np.asarray((credit(problem) @ (share @ pair)).reshape(len(share), -1))


def _before(value: Floats, seen: Floats, heads: Floats) -> Floats:
    """min over layouts a of value[a] - saved(a, b) for each class's layout b, [classes]."""
    flat, live = heads.reshape(len(heads), -1), np.flatnonzero(np.isfinite(value))
    value, seen = value[live], seen[live]
    step = max(1, CHUNK // len(live))
    parts = [(value - flat[i : i + step] @ seen.T).min(axis=1) for i in range(0, len(flat), step)]
    return np.concatenate(parts)


def placement_of_counts(counts: NDArray[np.int8]) -> Placement:
    """Slots of each chip in the order of their experts, from [layers, chips, experts] copies."""
    layers, chips, experts = counts.shape
    flat = np.repeat(np.tile(np.arange(experts), layers * chips), counts.ravel())
    return Placement(flat.reshape(layers, chips, -1))
