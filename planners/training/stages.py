"""Uneven pipeline stages: which layers on which rank, where chips, links and memory differ; a dynamic program.

A pipeline of n microbatches takes about sum(f + b) + (n - 1) max(f + b). For each bound on the busiest stage the
program finds the fewest seconds layer by layer; ranks are chained by their links and swapped while that helps
(Pipette). The lower bound spreads all work by speed as if layers could be cut; the answer is run through the schedule
itself, so the gap is of real seconds. Wrong where links differ much within one chain: the slowest one stands for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from simcore.engine.training.pipeline import StageTimes, program, run

Floats = NDArray[np.float64]
BOUNDS = 24
"""of the busiest stage that are tried"""
ROUNDS = 80
"""swaps of two ranks that are tried, each order once"""


@dataclass(frozen=True)
class Stages:
    """A problem: seconds of a layer on a chip of speed 1, and what ranks differ in."""

    layer_s: Floats
    """[layers] forward and backward of one microbatch; embedding and head belong to the first and last"""
    layer_bytes: Floats
    """[layers] weights, gradients and states"""
    kept_bytes: Floats
    """[layers] activations of one microbatch"""
    speed: Floats
    """[ranks] over the chip that layer_s is of"""
    have_bytes: Floats
    """[ranks]"""
    send_s: Floats
    """[ranks, ranks] seconds of a microbatch's hidden state from one rank to another"""
    microbatches: int
    forward_share: float = 1.0 / 3.0

    @property
    def ranks(self) -> int:
        return len(self.speed)


@dataclass(frozen=True)
class Split:
    """An answer: the rank of every stage, layers of every stage, seconds of a step, and the bound."""

    order: tuple[int, ...]
    layers: tuple[int, ...]
    time_s: float
    even_s: float
    """of layers as even as can be on ranks in their given order; infinite where that does not fit"""
    bound_s: float

    @property
    def gap_ratio(self) -> float:
        """Over the lower bound."""
        return self.time_s / self.bound_s - 1.0


def plan_stages(problem: Stages, seed: int = 0) -> Split | None:
    """The best split that the program and the swaps find; None where no split fits."""
    order = start_order(problem)
    best = score(problem, order)
    draw, seen = np.random.default_rng(seed), {tuple(order)}
    for _ in range(ROUNDS if problem.ranks > 1 and uneven(problem) else 0):
        one, two = draw.integers(0, problem.ranks, 2)
        if one == two:
            continue
        other = order.copy()
        other[one], other[two] = other[two], other[one]
        if tuple(other) in seen:
            continue
        seen.add(tuple(other))
        found = score(problem, other)
        if found is not None and (best is None or found[1] < best[1]):
            order, best = other, found
    if best is None:
        return None
    layers, time_s = best
    return Split(tuple(order), layers, time_s, even_s(problem), bound_s(problem))


def uneven(problem: Stages) -> bool:
    """Whether the order of ranks matters at all."""
    links = problem.send_s[~np.eye(problem.ranks, dtype=bool)]
    return bool(np.ptp(problem.speed) > 0 or np.ptp(links) > 0 or np.ptp(problem.have_bytes) > 0)


def start_order(problem: Stages) -> list[int]:
    """Ranks chained by their fastest links, those with most memory first: early stages hold most microbatches."""
    left = set(range(problem.ranks))
    order = [int(np.argmax(problem.have_bytes))]
    left.remove(order[0])
    while left:
        nearest = min(left, key=lambda r: (problem.send_s[order[-1], r], -problem.have_bytes[r], r))
        order.append(nearest)
        left.remove(nearest)
    return order


