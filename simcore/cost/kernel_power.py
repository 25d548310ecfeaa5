"""Average power of a kernel from how busy it keeps the chip, and what caps and locked clocks do to time and power.

    P / TDP = idle + awake + tensor x (flop / peak / t)^p + memory x (bytes / bandwidth / t)^q,  softly capped at 1

with efficiencies fitted to measured kernels, and a small learned residual inside the measured box. Under a clock f:

    P(f) = idle + P_memory + P_core x (f / f0)^3,      t(f) = max(t_compute x f0 / f, t_memory)

because dynamic power is C V^2 f and voltage follows frequency in the range of scaling (Weste and Harris, CMOS VLSI
Design, chapter 5); the memory keeps its own clock. Wrong near the lowest clocks, where voltage no longer falls, and for
boards whose memory power hides in the core's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.laws._base import Array, Setting
from simcore.cost.operator_laws import law, shape_arrays
from simcore.cost.trees import Forest, unpack
from simcore.kept.lazy import dataclass

PARAMETERS = ("awake", "tensor", "tensor_exponent", "memory", "memory_exponent")
START = (0.15, 0.6, 0.6, 0.45, 0.7)
SOFTNESS = 12.0
CLOCKED_SHARE = 0.85
"""time that a memory-bound kernel would need on the clocked parts (issue, L2, crossbar): below this clock it slows.
Patel et al. (POLCA, ASPLOS 2024) find token generation insensitive down to about this share of the top clock."""
LOWEST_CLOCK_RATIO = 0.3
"""clocks are not lowered further: below it voltage stays and nothing is saved"""


@dataclass(frozen=True, eq=False)
class PowerFit:
    """Power of one operation and format on one chip under one stack."""

    operation: str
    format: str
    stack: str
    parameters: Array
    words: NDArray[np.uint32]
    spread: float
    rows: int

    @cached_property
    def forest(self) -> Forest:
        return unpack(self.words)

    @property
    def numbers(self) -> int:
        return len(self.words) + len(self.parameters) + 1


def utilisation(work: Mapping[str, Array], setting: Setting, time_s: Array) -> tuple[Array, Array]:
    """(tensor, memory) utilisation `[rows]`: achieved over peak, at most 1."""
    tensor = work["flop"] / setting.peak_flop_per_s / time_s
    memory = work["bytes"] / setting.chip.memory_bytes_per_s / time_s
    return np.minimum(tensor, 1.0), np.minimum(memory, 1.0)


def fraction(tensor: Array, memory: Array, idle: float, p: Array) -> Array:
    """Power over the board limit `[rows]`, at most 1."""
    awake, core, core_exponent, far, far_exponent = p
    raw = idle + awake + core * tensor**core_exponent + far * memory**far_exponent
    return np.asarray(raw / (1.0 + raw**SOFTNESS) ** (1.0 / SOFTNESS))


def features(operation: str, work: dict[str, Array], setting: Setting, time_s: Array) -> list[Array]:
    """What the residual may look at: the law's features, utilisations and the time."""
    tensor, memory = utilisation(work, setting, time_s)
    logs = [np.log2(np.maximum(tensor, 1e-9)), np.log2(np.maximum(memory, 1e-9)), np.log2(time_s)]
    return [*logs, *law(operation).features(work, setting)]


@dataclass(frozen=True, eq=False)
class PowerModel:
    """Power of operations on one chip."""

    chip: ChipFacts
    fits: tuple[PowerFit, ...]
    """of this chip, most specific first; empty when it was never measured"""
    common: tuple[PowerFit, ...]
    """fitted to all measured chips together"""

    def find(self, operation: str, format: str, stack: str) -> tuple[PowerFit, bool]:
        """(fit, measured on this chip?): same operation and format, then stack, then the nearest."""
        number = kernel_format(format).name
        for measured, fits in ((True, self.fits), (False, self.common)):
            ranked = sorted(fits, key=lambda f: (f.operation != operation, f.format != number, f.stack != stack))
            if ranked and (ranked[0].operation == operation or not measured):
                return ranked[0], measured and ranked[0].format == number
        raise ValueError("a power model needs at least the common fits")

    def power_w(
        self, operation: str, columns: Mapping[str, Any], time_s: Array, format: str = "bf16", stack: str = ""
    ) -> Array:
        """Average board power [W] `[rows]` while the operation runs for `time_s`."""
        fit, measured = self.find(operation, format, stack)
        setting = Setting(self.chip, kernel_format(format))
        rule = law(operation)
        shapes = shape_arrays(rule, columns)
        time, *arrays = np.broadcast_arrays(np.atleast_1d(np.asarray(time_s, float)), *shapes.values())
        work = rule.work(dict(zip(shapes, arrays, strict=True)), setting)
        tensor, memory = utilisation(work, setting, time)
        share = fraction(tensor, memory, self.chip.idle_w / self.chip.tdp_w, fit.parameters)
        if measured and len(fit.words):
            table = np.stack(features(operation, work, setting, time), axis=1).astype(np.float32)
            share = np.minimum(share * np.exp(fit.forest(table)), 1.1)
        return np.asarray(share * self.chip.tdp_w)

    def energy_j(
        self, operation: str, columns: Mapping[str, Any], time_s: Array, format: str = "bf16", stack: str = ""
    ) -> Array:
        """Energy [J] `[rows]` of the operation: power times time."""
        return np.asarray(self.power_w(operation, columns, time_s, format, stack) * np.asarray(time_s, float))


@dataclass(frozen=True)
class PowerState:
    """A phase of work at full clock: arrays `[rows]`."""

    power_w: Array
    idle_w: float
    memory_w: Array
    """the part that the memory draws, independent of the core clock"""
    compute_s: Array
    """time on the units"""
    memory_s: Array
    """time on memory"""


def at_clock(state: PowerState, clock_ratio: Array) -> tuple[Array, Array]:
    """(power [W], time [s]) at core clock f = `clock_ratio` x f0.

    The core's power is what remains of `power_w` after idle and memory; it follows the cube of the clock. Less work per
    second at a lower clock is already in the cube (V^2 f).
    """
    core_w = np.maximum(state.power_w - state.idle_w - state.memory_w, 0.0)
    time_s = np.maximum(state.compute_s / clock_ratio, state.memory_s)
    return state.idle_w + state.memory_w + core_w * clock_ratio**3, time_s


def under_cap(state: PowerState, cap_w: float) -> tuple[Array, Array, Array]:
    """(clock ratio, power [W], time [s]) `[rows]` with the highest clock whose power stays within `cap_w`.

    Where even the lowest clock exceeds the cap, that clock is used and the power says so.
    """
    core_w = np.maximum(state.power_w - state.idle_w - state.memory_w, 1e-9)
    room_w = np.maximum(cap_w - state.idle_w - state.memory_w, 0.0)
    clock = np.clip(np.cbrt(room_w / core_w), LOWEST_CLOCK_RATIO, 1.0)
    power_w, time_s = at_clock(state, clock)
    return clock, power_w, time_s
