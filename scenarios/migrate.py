"""Old schemas to scenario/2: scenario/1 (a simulation), study/1 (a sweep), search/1 (a search)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.spec.load import read_file

Raw = dict[str, Any]
SCHEMA = "scenario/2"
OLD_POLICY = {
    "scheduler": "chunked",
    "max_running": 256,
    "token_budget": 8192,
    "memory_fraction": 0.9,
    "stream_interval": 1,
    "reserve_output": False,
}
"""defaults of scenario/1, where scenario/2 takes the stack's"""
OLD_BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256]
OLD_CHIPS = [1, 2, 4, 8]
SEARCHES = ("analytic", "event")
"""evaluators of search/1 whose questions are scenarios"""
NAMED = ("vllm", "trtllm", "sglang")
DEGREES = ("tp", "pp", "dp", "attention_dp", "ep", "cp", "sp")
FORMATS = ("weights", "experts", "activations", "kv")
POLICY_AXES = ("memory_fraction", "graphs", "pim_attention", "sub_batches", "imbalance_ratio")
TIERS = {"kv_tier": "kv", "weight_tier": "weights"}


def is_old(raw: Raw) -> bool:
    """Whether a file is of a schema before scenario/2."""
    return schema_of(raw) in CONVERT


def schema_of(raw: Raw) -> str:
    """The schema that a file states, or that of files before they had to."""
    if "schema" in raw:
        return str(raw["schema"])
    hardware = raw.get("hardware")
    if "space" in raw or (isinstance(hardware, dict) and "systems" in hardware):
        return "search/1" if "evaluator" in raw or "search" in raw else "study/1"
    return "scenario/1"


def migrated(raw: Raw, file: str) -> Raw:
    """The tables of an old file in scenario/2. Raises InputError for an unknown schema."""
    schema = schema_of(raw)
    if schema not in CONVERT:
        raise InputError(f"{schema!r} cannot be migrated", file=file, key="schema", fix=f"known: {', '.join(CONVERT)}")
    try:
        found = CONVERT[schema](copy.deepcopy(raw), file)
    except RecursionError:
        raise InputError("is nested too deeply", file=file) from None
    except (AttributeError, LookupError, TypeError, ValueError):
        what, fix = f"a table, a list or a key of {schema} is not of its kind", f'write it as schema = "{SCHEMA}"'
        raise InputError(what, file=file, fix=fix) from None
    head: Raw = {"schema": SCHEMA}
    head |= {k: found.pop(k) for k in ("name", "title", "seed", "warm_ratio") if k in found}
    return head | {key: value for key, value in found.items() if value not in ({}, [])}


def from_simulation(raw: Raw, file: str) -> Raw:
    """scenario/1: replicas become plan.dp, the price moves to [economics], old defaults are written out."""
    raw.pop("schema", None)
    named = raw.get("hardware", {}).get("stack", "datasheet") in NAMED
    _simulation_policy(raw, named)
    if "hardware" in raw:
        raw["hardware"].setdefault("stack", "datasheet")
        price = raw["hardware"].pop("usd_per_hour", None)
        if price is not None:
            raw.setdefault("economics", {})["usd_per_hour"] = price
    for pool in raw.get("fleet", {}).get("pools", ()):
        pool.get("hardware", {}).pop("usd_per_hour", None)
        if "policy" in pool:
            _simulation_policy(pool, named, pool)
        if "hardware" in pool:
            pool["hardware"].setdefault("stack", "datasheet")
    if "attention_ffn" in raw and "hardware" in raw["attention_ffn"]:
        raw["attention_ffn"]["hardware"].setdefault("stack", "datasheet")
        raw["attention_ffn"]["hardware"].pop("usd_per_hour", None)
    traffic = raw.get("traffic", {})
    if traffic.get("arrivals") == "uniform":
        traffic["arrivals"] = "constant"
    if "users" in traffic:
        traffic.pop("rate_per_s", None)
    return raw


def _simulation_policy(raw: Raw, named: bool, pool: Raw | None = None) -> None:
    """A named stack takes its own defaults from now on; the others keep those of scenario/1."""
    policy = raw.setdefault("policy", {})
    replicas = policy.pop("replicas", None)
    if replicas is not None and pool is None:
        raw.setdefault("plan", {})["dp"] = replicas
    if not named:
        for key, value in OLD_POLICY.items():
            policy.setdefault(key, value)


def from_sweep(raw: Raw, file: str) -> Raw:
    """study/1: [space] becomes [vary], systems hardware.system, rank_by and frontier [objective]."""
    raw.pop("schema", None)
    hardware, space = raw.pop("hardware", {}), dict(raw.pop("space", {}))
    found: Raw = {k: raw.pop(k) for k in ("name", "title", "seed", "model", "economics", "slo") if k in raw}
    systems = list(hardware.get("systems", ()))
    if not systems:
        raise InputError("is missing", file=file, key="hardware.systems", fix="name at least one system")
    found["hardware"] = {"system": systems[0], "stack": hardware.get("stack", "datasheet")}
    found["policy"] = raw.pop("policy", {})
    _tiers(found)
    found["traffic"] = raw.pop("traffic", {})
    vary: Raw = {"hardware.system": systems} if len(systems) > 1 else {}
    space.setdefault("chips", OLD_CHIPS)
    space.setdefault("tp", OLD_CHIPS)
    space.setdefault("batch", OLD_BATCHES)
    plan: Raw = {}
    activations = space.pop("activations", None)
    if activations is not None:
        plan["activations"] = activations
    for key, values in space.items():
        if key == "batch":
            vary["traffic.batch"] = list(values)
        else:
            vary[f"plan.{key}"] = list(values) if isinstance(values, list | tuple) else values
    found["traffic"].setdefault("batch", vary["traffic.batch"][0])
    if len(vary["traffic.batch"]) == 1:
        found["traffic"]["batch"] = vary.pop("traffic.batch")[0]
    found["plan"] = plan
    found["vary"] = vary
    old = raw.pop("objective", {})
    frontier = list(old.get("frontier", ("usd_per_million_tokens", "tpot_s")))
    found["objective"] = {"minimise": frontier, "rank_by": old.get("rank_by", "usd_per_million_tokens")}
    return found | raw


