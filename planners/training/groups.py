"""Sequence-parallel groups for sequences of unequal length (FlexSP, Wang et al. 2025): a mixed integer program.

The chips of a step divide into groups of 1, 2, 4, ... chips; each sequence goes to one group, which computes its own
one after the other. A group of d chips takes

    time = sum over its sequences of (a l^2 + b l) / d + (d > 1) c l + e     c l: the exchange, which d does not shrink

and holds sum l / d tokens a chip at most. Sequences of like length are gathered into buckets; the program places
counts of each bucket and minimises the slowest group. Its relaxation is the lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sequences:
    """A batch and the cost of a sequence of l tokens."""

    tokens: tuple[int, ...]
    chips: int
    most_tokens: float
    """that a chip holds"""
    square_s: float
    """a: of attention, per token squared"""
    linear_s: float
    """b: of matrices, per token"""
    exchange_s: float
    """c: of sequence parallelism, per token"""
    start_s: float = 0.0
    """e"""

    def time_s(self, tokens: float, degree: int) -> float:
        """Of one sequence in a group of so many chips."""
        own = (self.square_s * tokens**2 + self.linear_s * tokens) / degree
        return own + (self.exchange_s * tokens if degree > 1 else 0.0)


@dataclass(frozen=True)
class Groups:
    """An answer: groups (degree, lengths of its sequences), the slowest one's seconds, the bound, one equal degree."""

    groups: tuple[tuple[int, tuple[int, ...]], ...]
    time_s: float
    bound_s: float
    uniform_s: float
    """the best of equal groups, sequences by longest first; infinite where none fits"""

    @property
    def gap_ratio(self) -> float:
        return self.time_s / self.bound_s - 1.0


def degrees(chips: int) -> list[int]:
    """Powers of two up to the chips.

    >>> degrees(8)
    [1, 2, 4, 8]
    """
    return [2**k for k in range(chips.bit_length()) if 2**k <= chips]


def plan_groups(problem: Sequences, time_limit_s: float = 5.0) -> Groups | None:
    """The best groups found in the time, never worse than equal ones; None where a sequence fits no group."""
    if max(problem.tokens) > problem.chips * problem.most_tokens:
        return None
    best: tuple[float, tuple[tuple[int, tuple[int, ...]], ...]] = (np.inf, ())
    uniform = np.inf
    for shape in shapes(problem):
        found = packed(problem, shape)
        if found is None:
            continue
        time_s = slowest_s(problem, found)
        uniform = min(uniform, time_s) if len(set(shape)) == 1 else uniform
        best = min(best, (time_s, found))
    for shape in sorted(shapes(problem), key=lambda s: relaxed_s(problem, s))[:6]:
        found = program(problem, shape, time_limit_s)
        if found is not None:
            best = min(best, (slowest_s(problem, found), found))
    bound = min(best[0], *(relaxed_s(problem, shape) for shape in shapes(problem)))
    return Groups(best[1], best[0], bound, float(uniform)) if best[1] else None


def shapes(problem: Sequences) -> list[tuple[int, ...]]:
    """Ways to cut the chips into groups: equal ones, and one large group per length class beside equal small ones."""
    found = set()
    for small in degrees(problem.chips):
        for large in degrees(problem.chips):
            if large < small:
                continue
            for count in range(problem.chips // large + 1):
                rest = problem.chips - count * large
                if rest % small == 0:
                    found.add((*[large] * count, *[small] * (rest // small)))
    return sorted(found, reverse=True)


def packed(problem: Sequences, shape: tuple[int, ...]) -> tuple[tuple[int, tuple[int, ...]], ...] | None:
    """Longest first into the group that is done first and holds it; None where one fits nowhere."""
    load, own = np.zeros(len(shape)), [list[int]() for _ in shape]
    for tokens in sorted(problem.tokens, reverse=True):
        after = [load[g] + problem.time_s(tokens, d) for g, d in enumerate(shape)]
        fits = [g for g, d in enumerate(shape) if tokens <= d * problem.most_tokens]
        if not fits:
            return None
        at = min(fits, key=lambda g: (after[g], g))
        load[at] = after[at]
        own[at].append(tokens)
    return tuple((d, tuple(lengths)) for d, lengths in zip(shape, own, strict=True))


def slowest_s(problem: Sequences, groups: tuple[tuple[int, tuple[int, ...]], ...]) -> float:
    """Seconds of the slowest group."""
    return problem.start_s + max(sum(problem.time_s(t, d) for t in lengths) for d, lengths in groups)


def relaxed_s(problem: Sequences, shape: tuple[int, ...]) -> float:
    """No placement on these groups is faster: all work spread by the cheapest degree that holds each sequence."""
    work = longest = 0.0
    for tokens in problem.tokens:
        fits = [d for d in set(shape) if tokens <= d * problem.most_tokens]
        if not fits:
            return float("inf")
        work += min(problem.time_s(tokens, d) * d for d in fits)
        longest = max(longest, min(problem.time_s(tokens, d) for d in fits))
    return problem.start_s + max(work / problem.chips, longest)


def program(
    problem: Sequences, shape: tuple[int, ...], time_limit_s: float
) -> tuple[tuple[int, tuple[int, ...]], ...] | None:
    """The mixed integer program on these groups: counts of each length in each group."""
    from planners.program import Program, values

    lengths, counts = np.unique(np.array(problem.tokens), return_counts=True)
    model = Program("groups")
    most = model.variables(1, "Continuous", 0.0, None)[0]
    x = model.variables((len(shape), len(lengths)), "Integer", 0.0, None)
    fits = np.array([[t <= d * problem.most_tokens for t in lengths] for d in shape])
    model.minimise([(1.0, most)])
    for i, count in enumerate(counts):
        model.equal([(1.0, x[g, i]) for g in range(len(shape)) if fits[g, i]], float(count))
    for g, degree in enumerate(shape):
        own = [(problem.time_s(float(t), degree), x[g, i]) for i, t in enumerate(lengths) if fits[g, i]]
        model.at_most([*own, (-1.0, most)], 0.0)
        model.at_most([(1.0, x[g, i]) for i in range(len(lengths)) if not fits[g, i]] or [(0.0, most)], 0.0)
    if model.solve(time_limit_s / 6.0).status not in ("optimal", "feasible"):
        return None
    placed = np.rint(values(x)).astype(int)
    if np.any(placed.sum(axis=0) != counts):
        return None
    rows = zip(shape, placed, strict=True)
    return tuple((d, tuple(int(t) for t, n in zip(lengths, row, strict=True) for _ in range(n))) for d, row in rows)
