"""A scenario in words: what it asks, what its names stand for, and what is filled in where it says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.jobs import check_jobs
from scenarios.prices import prices_of
from scenarios.resolved import Resolved, resolve
from scenarios.traffic import demand_of
from simcore.errors import SimcoreError
from simcore.spec.scenario import Scenario

PARTS = ("hardware", "plan", "policy", "slo")
"""whose defaults decide an answer"""


@dataclass(frozen=True)
class Setting:
    """One key of a scenario; `said`: by the file, else filled in."""

    key: str
    value: Any
    said: bool


@dataclass(frozen=True)
class Explained:
    """What a scenario comes to."""

    words: tuple[str, ...]
    verbs: tuple[str, ...]
    """which answer it as it is"""
    settings: tuple[Setting, ...]
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]
    """why no answer can be given, too"""


def explained(scenario: Scenario) -> Explained:
    """Look everything up and fill everything in, and price nothing. Raises InputError for names that are not there."""
    if scenario.economics:
        prices_of(scenario)
    check_jobs(scenario)
    alone = scenario.model_copy(update={"models": (), "jobs": (), "residency": {}})
    found = resolve(alone) if scenario.model is not None and scenario.training is None else None
    whole = scenario if found is None else found.scenario
    said = keys_of(scenario.tables())
    filled = keys_of({part: getattr(whole, part) for part in PARTS})
    settings = [Setting(key, value, True) for key, value in said.items()]
    settings += [Setting(key, value, False) for key, value in filled.items() if key not in said and plain(value)]
    assumed = () if found is None else tuple(f"{k}: {v}" for k, v in found.system.assumptions().items())
    problem = () if found is None or not found.problem else (found.problem,)
    notes = (*scenario.notes, *(() if found is None else found.notes), *problem)
    return Explained(tuple(words(scenario, found)), verbs(scenario), tuple(settings), assumed, notes)


def words(scenario: Scenario, found: Resolved | None) -> list[str]:
    """Model, hardware, plan, traffic, bounds, axes: a line each."""
    lines = [f"{scenario.name}: {scenario.title}" if scenario.title else scenario.name]
    if found is not None:
        model, system, chip = found.model, found.system, found.system.chip
        formats = dict(zip(FORMATS, found.plan.formats(), strict=True))
        sizes = f"{model.parameters / 1e9:.4g} B parameters, {model.active_parameters / 1e9:.4g} B active per token"
        told = ", ".join(f"{what} {name}" for what, name in formats.items())
        lines.append(f"Model {model.name}: {sizes}, {model.layer_count} layers; {told}")
        main = chip.memory[chip.main_tier]
        memory = f"{main.capacity_bytes / 1e9:.4g} GB at {main.read_bytes_per_s / 1e12:.3g} TB/s"
        lines.append(f"Hardware {system.name}: {chip.name} with {memory}; stack {found.release.name}")
        plan = found.plan
        degrees = [f"{name} {getattr(plan, name)}" for name in DEGREES if getattr(plan, name) > 1]
        lines.append(f"Plan: {', '.join(degrees) or 'one chip'}; {plan.replica_chips * plan.dp} chips in all")
    lines += shared(scenario)
    if scenario.training is not None:
        lines.append(f"Training: {json.dumps(scenario.training, default=str)}")
    if scenario.traffic is not None:
        lines.append(f"Traffic: {traffic(scenario)}")
    bounds = [f"{name} {value * 1e3:.4g} ms" for name, value in slo(scenario).items()]
    if bounds:
        lines.append(f"Bounds: {', '.join(bounds)}, kept by {100 * scenario.slo.attainment:.4g} % of requests")
    if scenario.vary:
        lines.append("Varied: " + "; ".join(f"{key} over {text(values)}" for key, values in scenario.vary.items()))
    return lines


def shared(scenario: Scenario) -> list[str]:
    """Models that share the chips, where they live, and jobs."""
    total = sum(part.share_ratio for part in scenario.models)
    lines = []
    for part in scenario.models:
        named = "the scenario's model" if part.model is None else str(part.model.name or "an inline model")
        copies = f"{part.copies} copies of " if part.copies > 1 else ""
        lines.append(f"Model {part.name}: {copies}{named}, {100 * part.share_ratio / total:.4g} % of the requests")
    place = scenario.residency.get("models")
    if place is not None:
        turn = (
            "until it has no work" if place.turn_s is None else f"for {place.turn_s * 1e3:.4g} ms while another waits"
        )
        lines.append(f"Models that are not in use lie in {place.home}; one runs {turn}")
    lines += [f"Job {part.name}: {part.kind} in the slack of steps" for part in scenario.jobs]
    return lines


FORMATS = ("weights", "experts", "activations", "KV")
DEGREES = ("tp", "pp", "dp", "attention_dp", "ep", "cp")


def traffic(scenario: Scenario) -> str:
    """Mean lengths and the load; why not where its lengths cannot be told."""
    part = scenario.traffic
    assert part is not None
    try:
        demand = demand_of(scenario)
        lengths = f"{demand.input.mean_tokens:,.0f} tokens in, {demand.output.mean_tokens:,.0f} out (means)"
    except SimcoreError as error:
        lengths = str(error)
    loads = {"rate_per_s": "{:g} requests/s", "users": "{} users in a closed loop", "batch": "{} requests in flight"}
    load = [form.format(getattr(part, key)) for key, form in loads.items() if getattr(part, key) is not None]
    return ", ".join([lengths, *load])


def slo(scenario: Scenario) -> dict[str, float]:
    """The bounds that are there, in seconds."""
    bounds = {name.upper(): getattr(scenario.slo, f"{name}_s") for name in ("ttft", "tpot", "e2e")}
    return {name: float(value) for name, value in bounds.items() if value is not None and value < float("inf")}


def verbs(scenario: Scenario) -> tuple[str, ...]:
    """Which verbs answer it."""
    if scenario.training is not None:
        return ("train", "plan training") if scenario.vary else ("train",)
    if scenario.steps is not None:
        return ("simulate", "capacity")
    axes = ("sweep", "search") if scenario.vary else ()
    return ("estimate", "simulate", "capacity", *axes)


def keys_of(raw: Any, path: str = "") -> dict[str, Any]:
    """Dotted keys of tables, and of parts of a scenario."""
    if hasattr(raw, "model_dump"):
        raw = raw.model_dump(by_alias=True)
    if not isinstance(raw, Mapping):
        return {path: raw}
    found: dict[str, Any] = {}
    for key, value in raw.items():
        found |= keys_of(value, f"{path}.{key}" if path else str(key))
    return found


def plain(value: Any) -> bool:
    """Whether a filled-in value says anything."""
    return value not in (None, (), [], "")


def text(value: Any) -> str:
    """A value as a file would say it, cut where it is long."""
    said = json.dumps(value, default=str)
    return said if len(said) <= 80 else f"{said[:77]}..."
