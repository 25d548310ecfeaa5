"""Lower bounds that no placement can beat.

Load. A chip that holds the heaviest copy also holds at least the m - 1 lightest ones, and some chip carries at least
the mean: max / mean >= max(1, (w_max + m-1 smallest) / mean).

Cut. Let X_g[i] be the share of expert i that chip g serves. The co-located share of one layer pair is tr(X T Y'), with
T the normalised transitions. Rows of T give sum_i (m largest of row i), columns likewise. Without copies X has equal
row sums, so its constant part contributes exactly 1/G; the part along the loads w is no longer than
sqrt(G (r - 1)) mean / |w~| when no chip exceeds r times the mean (Bhatia and Davis 2000: variance <= (max - mean)
(mean - min)); on the rest, all singular values of X are at most sqrt(m), so von Neumann's trace inequality allows m x
(the G - 1 largest singular values of T with both directions projected out). Balance thus limits co-location, and the
sum of both objectives is bounded jointly: minimise over r.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planners.experts.problem import ExpertProblem, Floats

LOAD_GRID = np.concatenate([[0.0], np.geomspace(1e-4, 3.0, 60)])
"""load ratios above a layer's own bound at which the joint bound is evaluated; between them it uses the lower load and
the longer component, so it stays a bound"""


SHIFT_FROM = 192
"""experts from which a diagonal shift tightens the bound: it costs an eigenvalue problem of twice the size"""


def load_bound(problem: ExpertProblem) -> Floats:
    """Busiest over mean, [layers]."""
    loads, chips, m = problem.loads, problem.chips, problem.slots_per_chip
    mean = loads.sum(axis=1) / chips
    if problem.slot_count == problem.experts:
        heaviest, lightest = loads.max(axis=1), np.sort(loads, axis=1)[:, : m - 1].sum(axis=1)
        return np.asarray(np.maximum(1.0, (heaviest + lightest) / mean))
    return np.asarray(
        np.maximum(1.0, np.array([_least_heaviest(row, problem.slot_count, chips) for row in loads]) / mean)
    )


def _least_heaviest(load: Floats, slots: int, chips: int) -> float:
    """The smallest possible largest load per copy with `slots` copies, at most one per chip."""
    copies = np.ones(len(load))
    for _ in range(slots - len(load)):
        each = np.where(copies < chips, load / copies, -1.0)
        copies[int(np.argmax(each))] += 1
    return float((load / copies).max())


def total_bound(problem: ExpertProblem) -> float:
    """Bound on load_weight x load + cut_weight x cut; moves cost at least nothing."""
    loads = load_bound(problem)
    shares = problem.shares()
    if shares is None or len(shares) == 0 or problem.cut_weight == 0.0:
        return problem.load_weight * float(loads.mean())
    simple = [row_column_bound(pair, problem.slots_per_chip) for pair in shares]
    hop = max(problem.node_hop_cost, 1.0)
    between = np.mean([1.0 - row_column_bound(pair, problem.slot_count // problem.nodes) for pair in shares])
    nodes = problem.cut_weight * (hop - 1.0) / hop * float(between)
    problem = replace(problem, cut_weight=problem.cut_weight / hop)
    return nodes + _chip_bound(problem, shares, loads, simple)


def _chip_bound(problem: ExpertProblem, shares: Floats, loads: Floats, simple: list[float]) -> float:
    """Bound on load and on pairs that leave their chip."""
    if problem.slot_count != problem.experts:
        return problem.load_weight * float(loads.mean()) + problem.cut_weight * (1.0 - float(np.mean(simple)))
    share_of_layer = np.full(problem.layers, 2.0)
    share_of_layer[[0, -1]] = 1.0
    weight = problem.load_weight / problem.layers
    pairs = len(shares)
    total = 0.0
    for layer, pair in enumerate(shares):
        parts = [weight / share_of_layer[layer], weight / share_of_layer[layer + 1]]
        total += _joint(problem, layer, pair, (parts[0], parts[1], problem.cut_weight / pairs), (loads, simple[layer]))
    return total


def row_column_bound(pair: Floats, m: int) -> float:
    """Largest co-located share by the m largest entries of each row, and of each column."""
    if m >= len(pair):
        return float(pair.sum())
    rows = np.partition(pair, -m, axis=1)[:, -m:].sum()
    columns = np.partition(pair, -m, axis=0)[-m:].sum()
    return float(min(rows, columns))


def _joint(
    problem: ExpertProblem, layer: int, pair: Floats, weights: tuple[float, float, float], known: tuple[Floats, float]
) -> float:
    """min over both layers' load ratios of their weighted loads plus the weighted cut they allow."""
    loads, simple = known
    b, reach_b = _load_direction(problem.loads[layer], problem.chips, loads[layer], problem.slots_per_chip)
    c, reach_c = _load_direction(problem.loads[layer + 1], problem.chips, loads[layer + 1], problem.slots_per_chip)
    inner = centred(centred(pair.T, c).T, b)
    found = np.linalg.svd(inner)
    left, sizes, right = found[0].astype(np.float64), found[1].astype(np.float64), found[2].astype(np.float64)
    located = _located(problem, (pair, b, c), np.zeros((2, len(pair))), (reach_b, reach_c), sizes[: problem.chips - 1])
    if len(pair) >= SHIFT_FROM:
        shift = _shift(problem, left, sizes, right)
        block = _block(pair, shift, b, c)
        largest = np.linalg.eigvalsh(block)[-(problem.chips - 1) :].astype(np.float64)
        located = np.minimum(located, _located(problem, (pair, b, c), shift, (reach_b, reach_c), 2.0 * largest))
    located = np.minimum(np.minimum(located, simple), 1.0)
    ratio_b, ratio_c = loads[layer] + LOAD_GRID[:, None], loads[layer + 1] + LOAD_GRID[None, :]
    return float(np.min(weights[0] * ratio_b + weights[1] * ratio_c + weights[2] * (1.0 - located)))