def score(problem: Stages, order: list[int]) -> tuple[tuple[int, ...], float] | None:
    """(layers of every stage, seconds of the schedule) of the best split on ranks in this order."""
    tried: dict[tuple[int, ...], float] = {}
    total = float(problem.layer_s.sum())
    least = total / float(problem.speed.sum())
    for most in np.geomspace(least, max(total / float(problem.speed.min()), 1.01 * least), BOUNDS):
        layers = split(problem, order, float(most))
        if layers is not None and layers not in tried:
            tried[layers] = step_s(problem, order, layers)
            if len(tried) == 4:
                break
    return min(tried.items(), key=lambda item: (item[1], item[0])) if tried else None


def split(problem: Stages, order: list[int], most_s: float) -> tuple[int, ...] | None:
    """The split with the fewest seconds in sum whose stages take at most `most_s` and fit: a dynamic program."""
    count, ranks = len(problem.layer_s), problem.ranks
    time_s = np.concatenate([[0.0], np.cumsum(problem.layer_s)])
    held = np.concatenate([[0.0], np.cumsum(problem.layer_bytes)])
    kept = np.concatenate([[0.0], np.cumsum(problem.kept_bytes)])
    best = np.full((ranks + 1, count + 1), np.inf)
    came = np.zeros((ranks + 1, count + 1), np.int64)
    best[0, 0] = 0.0
    for stage, rank in enumerate(order):
        flying = min(ranks - stage, problem.microbatches)
        for end in range(stage + 1, count - (ranks - stage - 1) + 1):
            begins = np.arange(stage, end)
            own = (time_s[end] - time_s[begins]) / problem.speed[rank]
            need = held[end] - held[begins] + flying * (kept[end] - kept[begins])
            value = np.where((own <= most_s) & (need <= problem.have_bytes[rank]), best[stage, begins] + own, np.inf)
            at = int(np.argmin(value))
            best[stage + 1, end], came[stage + 1, end] = value[at], begins[at]
    if not np.isfinite(best[ranks, count]):
        return None
    cuts = [count]
    for stage in range(ranks, 0, -1):
        cuts.append(int(came[stage, cuts[-1]]))
    return tuple(b - a for a, b in pairwise(reversed(cuts)))


def step_s(problem: Stages, order: list[int], layers: tuple[int, ...]) -> float:
    """Seconds of 1F1B over these stages, the slowest link between neighbours as latency."""
    cuts = np.concatenate([[0], np.cumsum(layers)])
    own = np.array([problem.layer_s[a:b].sum() for a, b in pairwise(cuts)]) / problem.speed[list(order)]
    links = [float(problem.send_s[a, b]) for a, b in pairwise(order)]
    share = problem.forward_share
    times = StageTimes(own * share, own * (1.0 - share), 0.0 * own, latency_s=max(links, default=0.0))
    return run(program("1f1b", problem.ranks, 1, problem.microbatches), times).time_s


def even_s(problem: Stages) -> float:
    """Seconds of layers as even as can be on ranks as they are given; infinite where that does not fit."""
    base, more = divmod(len(problem.layer_s), problem.ranks)
    layers = tuple(base + (stage < more) for stage in range(problem.ranks))
    cuts = np.concatenate([[0], np.cumsum(layers)])
    for stage, (a, b) in enumerate(pairwise(cuts)):
        flying = min(problem.ranks - stage, problem.microbatches)
        need = problem.layer_bytes[a:b].sum() + flying * problem.kept_bytes[a:b].sum()
        if need > problem.have_bytes[stage]:
            return float("inf")
    return step_s(problem, list(range(problem.ranks)), layers)


def bound_s(problem: Stages) -> float:
    """No split is faster: the busiest stage has at least its share of all work by speed, and no less than one layer;
    the first microbatch passes every layer on the fastest rank at best."""
    total, fastest = float(problem.layer_s.sum()), float(problem.speed.max())
    busiest = max(total / float(problem.speed.sum()), float(problem.layer_s.max()) / fastest)
    links = problem.send_s[~np.eye(problem.ranks, dtype=bool)]
    hops = 2.0 * (problem.ranks - 1) * float(links.min()) if len(links) else 0.0
    return total / fastest + hops + (problem.microbatches - 1) * busiest
