"""Board power from utilisation where no measurement stands behind it."""

from __future__ import annotations

import numpy as np

from simcore.cost.machine import Machine
from simcore.ops.op import Column

COMPUTE_WEIGHT = 0.75
MEMORY_WEIGHT = 0.45
"""share of the dynamic power that full use of the matrix unit or of the memory draws; assumed, both together exceed 1
because either alone does not reach the limit"""


def linear_power_w(machine: Machine, compute_utilisation: Column, memory_utilisation: Column) -> Column:
    """P = idle + (TDP - idle) min(1, a u_compute + b u_memory), per chip. Shapes [plans].

    Linear in utilisation as in GPU power models since Hong and Kim 2010; wrong below 10 % load, where clocks drop.
    """
    load = np.minimum(1.0, COMPUTE_WEIGHT * compute_utilisation + MEMORY_WEIGHT * memory_utilisation)
    return machine.idle_w + (machine.tdp_w - machine.idle_w) * load
