"""Integer programs for expert placement: everything at once on small instances, one layer at a time on any.

Exact (x[l,e,g] expert e of layer l on chip g, M_l busiest load, z[l,i,j] >= 1 where i and j share a chip):

    min  a/L sum M_l / mean_l + b/(L-1) sum_l sum_ij T_l[i,j] (1 - z[l,i,j])
    sum_g x = 1, sum_e x = m, sum_e w x <= M_l, y[l,i,j,g] <= x[l,i,g], y <= x[l+1,j,g], z = sum_g y

Its relaxation is weak (x = 1/G cuts nothing), so it is for instances of a thousand or so variables; a layer alone,
given its neighbours, is an assignment with a load cap, which HiGHS solves in under a second at 128 experts.
"""

from __future__ import annotations

import numpy as np

from planners.answer import Clock
from planners.experts.metrics import cost_of
from planners.experts.problem import ExpertProblem, Floats, Ints, Placement
from planners.program import Program, values
from simcore.errors import InputError

MOST_VARIABLES = 3_000
"""of the exact program"""


def size_of(problem: ExpertProblem) -> int:
    """Variables of the exact program: L E G placements and (L - 1) E E G co-locations."""
    layers, experts, chips = problem.layers, problem.experts, problem.chips
    pairs = 0 if problem.transitions is None else (layers - 1) * experts**2 * chips
    return layers * experts * chips + pairs + layers


def monolithic(problem: ExpertProblem, clock: Clock) -> Placement:
    """The exact program. Raises InputError when it is too large, with its size, or asked for copies or node hops."""
    size = size_of(problem)
    if size > MOST_VARIABLES:
        fix = f"at most {MOST_VARIABLES:,}; use method heuristic or ilp"
        raise InputError(f"the exact program would have {size:,} variables", key="method", fix=fix)
    if problem.slot_count != problem.experts or problem.node_hop_cost > 1 or problem.move_cost > 0:
        raise InputError("the exact program knows no copies, node hops or moves", key="method", fix="use heuristic")
    program = Program("experts")
    place = program.variables((problem.layers, problem.experts, problem.chips))
    busiest = program.variables(problem.layers, "Continuous", 0.0, None)
    kept = _constrain(program, problem, place, busiest)
    mean = problem.loads.sum(axis=1) / problem.chips
    terms = [(problem.load_weight / problem.layers / mean[layer], busiest[layer]) for layer in range(problem.layers)]
    program.minimise(terms + [(-problem.cut_weight * share / max(problem.layers - 1, 1), y) for share, y in kept])
    _break_symmetry(program, place)
    solved = program.solve(clock.left_s)
    if solved.status not in ("optimal", "feasible"):
        raise InputError("no placement was found within the time limit", key="time_limit", fix="give more seconds")
    chip = np.argmax(values(place), axis=2)
    return _placement(chip, problem.chips)


def _constrain(program: Program, problem: ExpertProblem, place: Ints, busiest: Ints) -> list[tuple[float, object]]:
    """Constraints of the exact program; returns (share of pairs, co-location variable) terms."""
    layers, experts, chips = place.shape
    mean = problem.loads.sum(axis=1) / chips
    for layer in range(layers):
        for e in range(experts):
            program.equal([(1.0, v) for v in place[layer, e]], 1.0)
        for g in range(chips):
            program.equal([(1.0, v) for v in place[layer, :, g]], experts // chips)
            loads = [(w, v) for w, v in zip(problem.loads[layer], place[layer, :, g], strict=True)]
            program.at_most([*loads, (-1.0, busiest[layer])], 0.0)
            if problem.load_cap_ratio is not None:
                program.at_most(loads, problem.load_cap_ratio * mean[layer] * (1 + 1e-9))
    shares = problem.shares()
    kept: list[tuple[float, object]] = []
    for layer, pair in enumerate(shares if shares is not None else ()):
        for i, j in zip(*np.nonzero(pair), strict=True):
            both = program.variables(chips, "Continuous")
            for g in range(chips):
                program.at_most([(1.0, both[g]), (-1.0, place[layer, i, g])], 0.0)
                program.at_most([(1.0, both[g]), (-1.0, place[layer + 1, j, g])], 0.0)
                kept.append((float(pair[i, j]), both[g]))
    return kept


def _break_symmetry(program: Program, place: Ints) -> None:
    """Chips have no names of their own: expert e of the first layer lies on a chip numbered at most e."""
    for e in range(min(place.shape[1], place.shape[2] - 1)):
        for g in range(e + 1, place.shape[2]):
            program.equal([(1.0, place[0, e, g])], 0.0)


def descend(problem: ExpertProblem, start: Placement, clock: Clock, sweeps: int = 2) -> Placement:
    """Re-place one layer after another, each to optimality under its load cap given its neighbours, while it helps."""
    if problem.slot_count != problem.experts:
        raise InputError("the layer program knows no copies", key="method", fix="use method heuristic")
    chip = np.argmax(start.chip_share, axis=1)
    best, value = start, cost_of(problem, start)[0]
    for _ in range(sweeps):
        for layer in range(problem.layers):
            if clock.over:
                return best
            chip[layer] = layer_assignment(problem, chip, layer, clock)
        found = _placement(chip, problem.chips)
        cost = cost_of(problem, found)[0]
        if cost >= value - 1e-9:
            break
        best, value = found, cost
    return best


def layer_assignment(problem: ExpertProblem, chip: Ints, layer: int, clock: Clock) -> Ints:
    """Chip of each expert of one layer, the best under the larger of its cap and its present load."""
    gain = _gain(problem, chip, layer)
    loads = problem.loads[layer]
    cap = max(
        np.bincount(chip[layer], loads, problem.chips).max(),
        (problem.load_cap_ratio or 0.0) * loads.sum() / problem.chips,
    )
    program = Program("layer")
    place = program.variables(gain.shape)
    for e in range(problem.experts):
        program.equal([(1.0, v) for v in place[e]], 1.0)
    for g in range(problem.chips):
        program.equal([(1.0, v) for v in place[:, g]], problem.slots_per_chip)
        program.at_most([(w, v) for w, v in zip(loads, place[:, g], strict=True)], cap * (1 + 1e-9))
    program.minimise([(-float(gain[index]), place[index]) for index in np.ndindex(*gain.shape)])
    solved = program.solve(min(clock.left_s, 20.0), gap_ratio=1e-3)
    best: Ints = np.argmax(values(place), axis=1)
    return best if solved.status in ("optimal", "feasible") else chip[layer]


def _gain(problem: ExpertProblem, chip: Ints, layer: int) -> Floats:
    """Co-located share of each expert on each chip with the layers beside it, [experts, chips]."""
    shares = problem.shares()
    gain = np.zeros((problem.experts, problem.chips))
    names = np.eye(problem.chips)
    if shares is not None and layer > 0:
        gain += shares[layer - 1].T @ names[chip[layer - 1]]
    if shares is not None and layer + 1 < problem.layers:
        gain += shares[layer] @ names[chip[layer + 1]]
    return gain


def _placement(chip: Ints, chips: int) -> Placement:
    order = np.argsort(chip, axis=1, kind="stable")
    return Placement(order.reshape(len(chip), chips, -1))
