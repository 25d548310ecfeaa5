"""Board power of whole steps from how busy they keep a chip.

    P = TDP cap(i + a u_m^p + b u_b^q),     cap(x) = x (1 + x^12)^(-1/12)

u_m is the sum over a step's operations of FLOP over the peak of their own format, over the step's time; u_b its bytes
over bandwidth and time. Host time and gaps lower both. No number belongs to a format. Fitted on whole servers (board
power of H100 and B200 under vLLM); wrong for chips whose board holds more than the chip (PCIe cards with fans), and
near idle, where clocks drop.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simcore.cost.facts import ChipFacts
from simcore.cost.kernel_power import SOFTNESS
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column


@dataclass(frozen=True)
class BoardPower:
    """The law on one kind of chip."""

    awake: float
    """share of TDP that a board draws between kernels"""
    matrix: float
    matrix_exponent: float
    memory: float
    memory_exponent: float

    def share(self, compute_utilisation: Column, memory_utilisation: Column) -> Column:
        """Power over TDP, `[plans]`."""
        matrix = self.matrix * np.asarray(compute_utilisation) ** self.matrix_exponent
        raw = self.awake + matrix + self.memory * np.asarray(memory_utilisation) ** self.memory_exponent
        return np.asarray(raw * (1.0 + raw**SOFTNESS) ** (-1.0 / SOFTNESS))


def board_power(facts: ChipFacts, parameters: Mapping[str, float], awake: Mapping[str, float]) -> BoardPower:
    """The law of a chip: `parameters` hold for all, `awake` is by generation; others rest at their idle power."""
    return BoardPower(awake.get(facts.generation, facts.idle_w / facts.tdp_w), **parameters)
