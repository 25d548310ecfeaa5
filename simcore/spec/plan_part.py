"""The [plan] and the [hardware] of a scenario."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from simcore.spec.base import Count, Spec


class HardwarePart(Spec):
    """A chip in its usual home, a node or a cluster, by name, path or inline; and the software stack."""

    system: str | dict[str, Any]
    stack: str | dict[str, Any] | None = None
    """a stack with an optional release, `vllm@0.19`, a path or inline; None: vllm where the chip has its tables, else
    datasheet"""
    chip: dict[str, Any] = Field(default_factory=dict)
    """fields of the chip's spec to change, by dotted path; quantities with units, or factors such as "2x" """
    node: dict[str, Any] = Field(default_factory=dict)
    """the same of the node's spec"""
    cluster: dict[str, Any] = Field(default_factory=dict)
    """the same of the cluster's spec"""
    link: str | None = None
    """what joins the chips of one host that has no peer-to-peer, by its two numbers: "16 GB/s, 20 us" (one direction
    per chip, one message); None: the node's own"""

    @property
    def changes(self) -> dict[str, Any]:
        """All of them by dotted path, `chip.power.tdp`."""
        parts = {"chip": self.chip, "node": self.node, "cluster": self.cluster}
        return {f"{part}.{path}": value for part, table in parts.items() for path, value in table.items()}


class PlanPart(Spec):
    """A parallel plan; formats left out are the checkpoint's own. Give dp, or chips of the whole deployment.

    A format is a name, a path or the table of a format file."""

    tp: Count = 1
    pp: Count = 1
    dp: Count | None = None
    attention_dp: Count = 1
    ep: Count = 1
    cp: Count = 1
    sp: bool = False
    vpp: Count = 1
    chips: Count | None = None
    weights: str | dict[str, Any] | None = None
    experts: str | dict[str, Any] | None = None
    activations: str | dict[str, Any] | None = None
    kv: str | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _dp_or_chips(self) -> PlanPart:
        if self.chips is not None and self.dp is not None:
            raise ValueError("give dp or chips, not both")
        own = self.tp * self.pp * self.attention_dp * self.cp
        if self.chips is not None and self.chips % own:
            raise ValueError(f"chips = {self.chips} is no multiple of the {own} chips of a replica")
        return self

    @property
    def replica_chips(self) -> int:
        """Chips of one replica."""
        return self.tp * self.pp * self.attention_dp * self.cp

    @property
    def replicas(self) -> int:
        """dp, or what the chips give."""
        return self.dp or (self.chips or self.replica_chips) // self.replica_chips

    @property
    def degrees(self) -> dict[str, Any]:
        """Fields of a `ParallelPlan` without formats."""
        names = ("tp", "pp", "attention_dp", "ep", "cp", "sp")
        return {name: getattr(self, name) for name in names} | {"dp": self.replicas}

    @property
    def formats(self) -> dict[str, str | dict[str, Any]]:
        """The formats that are stated."""
        names = ("weights", "experts", "activations", "kv")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