def centred(columns: Floats, direction: Floats) -> Floats:
    """Columns without their mean and without their part along a (centred) direction."""
    free = columns - columns.mean(axis=0)
    return np.asarray(free - np.multiply.outer(direction, direction @ free))


def _located(
    problem: ExpertProblem,
    what: tuple[Floats, Floats, Floats],
    shift: Floats,
    reach: tuple[Floats, Floats],
    sizes: Floats,
) -> Floats:
    """Largest co-located share for each pair of load ratios, [grid, grid]; the module's sum, with a diagonal shift."""
    pair, b, c = what
    chips, m = problem.chips, problem.slots_per_chip
    base = (1.0 + shift.sum()) / chips - shift.sum() + m * np.maximum(sizes, 0.0).sum()
    both = abs(float(b @ pair @ c))
    side_b = np.linalg.norm(centred(pair.T @ b, c)) + 2.0 * np.linalg.norm(centred(shift[0] * b, b))
    side_c = np.linalg.norm(centred(pair @ c, b)) + 2.0 * np.linalg.norm(centred(shift[1] * c, c))
    own_b, own_c = max(float(b @ (shift[0] * b)), 0.0), max(float(c @ (shift[1] * c)), 0.0)
    reach_b, reach_c = reach[0][:, None], reach[1][None, :]
    cross = np.sqrt(m) * (side_b * reach_b + side_c * reach_c)
    return np.asarray(base + both * reach_b * reach_c + cross + own_b * reach_b**2 + own_c * reach_c**2)


def _shift(problem: ExpertProblem, left: Floats, sizes: Floats, right: Floats) -> Floats:
    """One descent step of the diagonal, [2, experts]: less weight where the leading vectors concentrate.

    X has one 1 per row, so a diagonal adds its own sum to the trace whatever the placement (Donath and Hoffman 1973);
    the gradient of the bound is 2 m x the squared row norm of the leading eigenvectors + 1/G - 1.
    """
    chips, m = problem.chips, problem.slots_per_chip
    top = chips - 1
    rows = 0.5 * np.stack([(left[:, :top] ** 2).sum(axis=1), (right[:top] ** 2).sum(axis=0)])
    return np.asarray(-0.2 * sizes[:top].mean() * (2.0 * m * rows + 1.0 / chips - 1.0))


def _block(pair: Floats, shift: Floats, b: Floats, c: Floats) -> Floats:
    """[[D1, T/2], [T'/2, D2]] with the constant and load directions projected out on both sides."""
    n = len(pair)
    block = np.empty((2 * n, 2 * n))
    block[:n, :n] = centred(centred(np.diag(shift[0]), b).T, b)
    block[n:, n:] = centred(centred(np.diag(shift[1]), c).T, c)
    block[:n, n:] = 0.5 * centred(centred(pair.T, c).T, b)
    block[n:, :n] = block[:n, n:].T
    return block


def _load_direction(load: Floats, chips: int, least: float, m: int) -> tuple[Floats, Floats]:
    """(unit vector of the centred loads, its longest image under X at the end of each interval of LOAD_GRID)."""
    centred = load - load.mean()
    norm = float(np.linalg.norm(centred))
    ends = np.append(LOAD_GRID[1:], np.inf)
    if norm <= 1e-9 * load.mean():
        return np.zeros(len(load)), np.zeros(len(LOAD_GRID))
    reach = np.sqrt(chips * (least + ends - 1.0)) * (load.sum() / chips) / norm
    return centred / norm, np.minimum(reach, np.sqrt(m))
