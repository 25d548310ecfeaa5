"""A sweep study: one model, one kind of traffic, many systems and plans; read from TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from planners.plans import AXES
from simcore.errors import InputError
from simcore.spec.base import MOST_COUNT, FileName, Spec, name_of
from simcore.spec.demand import Objectives
from simcore.spec.formats import number_format
from simcore.spec.load import build_from_file, read_file
from simcore.spec.policy import ServingPolicy
from simcore.units import Seconds


class ModelChoice(Spec):
    """Which model."""

    name: str


class TrafficChoice(Spec):
    """Named traffic, fixed lengths, or a trace of one's own, read as in a scenario."""

    name: str | None = None
    input_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    output_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    trace: str | None = None
    form: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    time_unit: str | None = None
    hash_tokens: int | None = Field(default=None, ge=1)
    rate_scale: float = Field(default=1.0, gt=0)
    input_scale: float = Field(default=1.0, gt=0)
    output_scale: float = Field(default=1.0, gt=0)
    head: int | None = Field(default=None, ge=1)


class HardwareChoice(Spec):
    """Chips, nodes or clusters by name; a chip stands in the system it is usually found in."""

    systems: tuple[str, ...] = Field(min_length=1)
    stack: str = "datasheet"


class PlanSpace(Spec):
    """Choices per axis of a plan; every combination that divides evenly is evaluated."""

    chips: tuple[int, ...] = (1, 2, 4, 8)
    tp: tuple[int, ...] = (1, 2, 4, 8)
    pp: tuple[int, ...] = (1,)
    attention_dp: tuple[int, ...] = (1,)
    ep: tuple[int, ...] = (1,)
    cp: tuple[int, ...] = (1,)
    sp: tuple[bool, ...] = (False,)
    batch: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    weights: tuple[str, ...] = ("bf16",)
    kv: tuple[str, ...] = ("bf16",)
    activations: str = "bf16"

    @field_validator(*AXES)
    @classmethod
    def _positive(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise ValueError("has no choices")
        if any(not isinstance(v, bool) and v < 1 for v in value):
            raise ValueError(f"{min(value)} is not a positive whole number")
        if any(not isinstance(v, bool) and v > MOST_COUNT for v in value):
            raise ValueError(f"{max(value)} is too large")
        return value

    @field_validator("weights", "kv")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            try:
                number_format(name)
            except InputError as error:
                raise ValueError(str(error)) from None
        return value


class SloChoice(Spec):
    """Latency targets at a quantile."""

    ttft_s: Seconds | None = Field(default=None, alias="ttft")
    tpot_s: Seconds | None = Field(default=None, alias="tpot")
    quantile: float = Field(default=0.5, gt=0, lt=1)

    @property
    def objectives(self) -> Objectives:
        return Objectives(ttft_s=self.ttft_s, tpot_s=self.tpot_s, quantile=self.quantile)


class Ranking(Spec):
    """What is best, and the axes of the frontier."""

    rank_by: str = "usd_per_million_tokens"
    frontier: tuple[str, ...] = ("usd_per_million_tokens", "tpot_s")

    @field_validator("rank_by", "frontier")
    @classmethod
    def _known(cls, value: Any) -> Any:
        for name in [value] if isinstance(value, str) else value:
            if name not in OBJECTIVES:
                raise ValueError(f"unknown objective {name!r}; known: {', '.join(OBJECTIVES)}")
        return value


OBJECTIVES = (
    "usd_per_million_tokens",
    "tpot_s",
    "ttft_s",
    "e2e_s",
    "throughput_tokens_per_s",
    "throughput_per_chip_tokens_per_s",
    "energy_j_per_token",
    "power_w",
    "usd_per_hour",
    "chips",
    "mfu_ratio",
    "mbu_ratio",
    "requests_per_s",
)


class Study(Spec):
    """The question of a sweep."""

    name: FileName
    title: str = ""
    file: str = ""
    """where it was read from, for messages"""
    model: ModelChoice
    traffic: TrafficChoice
    hardware: HardwareChoice
    space: PlanSpace = PlanSpace()
    policy: ServingPolicy = ServingPolicy()
    slo: SloChoice = SloChoice()
    objective: Ranking = Ranking()
    economics: dict[str, Any] = Field(default_factory=dict)
    """changes to the default prices, e.g. basis = "purchase" """


def read_study(path: str | Path) -> Study:
    """Read a study file. Raises InputError naming file, key and fix."""
    raw = read_file(path, "study")
    schema = raw.get("schema", "study/1")
    if schema != "study/1":
        raise InputError(f"{schema!r} is not a study", file=str(path), key="schema", fix='write schema = "study/1"')
    raw.setdefault("name", name_of(path))
    return build_from_file(Study, raw, str(path)).replace(file=str(path))
