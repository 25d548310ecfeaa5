"""What a cost model promises: operations and a machine in, seconds and what bounds them out, arrays over plans."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from simcore.cost.machine import Machine
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, Op, PlanColumns


class Bound(IntEnum):
    """What limits an operation or a step."""

    COMPUTE = 0
    MEMORY = 1
    NETWORK = 2
    LAUNCH = 3


@dataclass(frozen=True)
class OpCost:
    """Cost of one execution of an operation, [plans]."""

    compute_s: Column
    memory_s: Column
    network_s: Column
    launch_s: Column
    """part of the launch that cannot hide behind the work"""

    @property
    def time_s(self) -> Column:
        """Compute and memory overlap (roofline), launch and network do not."""
        import numpy as np

        return np.maximum(self.compute_s, self.memory_s) + self.network_s + self.launch_s


class CostModel(Protocol):
    """Costs of operations on one kind of machine.

    Laws that the contract in `simcore.testing` checks: more work is never faster, a faster machine never slower, no
    operation beats its roofline, one rank has no communication.
    """

    name: str

    def board_power_w(self, machine: Machine, compute_utilisation: Column, memory_utilisation: Column) -> Column:
        """Board power of one chip at these utilisations, [plans]."""
        ...

    def costs(self, ops: list[Op], machine: Machine, plan: PlanColumns, graphs: bool) -> list[OpCost]:
        """One `OpCost` per operation; `graphs` says whether kernels are launched inside a captured graph."""
        ...
