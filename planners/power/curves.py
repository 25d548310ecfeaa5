"""Power and slowdown of a server by kind of work and clock.

A kind of work is a mix of representative kernels (a large GEMM for prefill and training, a weight-streaming GEMM and
decode attention for decode); their times and powers come from the calibrated models of the chip. Lowering the clock
follows `simcore.cost.kernel_power.at_clock`: core power with its cube, compute time with its inverse, memory unchanged.
That is why a clock, not a watt cap, is the control for decode: decode never reaches a cap, yet its core power falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from planners.power.problem import Work
from simcore.cost.facts import kernel_format
from simcore.cost.kernel_power import CLOCKED_SHARE, PowerState, at_clock, utilisation
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, shape_arrays
from simcore.spec.hardware import Chip, Node

Floats = NDArray[np.float64]
WIDE = {"m": 4096.0, "n": 8192.0, "k": 8192.0}
THIN = {"m": 32.0, "n": 8192.0, "k": 8192.0}
KERNELS: dict[Work, tuple[tuple[float, dict[str, float]], ...]] = {
    "prefill": ((1.0, WIDE),),
    "training": ((1.0, WIDE),),
    "decode": ((1.0, THIN),),
    "mixed": ((0.4, WIDE), (0.6, THIN)),
}
"""(share of busy time, shape) of the GEMMs that stand for a kind of work"""


class Models(Protocol):
    """What the curves need of a chip's calibration."""

    @property
    def operators(self) -> Any: ...

    @property
    def power(self) -> Any: ...


@dataclass(frozen=True)
class ServerCurve:
    """One kind of work on one server: idle power, and power and slowdown when busy, by clock ratio."""

    idle_w: float
    states: tuple[tuple[float, PowerState], ...]
    chips: int
    chip_idle_w: float
    chip_limit_w: float
    beyond_idle_w: float
    beyond_w: float
    """power of the node beyond its chips, at rest and at the chips' limit: host, memory, fans and conversion follow the
    chips' power in between"""

    def busy_w(self, clock_ratio: float) -> float:
        """Power of the server while it works."""
        chip = sum(share * float(at_clock(state, np.array([clock_ratio]))[0][0]) for share, state in self.states)
        load = (chip - self.chip_idle_w) / (self.chip_limit_w - self.chip_idle_w)
        return self.chips * chip + self.beyond_idle_w + load * (self.beyond_w - self.beyond_idle_w)

    def slowdown(self, clock_ratio: float) -> float:
        """Time at this clock over time at the top clock, minus one."""
        longer = [
            share * float(at_clock(state, np.array([clock_ratio]))[1][0] / at_clock(state, np.array([1.0]))[1][0])
            for share, state in self.states
        ]
        return sum(longer) - 1.0

    def power_w(self, clock_ratio: float, busy: Floats) -> Floats:
        """Power at a share of busy time, [any]; work that takes longer keeps the server busy longer."""
        longer = np.minimum(busy * (1.0 + self.slowdown(clock_ratio)), 1.0)
        return np.asarray(self.idle_w + longer * (self.busy_w(clock_ratio) - self.idle_w))


def server_curve(work: Work, chip: Chip, node: Node, models: Models) -> ServerCurve:
    """The curve of a kind of work on a node."""
    states = tuple((share, kernel_state(shape, models)) for share, shape in KERNELS[work])
    beyond = node.power.tdp_w if node.power else 0.0
    beyond_idle = node.power.idle_w if node.power else 0.0
    rest_w = node.chips * chip.power.idle_w + beyond_idle
    return ServerCurve(rest_w, states, node.chips, chip.power.idle_w, chip.power.tdp_w, beyond_idle, beyond)


def kernel_state(shape: dict[str, float], models: Models) -> PowerState:
    """Power and time of a bf16 GEMM at full clock, split into core and memory."""
    time_s = models.operators.predict("gemm", shape).time_s
    total_w = models.power.power_w("gemm", shape, time_s)
    facts = models.power.chip
    setting = Setting(facts, kernel_format("bf16"))
    rule = law("gemm")
    _, memory = utilisation(rule.work(shape_arrays(rule, shape), setting), setting, time_s)
    fit, _ = models.power.find("gemm", "bf16", "")
    share, exponent = fit.parameters[3], fit.parameters[4]
    memory_w = np.minimum(share * memory**exponent * facts.tdp_w, 0.6 * total_w)
    flop = 2.0 * shape["m"] * shape["n"] * shape["k"]
    compute = np.array([flop / facts.peak("bf16")])
    bound_by_compute = compute > 0.5 * time_s
    return PowerState(
        total_w,
        facts.idle_w,
        memory_w,
        np.where(bound_by_compute, time_s, CLOCKED_SHARE * time_s),
        np.where(bound_by_compute, memory * time_s, time_s),
    )


@dataclass(frozen=True)
class ChipModels:
    """Calibrated models of one chip."""

    operators: Any
    power: Any