def _tiers(found: Raw) -> None:
    """kv_tier and weight_tier become [residency]."""
    for old, new in TIERS.items():
        tier = found["policy"].pop(old, "main")
        if tier != "main":
            found.setdefault("residency", {})[new] = tier


def from_search(raw: Raw, file: str) -> Raw:
    """search/1: an analytic space over parts of a scenario, or an event space over a scenario file."""
    raw.pop("schema", None)
    evaluator = raw.pop("evaluator", {"kind": "analytic"})
    kind = evaluator.get("kind", "analytic")
    if kind not in SEARCHES:
        problem = f"a search with evaluator {kind!r} is no scenario"
        raise InputError(problem, file=file, key="evaluator.kind", fix="keep it as search/1")
    found: Raw = {k: raw.pop(k) for k in ("name", "title", "seed") if k in raw}
    if kind == "event":
        found = _event_base(evaluator, file) | found
        names = {str(name): str(name) for name in raw.get("space", {})}
        found["search"] = {"engine": "simulate", **raw.pop("search", {})}
    else:
        found |= _analytic_base(raw)
        names = {str(name): new_key(str(name)) for name in raw.get("space", {})}
        found["search"] = raw.pop("search", {})
    for key, value in raw.get("space", {}).items():
        if not isinstance(value, dict) or not isinstance(value.get("when", {}), dict):
            place = f"space.{key}.when" if isinstance(value, dict) else f"space.{key}"
            raise InputError("is no table", file=file, key=place, fix='write for example { system = ["h200-sxm"] }')
    found["vary"] = {names[key]: axis(value, names) for key, value in raw.pop("space", {}).items()}
    if laws := raw.pop("laws", {}):
        found["laws"] = laws
    aim = dict(raw.pop("objective", {}))
    constraints = raw.pop("constraints", [])
    if constraints:
        aim["constraints"] = list(constraints)
    found["objective"] = aim
    return found | raw


def _event_base(evaluator: Raw, file: str) -> Raw:
    path = Path(file).parent / str(evaluator.get("scenario", ""))
    base = read_file(path, "scenario")
    base.setdefault("name", path.stem)
    found = from_simulation(base, str(path)) if is_old(base) else {k: v for k, v in base.items() if k != "schema"}
    trace = found.get("traffic", {}).get("trace")
    if trace and not Path(trace).is_absolute() and "$" not in trace:
        here = Path(str(evaluator["scenario"])).parent
        found["traffic"]["trace"] = str(here / trace)
    return found


def _analytic_base(raw: Raw) -> Raw:
    found: Raw = {k: raw.pop(k) for k in ("model", "traffic", "economics", "plan", "policy") if k in raw}
    hardware = raw.pop("hardware", {})
    systems = list(hardware.get("systems", ()))
    found["hardware"] = {"system": systems[0] if systems else "", "stack": hardware.get("stack", "datasheet")}
    found.setdefault("policy", {})
    _tiers(found)
    found.setdefault("traffic", {})["batch"] = raw.pop("batch", 1)
    if "quantile" in raw:
        found["slo"] = {"quantile": raw.pop("quantile")}
    return found


def new_key(old: str) -> str:
    """The scenario key of a name in an analytic search space; a name that is no key stays.

    >>> new_key("batch"), new_key("policy.kv_tier"), new_key("chip.power.tdp"), new_key("policy.token_budget")
    ('traffic.batch', 'residency.kv', 'hardware.chip.power.tdp', 'policy.token_budget')
    """
    bare = old.removeprefix("policy.").removeprefix("plan.") if old.startswith(("policy.", "plan.")) else old
    if bare == "system":
        return "hardware.system"
    if bare == "batch":
        return "traffic.batch"
    if bare in (*DEGREES, *FORMATS, "chips"):
        return f"plan.{bare}"
    if bare in POLICY_AXES:
        return f"policy.{bare}"
    if bare in TIERS:
        return f"residency.{TIERS[bare]}"
    if bare.partition(".")[0] in ("chip", "node", "cluster"):
        return f"hardware.{bare}"
    return old


def axis(value: Raw, names: dict[str, str]) -> Any:
    """One axis of search/1 in the form of [vary]."""
    rest = {k: v for k, v in value.items() if k in ("log", "steps")}
    when = {names.get(k, k): v if isinstance(v, list) else [v] for k, v in value.get("when", {}).items()}
    listed = value.get("choices", value.get("ordinal"))
    if listed is not None:
        ordered = "ordinal" in value
        plain = not when and (not ordered or not any(isinstance(v, str) for v in listed))
        plain = plain and (ordered or all(isinstance(v, str | bool) for v in listed))
        if plain:
            return list(listed)
        return {"values": list(listed), "ordered": ordered, **({"when": when} if when else {})}
    integer = "integer" in value
    low, high = value["integer" if integer else "float"]
    return {
        "low": low,
        "high": high,
        **rest,
        **({"integer": True} if integer else {}),
        **({"when": when} if when else {}),
    }


CONVERT: dict[str, Callable[[Raw, str], Raw]] = {
    "scenario/1": from_simulation,
    "study/1": from_sweep,
    "search/1": from_search,
}
