"""The [plan] and the [hardware] of a scenario."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, field_validator, model_validator

from simcore.spec.base import Count, Spec, Whole
from simcore.unit_text import found_text
from simcore.units import BytesPerS, Seconds


class HardwarePart(Spec):
    """A chip in its usual home, a node or a cluster, by name, path or inline; and the software stack."""

    system: str | dict[str, Any]
    """a chip, which stands in its usual home, a node or a cluster: a name, a path or the tables of its file"""
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

    @field_validator("link")
    @classmethod
    def _two_numbers(cls, value: str | None) -> str | None:
        if value is not None:
            link_numbers(value)
        return value

    @property
    def changes(self) -> dict[str, Any]:
        """All of them by dotted path, `chip.power.tdp`."""
        parts = {"chip": self.chip, "node": self.node, "cluster": self.cluster}
        return {f"{part}.{path}": value for part, table in parts.items() for path, value in table.items()}


def link_numbers(text: str) -> tuple[float, float]:
    """(bytes per second, seconds) of a link's text. Raises ValueError for what is none.

    >>> link_numbers("16 GB/s, 2 s")
    (16000000000.0, 2.0)
    """
    rate, comma, wait = text.partition(",")
    try:
        found = TypeAdapter(tuple[BytesPerS, Seconds]).validate_python((rate.strip(), wait.strip()))
    except ValueError:
        comma = ""
    if not comma:
        told = f"{found_text(text)} is no link: write its bandwidth and the time of one message"
        raise ValueError(f'{told}, "16 GB/s, 20 us"')
    return found


class LayersPart(Spec):
    """Formats of some layers, in the order of the model's groups: `layers = "0-3, 31"`."""

    layers: str | Whole
    """numbers and ranges from 0: "0-3, 31" names five"""
    weights: str | dict[str, Any] | None = None
    """of all weights of these layers but for the classes below"""
    mixer: str | dict[str, Any] | None = None
    """of attention or what stands for it; None: as `weights`"""
    ffn: str | dict[str, Any] | None = None
    """of matrices that every token uses, shared experts among them; None: as `weights`"""
    experts: str | dict[str, Any] | None = None
    """of routed experts; None: as `ffn`"""
    kv: str | dict[str, Any] | None = None
    """of their KV cache; None: the plan's"""

    @property
    def formats(self) -> dict[str, Any]:
        """What is said, by class."""
        names = ("weights", "mixer", "ffn", "experts", "kv")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @field_validator("layers")
    @classmethod
    def _ranges(cls, value: str | int) -> str | int:
        numbers_of(value)
        return value

    @property
    def numbers(self) -> list[int]:
        """The layers."""
        return numbers_of(self.layers)


MOST_LAYERS = 10_000


def numbers_of(value: str | int) -> list[int]:
    """Layers of a text. Raises ValueError for what is none.

    >>> numbers_of("0-3, 31")
    [0, 1, 2, 3, 31]
    """
    found: list[int] = []
    for part in str(value).split(","):
        first, _, last = part.strip().partition("-")
        ends = [first.strip(), (last or first).strip()]
        if not all(one.isdecimal() and len(one) <= 5 for one in ends) or int(ends[1]) < int(ends[0]):
            raise ValueError(f'{part.strip()!r} is no range of layers: write for example "0-3, 31"')
        found += range(int(ends[0]), int(ends[1]) + 1)
        if len(found) > MOST_LAYERS:
            raise ValueError(f"names more than {MOST_LAYERS} layers")
    return found


class PlanPart(Spec):
    """A parallel plan; formats left out are the checkpoint's own. Give dp, or chips of the whole deployment.

    A format is a name, a path or the table of a format file."""

    tp: Count = 1
    """tensor parallelism: ranks that split matrices and heads"""
    pp: Count = 1
    """pipeline parallelism: stages that split the layers"""
    dp: Count | None = None
    """data parallelism: replicas side by side; None: 1, or as many as `chips` give"""
    attention_dp: Count = 1
    """groups of tp ranks with sequences of their own, which share the experts"""
    ep: Count = 1
    """expert parallelism: ranks over which routed experts are spread; serving, the rest of a replica's ranks split each
    expert"""
    cp: Count = 1
    """context parallelism: ranks that split the context of a sequence"""
    sp: bool = False
    """sequence parallelism: norms are sharded over tp, an all-reduce becomes reduce-scatter and all-gather"""
    vpp: Count = 1
    """training: chunks of layers on each pipeline rank, for interleaved schedules"""
    chips: Count | None = None
    """of the whole deployment, instead of dp; None: those of dp replicas"""
    weights: str | dict[str, Any] | None = None
    """format of weights; None: the checkpoint's own"""
    experts: str | dict[str, Any] | None = None
    """format of routed experts; None: as the weights where these are said, else the checkpoint's own"""
    activations: str | dict[str, Any] | None = None
    """format of activations; None: bf16"""
    kv: str | dict[str, Any] | None = None
    """format of the KV cache; None: the checkpoint's own"""
    collective: str = "auto"
    """algorithm of collectives, a file of `simcore.cost.collectives`; auto: the fastest of those that libraries have"""
    layers: tuple[LayersPart, ...] = Field(default=(), max_length=2000)
    """layers whose formats differ"""

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
        return {name: getattr(self, name) for name in names} | {"dp": self.replicas, "collective": self.collective}

    @property
    def formats(self) -> dict[str, str | dict[str, Any]]:
        """The formats that are stated."""
        names = ("weights", "experts", "activations", "kv")
        return {name: value for name in names if (value := getattr(self, name)) is not None}
