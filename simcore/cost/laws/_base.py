"""What an operation's law is: a value holding pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from simcore.cost.facts import ChipFacts, KernelFormat
from simcore.kept.lazy import dataclass

Array = NDArray[np.float64]
Shapes = Mapping[str, Array]


@dataclass(frozen=True)
class Setting:
    """Where an operation runs: the chip and the kernel's number format."""

    chip: ChipFacts
    format: KernelFormat

    @property
    def peak_flop_per_s(self) -> float:
        return self.chip.peak(self.format.compute)


@dataclass(frozen=True)
class Law:
    """Time of one operation. All arrays share one length `[rows]`."""

    operation: str
    columns: tuple[str, ...]
    """shape columns that must be given"""
    defaults: Mapping[str, float]
    """shape columns that may be left out"""
    parameters: tuple[str, ...]
    """names of the fitted numbers, all positive"""
    start: tuple[float, ...]
    """where a fit starts, and how the law reads without one"""
    work: Callable[[Shapes, Setting], dict[str, Array]]
    """derived sizes, among them `flop` and `bytes` (compulsory traffic)"""
    time_s: Callable[[dict[str, Array], Setting, Array], Array]
    """(work, setting, parameters) -> seconds; monotone in the work, without the roofline clamp"""
    features: Callable[[dict[str, Array], Setting], list[Array]]
    """what a learned residual may look at"""
    categories: Mapping[str, tuple[str, ...]]
    """text columns and their labels, given to the law as the index of the label"""
    identity: tuple[str, ...] = ()
    """columns that together name a model, where a residual may learn models by heart"""
    habits: tuple[str, ...] = ()
    """parameters that say how one stack chooses among kernels, which another that borrows its kernels does not share"""
    shared: int = 0
    """with an identity: how many features, counted from the first, mean the same in a model never measured"""


def roofline_s(work: Mapping[str, Array], setting: Setting) -> Array:
    """No operation is faster: max(flop / peak, bytes / bandwidth of the fastest tier that holds them)."""
    chip = setting.chip
    rate = np.where(work["bytes"] <= chip.l2_bytes, max(chip.l2_bytes_per_s, chip.memory_bytes_per_s), 0.0)
    far = np.maximum(work["bytes"] - chip.l2_bytes, 0.0) / chip.memory_bytes_per_s
    near = np.where(rate > 0, work["bytes"], chip.l2_bytes) / max(chip.l2_bytes_per_s, chip.memory_bytes_per_s)
    return np.maximum(work["flop"] / setting.peak_flop_per_s, np.maximum(far, near))


def memory_s(moved_bytes: Array, setting: Setting, efficiency: float, held: float, slope: float) -> Array:
    """Time on the main memory: a working set within `held` of L2 never leaves it, a larger one spills gradually.

    Bytes beyond held x L2 are read again and again (LRU on a cyclic sweep), so the spill grows with slope 1 + `slope`
    until everything misses. Wrong where a kernel orders its reads for reuse.
    """
    far = spilled_bytes(moved_bytes, held * setting.chip.l2_bytes, slope)
    return far / (setting.chip.memory_bytes_per_s * efficiency)


def spilled_bytes(moved_bytes: Array, held_bytes: float, slope: float) -> Array:
    """What `held_bytes` do not hold, growing with 1 + `slope` until everything misses."""
    return np.asarray(np.minimum(moved_bytes, np.maximum(moved_bytes - held_bytes, 0.0) * (1.0 + slope)))


def overlap_s(first: Array, second: Array, serial: float) -> Array:
    """Two resources used at once: the longer one, plus the `serial` share of the shorter one."""
    return np.maximum(first, second) + serial * np.minimum(first, second)


def wave_ratio(parts: Array, slots: float) -> Array:
    """Waste of the last wave: ceil(w) / w for w = parts / slots."""
    waves = parts / slots
    return np.ceil(waves) / waves
