"""Expert placement against brute force: 200 small cases with weights, copies and hop costs drawn widely.

Brute force tries every combination of every layer's layouts and knows nothing of the planner's own enumeration.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np

from planners.experts import ExpertProblem, place
from planners.experts.bounds import total_bound
from planners.experts.metrics import cost_of
from planners.experts.problem import Floats, Placement

SHAPES = (  # experts, chips, slots, layers: two layers of up to 9 experts, three of up to 6
    (4, 2, 4, 3), (5, 5, 5, 2), (4, 2, 6, 3), (6, 3, 6, 2), (6, 2, 8, 2), (8, 4, 8, 2), (8, 2, 8, 3), (9, 3, 9, 2),
    (3, 3, 6, 2), (4, 4, 8, 2), (7, 2, 8, 2), (5, 2, 6, 3), (6, 2, 6, 3), (4, 2, 8, 2), (3, 2, 4, 3), (5, 3, 6, 2),
    (6, 2, 10, 2), (8, 2, 10, 2), (4, 3, 6, 2), (9, 3, 9, 2), (7, 7, 7, 2), (2, 2, 4, 3), (9, 1, 9, 2), (6, 6, 6, 2),
)  # fmt: skip


def figures(cases: int = 200) -> dict[str, float]:
    """Objectives over the optimum (1 is best) and bounds under it (1 is best), by brute force."""
    found: dict[str, list[float]] = {
        "auto": [],
        "local": [],
        "heuristic": [],
        "answered": [],
        "copies": [],
        "plain": [],
    }
    for seed in range(cases):
        case = drawn(seed)
        best = brute_force(case)
        for method in ("auto", "local", "heuristic"):
            answer = place(case, method)
            found[method].append(ratio(answer.objective, best))
            if method == "auto":
                found["answered"].append(ratio(answer.lower_bound, best))
        found["copies" if case.slot_count > case.experts else "plain"].append(ratio(total_bound(case), best))
    out = {f"placement_{name}_worst_ratio": max(found[name]) for name in ("auto", "local", "heuristic")}
    for name in ("answered", "copies", "plain"):
        out[f"placement_bound_{name}_median_ratio"] = float(np.median(found[name]))
        out[f"placement_bound_{name}_worst_ratio"] = min(found[name])
        out[f"placement_bound_{name}_most_ratio"] = max(found[name])
    return out


def ratio(value: float, best: float) -> float:
    return 1.0 if abs(value - best) < 1e-12 else value / best


def drawn(seed: int) -> ExpertProblem:
    """A case of `SHAPES`: loads and traffic even to skewed, weights 0 to 10, hops that cost 1 to 10."""
    experts, chips, slots, layers = SHAPES[seed % len(SHAPES)]
    random = np.random.default_rng(seed)
    load_weight, cut_weight = random.choice([(1, 1), (1, 0.1), (0.1, 1), (1, 10), (0, 1), (1, 0), (3, 1)])
    return ExpertProblem(
        random.gamma(random.choice([0.3, 1.0, 5.0]), 1.0, (layers, experts)) + 0.01,
        random.gamma(random.choice([0.1, 0.5, 3.0]), 1.0, (layers - 1, experts, experts)) + 1e-6,
        chips,
        nodes=2 if chips % 2 == 0 and random.random() < 0.6 else 1,
        slots=slots,
        load_weight=float(load_weight),
        cut_weight=float(cut_weight),
        node_hop_cost=float(random.choice([1.0, 2.0, 10.0])),
    )


def brute_force(case: ExpertProblem) -> float:
    """The least objective of all combinations of layouts; the metrics' own cost for the winner."""
    ways = every_layout(case)
    slots = np.array([[list(chip) for chip in way] for way in ways])
    share = np.stack([(slots == e).sum(axis=2) for e in range(case.experts)], axis=2)
    share = share / share.sum(axis=1, keepdims=True)
    shares = case.shares()
    assert shares is not None
    hop = case.node_hop_cost
    node = np.arange(case.chips) // (case.chips // case.nodes)
    price = np.where(np.arange(case.chips)[:, None] == np.arange(case.chips), 0.0, 1.0 / hop)
    price = np.where(node[:, None] != node, 1.0, price)
    mean = case.loads.sum(axis=1) / case.chips
    total: Floats = np.zeros((len(ways),) * case.layers)
    for layer in range(case.layers):
        load = (share @ case.loads[layer]).max(axis=1) / mean[layer] * case.load_weight / case.layers
        total = total + load.reshape([-1 if axis == layer else 1 for axis in range(case.layers)])
    for layer, pair in enumerate(shares):
        cut = np.einsum("age,gh,bhe->ab", share @ pair, price, share, optimize=True)
        shape = [len(ways) if axis in (layer, layer + 1) else 1 for axis in range(case.layers)]
        total = total + case.cut_weight / len(shares) * cut.reshape(shape)
    winner = np.unravel_index(np.argmin(total), total.shape)
    return cost_of(case, Placement(slots[list(winner)]))[0]


def every_layout(case: ExpertProblem) -> list[tuple[tuple[int, ...], ...]]:
    """What the chips may hold so that every expert has a slot."""
    holdings = list(combinations_with_replacement(range(case.experts), case.slots_per_chip))
    if case.slot_count == case.experts:
        holdings = [h for h in holdings if len(set(h)) == len(h)]
    wanted = set(range(case.experts))
    return [way for way in product(holdings, repeat=case.chips) if set().union(*way) == wanted]
