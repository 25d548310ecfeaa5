"""The question and the answer of power oversubscription: TOML, JSON or Python in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from simcore.spec.base import Spec
from simcore.spec.load import build, read_file
from simcore.units import Watts

MOST_SERVERS = 100_000
MOST_CLOCKS = 50
"""the program grows with them; GPUs step their clocks by 15 MHz, of which planners need a few"""
Work = Literal["prefill", "decode", "mixed", "training"]
Priority = Literal["high", "low"]


class ServerClass(Spec):
    """Servers of one kind of work and priority."""

    name: str
    """its own, by which answers name it"""
    work: Work
    """what its servers do: their curve of power over load and clock follows"""
    priority: Priority = "low"
    """low: the row's controller lowers its clock first when power comes near the budget"""
    share: float = Field(ge=0, le=1)
    """of the row's servers"""
    value: float = Field(default=1.0, ge=0)
    """of one server at full speed, relative"""
    utilisation: float = Field(default=0.6, gt=0, le=1)
    """mean share of the time that it is busy at the peak hour"""
    swing: float = Field(default=0.1, ge=0, le=0.5)
    """standard deviation of one server's busy share around its mean"""
    most_slowdown: float = Field(default=0.1, ge=0)
    """tolerated at a permanent clock: 0.1 is ten per cent longer"""


class PowerProblem(Spec):
    """One row of servers behind one breaker; identical rows are solved once."""

    node: str
    """name of the servers, a shipped node"""
    budget_w: Watts = Field(alias="budget")
    """what the row may draw, all servers together"""
    provisioned_w: Watts = Field(alias="provisioned")
    """nameplate power that the row was built for, per server"""
    brake_clock_ratio: float = Field(default=0.25, gt=0, le=1)
    """clock of the power brake, over the top clock"""
    most_servers: int = Field(default=200, ge=1, le=MOST_SERVERS)
    """space and cooling"""
    clock_ratios: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7)
    """clocks that a class may run at, over the top clock"""
    classes: tuple[ServerClass, ...] = Field(min_length=1)
    """kinds of servers; their shares add up to 1"""
    risk: float = Field(default=0.01, gt=0, lt=0.5)
    """largest probability that the row exceeds its budget at the peak hour"""
    scenarios: int = Field(default=1000, ge=50, le=100_000)
    """loads of the peak hour that are drawn, over which the risk is bounded"""
    rows: int = Field(default=1, ge=1, le=MOST_SERVERS)
    """how many such rows there are; the answer is of one"""
    common_load: float = Field(default=0.1, ge=0, le=1)
    """correlation between the servers' busy shares"""

    @field_validator("clock_ratios")
    @classmethod
    def _clocks(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or any(not 0 < v <= 1 for v in value):
            raise ValueError("clock ratios lie between 0 and 1")
        if len(set(value)) < len(value) or len(value) > MOST_CLOCKS:
            raise ValueError(f"clock ratios are at most {MOST_CLOCKS}, each once")
        return value

    @model_validator(mode="after")
    def _sums(self) -> PowerProblem:
        total = sum(c.share for c in self.classes)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"the shares of the classes add up to {total:g}, not 1")
        if self.budget_w <= 0 or self.provisioned_w <= 0:
            raise ValueError("budget and provisioned power must be above zero")
        if not 1 <= self.budget_w // self.provisioned_w <= MOST_SERVERS:
            raise ValueError(f"the budget feeds between 1 and {MOST_SERVERS} servers at provisioned power")
        return self

    @property
    def nameplate_servers(self) -> int:
        """Servers that fit when each is counted at its provisioned power."""
        return int(self.budget_w // self.provisioned_w)


@dataclass(frozen=True)
class RowPlan:
    """Servers of each class and the clock that they run at."""

    servers: dict[str, int]
    clock_ratio: dict[str, float]
    nameplate_servers: int
    rows: int = 1
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.servers.values())

    @property
    def added_ratio(self) -> float:
        """Servers beyond nameplate provisioning, relative."""
        return self.total / self.nameplate_servers - 1.0


def read_problem(path: Path) -> PowerProblem:
    """Read a problem file. Raises InputError naming file, key and fix."""
    return build(PowerProblem, read_file(path, "problem"), str(path))
