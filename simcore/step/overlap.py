"""A step in micro-batches beside each other: what hides, from what each keeps busy, as one law of both engines.

A step's work is of four kinds by the resource that it keeps busiest: the matrix unit M, the memory B, the links L, the
host's launches H. A second of one kind beside a second of another takes s seconds, s = the largest sum of what both
load (or what was measured of the pair), which hides 2 - s. Of two micro-batches each second has one other beside it:

    hidden = max sum (2 - s_ij) x_ij,   sum over j of x_ij <= T_i        (three kinds: a corner of a triangle)
    time   = max(T - hidden, the busiest resource, T / micro-batches)

Launches hide behind what is left alone. Of more micro-batches every pair may meet: x_ij = min(T_i, T_j). `late`: a
collective is waited for one block later, so that even a single batch hides links.

What T is: the sum over all micro-batches, each of which reads the weights again (unless they are tiles of one kernel).
Sources: NanoFlow (2024), DeepSeek-V3 (2024, two micro-batches), Ladder Residual (2025). Operation by operation
(`simcore.engine.streams`) takes 0 to 10 % longer: operations are no fluids. Wrong, by a third, where one kind is a
single long operation per layer, beside which the others are through too early.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, StepColumns
from simcore.spec.policy import ServingPolicy

LINK_UNITS = 0.1
"""of a chip's units, what a collective's kernels hold while they send (NCCL's default of 16 to 32 blocks of 132)"""
LEAST_S = 1e-30


@dataclass(frozen=True)
class Overlap:
    """How a step is cut, and what pairs of kinds do to each other."""

    micro_batches: float = 1.0
    tiles: bool = False
    """parts are tiles of fused kernels: weights are read once"""
    late: bool = False
    stated: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """seconds of a pair, one of each kind, beside each other: matrix with memory, matrix with link, memory with link;
    0: from what they load"""

    @property
    def overlaps(self) -> bool:
        """Whether anything runs beside anything else."""
        return self.micro_batches > 1.0 or self.late

    def parts(self, items: Column) -> Column:
        """Micro-batches of a step that holds so many sequences or tokens."""
        return np.clip(np.floor(items), 1.0, self.micro_batches)


def overlap_of(policy: ServingPolicy) -> Overlap | None:
    """Of a policy; None where nothing runs beside anything else."""
    part = policy.overlap
    if part is None:
        return None
    found = Overlap(float(part.micro_batches), part.tiles, part.late, part.stated)
    return found if found.overlaps else None


def micro_batch(step: StepColumns, parts: Column) -> StepColumns:
    """One of equal micro-batches: sequences are divided, a single prompt by its tokens, each part behind half of the
    others on average."""
    split = np.asarray(step.prefill_sequences) < parts
    own = np.where(split, step.prefill_tokens / parts, step.prefill_tokens)
    return replace(
        step,
        prefill_sequences=np.where(split, step.prefill_sequences, step.prefill_sequences / parts),
        prefill_tokens=own,
        past_tokens=step.past_tokens + 0.5 * (step.prefill_tokens - own),
        decode_sequences=step.decode_sequences / parts,
    )


def overlapped_s(work: Any, loads: Any, rule: Any) -> Any:
    """Seconds of micro-batches beside each other; arrays, or scalars inside a kernel.

    `work` is (M, B, L, H) seconds alone, all micro-batches together; `loads` (seconds of units that B holds, seconds of
    memory that M reads); `rule` (micro-batches, 1 where late, the three stated seconds of pairs).
    """
    matrix, memory, link, host = work
    held, fed = loads
    parts, late = rule[0], rule[1]
    whole = matrix + memory + link + host
    units = held / np.maximum(memory, LEAST_S)
    reads = fed / np.maximum(matrix, LEAST_S)
    gains = (
        _gain(rule[2], np.maximum(units, reads)),
        _gain(rule[3], LINK_UNITS),
        _gain(rule[4], np.maximum(units + LINK_UNITS - 1.0, 0.0)),
    )
    two = _two(matrix, memory, link, host, gains)
    pairs = gains[0] * np.minimum(matrix, memory) + gains[1] * np.minimum(matrix, link)
    every = pairs + gains[2] * np.minimum(memory, link) + np.minimum(host, matrix + memory + link)
    behind = _beside(link, matrix, memory, gains[1], gains[2])
    behind = behind + np.minimum(host, np.maximum(link - np.minimum(link, matrix + memory), 0.0))
    several = _either((parts < 3.0) & (late < 1.0), two, every)
    hidden = _either(parts < 2.0, late * behind, several)
    busiest = np.maximum(
        np.maximum(matrix + held + LINK_UNITS * link, memory + fed),
        np.maximum(link, host),
    )
    return np.minimum(np.maximum(np.maximum(whole - hidden, busiest), whole / (parts + late)), whole)


def _gain(stated: Any, more: Any) -> Any:
    """What a second of each, side by side, hides; `more`: what a pair takes beyond one second."""
    return np.maximum(2.0 - stated if stated > 0.0 else 1.0 - more, 0.0)


def _either(first_one: Any, first: Any, other: Any) -> Any:
    """numpy's `where`, which kernels that make no arrays cannot call."""
    return other + first_one * (first - other)


def _beside(centre: Any, first: Any, second: Any, gain: Any, other: Any) -> Any:
    """Hidden by two kinds beside a third, the better order of the two."""
    one = np.minimum(centre, first)
    two = np.minimum(centre, second)
    return np.maximum(
        gain * one + other * np.minimum(centre - one, second), other * two + gain * np.minimum(centre - two, first)
    )


def _two(matrix: Any, memory: Any, link: Any, host: Any, gains: Any) -> Any:
    """Hidden of two micro-batches: the best corner; launches first behind what has nothing beside it, then instead of
    what has."""
    pairs = _corner(matrix, memory, link, (1.0, 1.0, 1.0))
    whole = matrix + memory + link
    taken = np.maximum(host - (whole - 2.0 * pairs), 0.0) / np.maximum(2.0 * pairs, LEAST_S)
    return _corner(matrix, memory, link, gains) * (1.0 - np.minimum(taken, 1.0)) + np.minimum(host, whole)


def _corner(matrix: Any, memory: Any, link: Any, gains: Any) -> Any:
    """Most that pairs of three kinds hide, each second in one pair."""
    stars = np.maximum(
        np.maximum(
            _beside(matrix, memory, link, gains[0], gains[1]),
            _beside(memory, matrix, link, gains[0], gains[2]),
        ),
        _beside(link, matrix, memory, gains[1], gains[2]),
    )
    half = 0.5 * (matrix + memory + link)
    inside = (half >= matrix) & (half >= memory) & (half >= link)
    all_three = gains[0] * (half - link) + gains[1] * (half - memory) + gains[2] * (half - matrix)
    return np.maximum(stars, inside * all_three)


KERNELS = (_gain, _either, _beside, _corner, _two, overlapped_s)
"""what kernels call too (`simcore.step.kernel` tells numba)"""
