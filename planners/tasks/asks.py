"""What a schedule asks other verbs: `[asks.NAME]` with a `verb` and what differs from the file's own tables.

A text that begins with "=" is arithmetic on the schedule's values: `batch = "= users"`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from planners.tasks.flat import numbers
from simcore.errors import InputError, suggest
from simcore.spec.load import merge

Raw = dict[str, Any]
SOME_MODELS = {
    "prefill": (
        "attention_prefill",
        "mla_prefill",
        "experts",
        "all_to_all_dispatch",
        "all_to_all_combine",
        "all_reduce",
    ),
    "decode": ("attention_decode", "mla_decode", "experts", "all_to_all_dispatch", "all_to_all_combine", "all_reduce"),
}
"""operations that only some models and plans have: no seconds, FLOP and bytes for the others"""


def scenario_of(raw: Raw, file: str) -> Any:
    """A scenario from tables. Raises InputError."""
    from scenarios.read import from_raw

    return from_raw({"schema": "scenario/2", **raw}, file)


def estimate_numbers(raw: Raw, file: str) -> Raw:
    """`simcore estimate`; its breakdown too: `prefill.NAME.time_s`, `decode.NAME.flop`, ... over all layers, and
    `decode.time_s` of all operations, which are there for a plan that does not fit its chips as well."""
    from planners.estimate import estimate

    found = estimate(scenario_of(raw, file))
    known = {k: v for k, v in found.result.values.items() if v is not None}
    nothing = {"time_s": 0.0, "flop": 0.0, "bytes": 0.0}
    rows: dict[str, dict[str, Any]] = {
        phase: {**nothing, **{name: {**nothing, "count": 0.0} for name in names}}
        for phase, names in SOME_MODELS.items()
    }
    for op in found.result.operations:
        told = {"time_s": op.time_s, "flop": op.flop, "bytes": op.moved_bytes, "count": op.count}
        whole = rows.setdefault(op.phase, dict(nothing))
        own = whole.setdefault(op.name, dict.fromkeys(told, 0.0))
        for key, value in told.items():
            own[key] += value
        for key in ("time_s", "flop", "bytes"):
            whole[key] += told[key]
    return {**known, **found.flat, "parameters": found.resolved.model.parameters, **rows}


def train_numbers(raw: Raw, file: str) -> Raw:
    """`simcore train`."""
    from scenarios.train import train_scenario

    found = train_scenario(scenario_of(raw, file))
    model = found.question.job.trainee.model
    sizes = {"parameters": float(model.parameters), "active_parameters": float(model.active_parameters)}
    step = found.step
    if step.pipeline is None:
        return {**found.flat, **sizes}
    return {**found.flat, **sizes, "model_flop_per_s_per_chip": step.model_flop / step.time_s / found.flat["chips"]}


def array_numbers(raw: Raw, file: str) -> Raw:
    """A product on a spatial array, as `simcore validate arrays`: `dataflow`, `height`, `width`, `m`, `n`, `k`."""
    from simcore.cost.dataflows import dataflow
    from simcore.cost.dataflows._base import Gemm

    m, n, k, height, width = (_number(raw, key, file, 1, MOST_SIDE) for key in ("m", "n", "k", "height", "width"))
    flow = dataflow(str(raw.get("dataflow")))
    gemm = Gemm(m, n, k)
    cycles = float(flow.cycles(gemm, height, width))
    warm = float(flow.warm_cycles(gemm, height, width))
    macs = float(gemm.macs)
    cells = height * width
    shares = {"utilisation_ratio": macs / (cycles * cells), "warm_utilisation_ratio": macs / (warm * cells)}
    return {"cycles": cycles, "warm_cycles": warm, "macs": macs, **shares}


def cache_numbers(raw: Raw, file: str) -> Raw:
    """Hits of a cache of experts (`simcore.cost.expert_cache`): experts, chosen, slots, tokens, rule, skew, repeat."""
    from simcore.cost.expert_cache import Routing, hit_ratio

    experts, tokens = (int(_number(raw, key, file, 1, MOST_DRAWN)) for key in ("experts", "tokens"))
    chosen, slots = int(_number(raw, "chosen", file, 1, experts)), int(_number(raw, "slots", file, 0, MOST_DRAWN))
    skew, repeat = (_number(raw, key, file, 0, most) for key, most in (("skew_ratio", 4), ("repeat_ratio", 1)))
    routing = Routing(experts, chosen, tokens, skew, repeat, int(_number(raw, "seed", file, 0, MOST_DRAWN)))
    share = hit_ratio(routing, slots, str(raw.get("rule", "lru")))
    return {"hit_ratio": share, "fetched_per_token": chosen * (1.0 - share)}


MOST_SIDE, MOST_DRAWN = 1e12, 100_000
"""of a product; of experts and tokens that are drawn"""
WHOLE = ("m", "n", "k", "height", "width", "experts", "tokens", "chosen", "seed")
LEFT_OUT = {"seed": 1, "slots": 0, "skew_ratio": 0, "repeat_ratio": 0}


def _number(raw: Raw, key: str, file: str, least: float, most: float) -> float:
    """A number of an ask. Raises InputError for what is none, or none between two others."""
    value: Any = raw.get(key, LEFT_OUT.get(key))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (key in WHOLE and value != int(value)):
        kind = "whole number" if key in WHOLE else "number"
        raise InputError(f"{value!r} is no {kind} from {least:g} to {most:g}", file=file, key=key, fix="mend it")
    return float(value)


VERBS: dict[str, Callable[[Raw, str], Raw]] = {
    "estimate": estimate_numbers,
    "train": train_numbers,
    "array": array_numbers,
    "cache": cache_numbers,
}
WITHOUT_TABLES = ("array", "cache")
"""verbs that take numbers of their own, no scenario"""


def answer(
    name: str, ask: Mapping[str, Any], shared: Raw, told: Callable[[str], float], file: str
) -> tuple[dict[str, float], str]:
    """(numbers of a question's answer by dotted name, why it says no); `told` gives the value of an expression.

    Raises InputError.
    """
    verb = str(ask.get("verb"))
    if verb not in VERBS:
        raise InputError(f"unknown verb {verb!r}", file=file, key=f"asks.{name}.verb", fix=suggest(verb, VERBS))
    own = {key: value for key, value in ask.items() if key != "verb"}
    raw = own if verb in WITHOUT_TABLES else {"name": name, **merge(shared, own)}
    found = VERBS[verb](_worked_out(raw, told), file)
    return numbers(found), str(found.get("reason") or "")


def _worked_out(found: Any, told: Callable[[str], float]) -> Any:
    if isinstance(found, Mapping):
        return {key: _worked_out(value, told) for key, value in found.items()}
    if isinstance(found, list):
        return [_worked_out(value, told) for value in found]
    if isinstance(found, str) and found.startswith("="):
        value = told(found[1:].strip())
        return int(value) if value == int(value) else value
    return found
