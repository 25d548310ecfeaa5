"""A scenario from names and keywords: what a person types in a notebook."""

from __future__ import annotations

import os
from typing import Any

from scenarios.read import from_raw
from simcore.errors import InputError, suggest
from simcore.spec.arguments import table
from simcore.spec.plan_part import PlanPart
from simcore.spec.scenario import Scenario
from simcore.spec.traffic_part import TrafficPart
from simcore.unit_text import found_text

PLAN = tuple(PlanPart.model_fields)
TABLES = tuple(n for n in Scenario.model_fields if n not in ("model", "hardware", "plan", "traffic", "file", "notes"))
LENGTHS = {"input_tokens": 1024, "output_tokens": 128}


def from_names(model: Any, system: Any, more: dict[str, Any]) -> Scenario:
    """Model and system by name, path or table; the rest by keyword. Raises InputError for an unknown one."""
    traffic_keys = {info.alias or name for name, info in TrafficPart.model_fields.items()} - {"name"}
    known = (*PLAN, *sorted(traffic_keys), *TABLES, "stack", "traffic")
    for name in more:
        if name not in known:
            raise InputError(f"unknown argument {name!r}", fix=suggest(name, known))
    stack = more.get("stack")
    hardware = {"system": system} | ({"stack": stack} if stack is not None else {})
    raw: dict[str, Any] = {k: v for k, v in more.items() if k in TABLES and v is not None}
    raw |= {"name": raw.get("name", "question"), "hardware": hardware}
    if not isinstance(model, str | os.PathLike | dict):
        raise InputError(f"{found_text(model)} is no model", key="model", fix="give a name, a path or a table")
    raw["model"] = model if isinstance(model, dict) else {"name": str(model)}
    raw["plan"] = {k: v for k, v in more.items() if k in PLAN and v is not None}
    raw["traffic"] = traffic_of({k: v for k, v in more.items() if k in traffic_keys and v is not None}, more)
    policy = table(raw.get("policy", {}), "policy")
    places = {kind: policy.pop(f"{key}_tier", "main") for kind, key in (("kv", "kv"), ("weights", "weight"))}
    named = {kind: tier for kind, tier in places.items() if tier != "main"}
    if named:
        raw["residency"] = {**raw.get("residency", {}), **named}
    return from_raw({**raw, "policy": policy})


def traffic_of(said: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The traffic's table: 1,024 tokens in, 128 out and one request in flight where nothing is said."""
    traffic = more.get("traffic")
    if isinstance(traffic, dict):
        said = {**traffic, **said}
    elif traffic:
        said["name"] = traffic
    if not {"name", "trace", "input_median_tokens"} & set(said):
        said = {**LENGTHS, **said}
    return said if {"batch", "users", "rate_per_s", "trace"} & set(said) else {**said, "batch": 1}
