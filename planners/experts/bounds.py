"""Lower bounds that no placement can beat.

Load. A chip that holds the heaviest copy also holds at least the m - 1 lightest ones, and some chip carries at least
the mean: max / mean >= max(1, (w_max + m-1 smallest) / mean).

Cut. Let X[g, i] be the share of expert i that chip g serves: columns sum to 1, a row has at most m entries. The
co-located share of one layer pair is tr(X T Y'), with T the normalised transitions.

Row by row, expert i meets at most what one chip can hold of its partners: the m largest of row i, and no more than
carries r times the mean load (a fractional knapsack); columns likewise.

All rows at once: X = 1/G + Z, and the constant part contributes exactly 1/G. The part of Z along the loads w is no
longer than sqrt(G (r - 1)) mean / |w| when no chip exceeds r times the mean (Bhatia and Davis 2000: variance <= (max -
mean) (mean - min)); without copies Z has no part along (1, ..., 1) either, and w counts without its mean. On the rest
no singular value of Z exceeds sqrt(m) (row sums <= m, column sums 1), there are G - 1, and their squares sum to at most
the Frobenius norm sum_i min(1, r mean / w_i) - E / G: a hot expert must be spread. Von Neumann's trace inequality then
bounds the rest by the singular values of T with both directions projected out. Balance thus limits co-location, and
the sum of both objectives is bounded jointly: minimise over r of both layers. Nodes are bounded as chips are, with the
same r: a node's load is at most r times the mean of nodes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planners.experts.counting import knapsacks
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
    share_of_layer = np.full(problem.layers, 2.0)
    share_of_layer[[0, -1]] = 1.0
    own = problem.load_weight / problem.layers / share_of_layer
    hop, cut = max(problem.node_hop_cost, 1.0), problem.cut_weight / len(shares)
    levels = [(problem, cut / hop)]
    if hop > 1.0:
        levels.append((replace(problem, chips=problem.nodes, nodes=1, previous=None), cut * (hop - 1.0) / hop))
    total = 0.0
    for layer, pair in enumerate(shares):
        ratios = loads[layer] + LOAD_GRID[:, None], loads[layer + 1] + LOAD_GRID[None, :]
        value = own[layer] * ratios[0] + own[layer + 1] * ratios[1]
        for level, weight in levels:
            value = value + weight * (1.0 - located(level, layer, pair, (loads[layer], loads[layer + 1])))
        total += float(np.min(value))
    return total


def row_bound(pair: Floats, load: Floats, m: int, caps: Floats) -> Floats:
    """Largest co-located share by rows when a chip holds m of the columns' experts and a load up to each cap, [caps].

    The smaller of the m largest entries and the fractional knapsack over the loads, row by row.
    """
    largest = np.partition(pair, -m, axis=1)[:, -m:].sum(axis=1) if m < len(pair) else pair.sum(axis=1)
    order = np.argsort(-pair / np.maximum(load, 1e-300), axis=1)
    found: Floats = knapsacks(np.take_along_axis(pair, order, axis=1), load[order], largest, caps)
    return found


def located(problem: ExpertProblem, layer: int, pair: Floats, least: tuple[float, float]) -> Floats:
    """Largest co-located share of a layer pair for each pair of load ratios, [grid, grid]."""
    chips, m, copies = problem.chips, problem.slots_per_chip, problem.slot_count > problem.experts
    before, after = problem.loads[layer], problem.loads[layer + 1]
    caps = [low + np.append(LOAD_GRID[1:], chips) for low in least]
    rows = row_bound(pair, after, m, caps[1] * after.sum() / chips)
    columns = row_bound(pair.T, before, m, caps[0] * before.sum() / chips)
    simple = np.minimum(np.minimum(rows[None, :], columns[:, None]), 1.0)
    if chips == 1:
        return simple
    b, reach_b = _load_direction(before, chips, caps[0], m, copies)
    c, reach_c = _load_direction(after, chips, caps[1], m, copies)
    inner = centred(centred(pair.T, c, copies).T, b, copies)
    found = np.linalg.svd(inner)
    left, sizes, right = found[0].astype(np.float64), found[1].astype(np.float64), found[2].astype(np.float64)
    reach, none = (reach_b, reach_c), np.zeros((2, len(pair)))
    if copies:
        spread = [_spread(load, chips, cap) for load, cap in ((before, caps[0]), (after, caps[1]))]
        rest = _budgeted(sizes[: chips - 1], m, spread[0][:, None], spread[1][None, :])
        return np.minimum(simple, _located(problem, (pair, b, c), none, reach, rest))
    best = _located(problem, (pair, b, c), none, reach, m * sizes[: chips - 1].sum())
    if len(pair) >= SHIFT_FROM:
        shift = _shift(problem, left, sizes, right)
        block = _block(pair, shift, b, c)
        largest = np.linalg.eigvalsh(block)[-(chips - 1) :].astype(np.float64)
        rest = m * np.maximum(2.0 * largest, 0.0).sum()
        best = np.minimum(best, _located(problem, (pair, b, c), shift, reach, rest))
    return np.minimum(best, simple)


def _spread(load: Floats, chips: int, caps: Floats) -> Floats:
    """Largest squared Frobenius norm of Z under each load cap, [caps]: an expert above it lies on several chips."""
    share = caps[:, None] * load.sum() / chips / np.maximum(load, 1e-300)[None, :]
    return np.asarray(np.minimum(share, 1.0).sum(axis=1) - len(load) / chips)


def _budgeted(sizes: Floats, m: int, first: Floats, second: Floats) -> Floats:
    """max of sum size_i x_i y_i with x_i, y_i <= sqrt(m), the squares of x and y summing to `first` and `second`.

    As x y <= (t x^2 + y^2 / t) / 2, the sum is at most that of a knapsack whose budget is the geometric mean.
    """
    budget = np.sqrt(np.maximum(first, 0.0) * np.maximum(second, 0.0))
    worth = np.append(0.0, np.cumsum(m * sizes))
    return np.asarray(np.interp(budget, m * np.arange(len(worth)), worth))


def centred(columns: Floats, direction: Floats, copies: bool = False) -> Floats:
    """Columns without their mean (kept with copies) and without their part along a direction."""
    free = columns if copies else columns - columns.mean(axis=0)
    return np.asarray(free - np.multiply.outer(direction, direction @ free))


def _located(
    problem: ExpertProblem,
    what: tuple[Floats, Floats, Floats],
    shift: Floats,
    reach: tuple[Floats, Floats],
    rest: Floats | float,
) -> Floats:
    """Largest co-located share for each pair of load ratios, [grid, grid]; the module's sum, with a diagonal shift.

    `rest`: what the directions beside the loads add at most.
    """
    pair, b, c = what
    copies = problem.slot_count > problem.experts
    chips, m = problem.chips, problem.slots_per_chip
    base = (1.0 + shift.sum()) / chips - shift.sum() + rest
    both = abs(float(b @ pair @ c))
    side_b = np.linalg.norm(centred(pair.T @ b, c, copies)) + 2.0 * np.linalg.norm(centred(shift[0] * b, b))
    side_c = np.linalg.norm(centred(pair @ c, b, copies)) + 2.0 * np.linalg.norm(centred(shift[1] * c, c))
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


def _load_direction(load: Floats, chips: int, caps: Floats, m: int, copies: bool) -> tuple[Floats, Floats]:
    """(unit vector of the loads, centred without copies; the longest image of it under Z at each cap)."""
    along = load if copies else load - load.mean()
    norm = float(np.linalg.norm(along))
    if norm <= 1e-9 * load.mean():
        return np.zeros(len(load)), np.zeros(len(caps))
    reach = np.sqrt(chips * np.maximum(caps - 1.0, 0.0)) * (load.sum() / chips) / norm
    return along / norm, np.minimum(reach, np.sqrt(m))
