"""What a sweep improves and shows: a scenario's aims in the words of planners and reports."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from planners.axes import engine_name
from simcore.errors import InputError, suggest
from simcore.spec.base import Spec
from simcore.spec.demand import Objectives
from simcore.spec.scenario import Scenario

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
    "chip_power_w",
    "server_power_w",
    "facility_power_w",
)
DEFAULT = ("usd_per_million_tokens", "tpot_s")


class Ranking(Spec):
    """What is best, and the axes of the frontier."""

    rank_by: str = DEFAULT[0]
    frontier: tuple[str, ...] = DEFAULT
    constraints: tuple[str, ...] = ()


class Study(Spec):
    """The aims of a sweep."""

    name: str
    title: str = ""
    file: str = ""
    targets: Objectives = Objectives()
    objective: Ranking = Ranking()
    stack: str = ""
    """of the base scenario"""
    scenario: dict[str, Any] = Field(default_factory=dict)
    """the whole question as tables, for whoever draws the report again"""


def study_of(scenario: Scenario, stack: str, tables: dict[str, Any]) -> Study:
    """The aims of a scenario. Raises InputError for an unknown objective."""
    aim, slo = scenario.objective, scenario.slo
    names = tuple(known(name, scenario.file) for name in (*aim.minimise, *aim.maximise)) or DEFAULT
    rank_by = known(aim.rank_by, scenario.file) if aim.rank_by else names[0]
    frontier = names if len(names) > 1 else (*names, next(n for n in DEFAULT if n not in names))
    return Study(
        name=scenario.name,
        title=scenario.title,
        file=scenario.file,
        targets=Objectives(ttft_s=slo.ttft_s, tpot_s=slo.tpot_s, quantile=slo.quantile),
        objective=Ranking(rank_by=rank_by, frontier=frontier, constraints=aim.constraints),
        stack=stack,
        scenario=tables,
    )


def known(name: str, file: str) -> str:
    """An objective by the engine's name. Raises InputError with the nearest one."""
    found = engine_name(name)
    if found not in OBJECTIVES:
        fix = suggest(name, OBJECTIVES)
        raise InputError(f"unknown objective {name!r}", file=file, key="objective", fix=fix)
    return found
