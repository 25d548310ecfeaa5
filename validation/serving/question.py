"""A measured configuration as a scenario that a user could have written: `scenario/2` tables, nothing else.

What the client did is public (a closed loop, ten requests per user, lengths uniform on [0.8, 1] of the stated ones
unless they are fixed); how the server was started is the recipe of its stack (`hardware_specs/calibration/serving`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scenarios.launch.command import flag_settings
from simcore.spec.scenario import put
from validation.models import Models
from validation.serving.rows import Pool, Question

REQUESTS_PER_USER = 10
SHORTEST = 0.8
"""lengths are uniform between this share of the stated length and all of it"""
MISSES = "1 ms"
"""a completed request's successor reaches the scheduler so much later"""
Raw = dict[str, Any]


KEPT = (
    *("draft_tokens", "acceptance_ratio", "hold_steps", "expert_kernels", "least_expert_tokens", "graph_tokens"),
    *("graphs", "overlap_scheduling"),
)
"""settings that are keys of [policy] as they stand"""


def chosen(recipe: Mapping[str, Any], question: Question, role: str = "both") -> Raw:
    """The recipe's settings for a question: defaults, then every rule that applies, later ones winning.

    `role` is the pool's: both, prefill or decode; rules that name none are for all of them. Where the server's flags
    are known, rules that tell them from a model's name are not asked.
    """
    settings = dict(recipe["default"])
    for rule in recipe.get("rule", ()):
        if question.flags and "family" in rule["when"]:
            continue
        if all(_applies(name, wanted, question, role) for name, wanted in rule["when"].items()):
            settings.update(rule["set"])
    return settings


def _applies(name: str, wanted: Any, question: Question, role: str) -> bool:
    if name == "role":
        return bool(role == wanted)
    if name == "decode":
        return bool(question.pool.words == wanted)
    value = getattr(question, name) if name != "attention_dp" else question.pool.attention_dp
    if name in ("users", "attention_dp"):
        return bool(wanted[0] <= value <= wanted[1])
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


def formats(model: Any, precision: str) -> dict[str, str]:
    """Weights and experts of a checkpoint at a stated precision.

    Checkpoints with their own expert format (gpt-oss) keep it. Four-bit checkpoints of expert models quantise the
    experts alone and leave attention in bf16; eight-bit ones of models with block scales keep their blocks.
    """
    native = str(model.native_format)
    if model.expert_format:
        return {"weights": native, "experts": str(model.expert_format)}
    if precision in ("fp4", "nvfp4"):
        return {"weights": "bf16", "experts": "fp4"} if model.is_moe else {"weights": "fp4"}
    if precision == "fp8":
        return {"weights": native if native.startswith("fp8") else "fp8-block" if model.is_moe else "fp8"}
    return {"weights": "bf16"}


def scenario_tables(question: Question, recipe: Mapping[str, Any], models: Models, name: str = "") -> Raw:
    """The tables of a `scenario/2` file for one replica, or a prefill and a decode pool, under the question's load.

    Raises UnknownName for a model that no spec knows, InputError for flags that no server takes.
    """
    settings = chosen(recipe, question, "both" if question.prefill is None else "decode")
    model = models("model", question.model)
    tables = {
        "schema": "scenario/2",
        "name": name or "row",
        "model": {"name": models.value(question.model)},
        "hardware": {"system": question.system, "stack": question.stack},
        "plan": plan(question.pool) | formats(model, question.precision) | {"kv": settings["kv"]},
        "policy": policy(question, settings),
        "traffic": traffic(question, settings),
    }
    if question.prefill is not None:
        tables |= disaggregated(question, question.prefill, tables, recipe)
    return with_flags(tables, question) if question.flags else tables


STATED = ("model.name", "hardware.stack", "plan.tp", "plan.pp", "plan.dp", "plan.attention_dp", "plan.ep")
"""what a row's own columns say, whatever its flags"""


def with_flags(tables: Raw, question: Question) -> Raw:
    """The tables with what the server's own flags say in place of the recipe's guesses. Raises InputError."""
    for key, value in flag_settings(question.stack, question.flags)[0].items():
        if key not in STATED and value is not None:
            put(tables, key, value)
    return tables


def plan(pool: Pool) -> Raw:
    """Degrees of a pool; those of 1 are left out."""
    degrees = {"tp": pool.tp, "attention_dp": pool.attention_dp, "ep": pool.ep}
    return {name: value for name, value in degrees.items() if value > 1}


def policy(question: Question, settings: Mapping[str, Any]) -> Raw:
    """How the server was started, in the words of [policy]."""
    prompt = question.input_tokens if settings.get("budget_covers_prompt") else 0
    budget = int(settings["token_budget"])
    if settings.get("one_prompt"):
        drafted = int(settings.get("draft_tokens") or 0)
        budget = max(one_prompt(question, drafted), int(settings.get("least_budget", 0)))
    most = int(settings["max_running"])
    found: Raw = {
        "scheduler": settings["scheduler"],
        "token_budget": max(budget, prompt),
        "memory_fraction": float(settings["memory_fraction"]),
        "max_running": min(most, question.users) if settings.get("as_many_as_users") else most,
        "reserve_output": bool(settings["reserve_output"]),
        "stream_interval": int(settings["stream_interval"]),
    }
    if fewer := int(settings.get("fewer_slots", 0)):
        found["max_running"] = min(found["max_running"], max(question.users - fewer, 1))
    if question.fixed_lengths:
        found["overlap_scheduling"] = False
    for key in KEPT:
        if key in settings and (settings[key] or settings[key] is False):
            found[key] = settings[key]
    if settings.get("output_s"):
        found["output"] = f"{float(settings['output_s']):g} s"
    if settings.get("cached_prompts"):
        found["prefix_cache"] = "radix"
    if question.users * question.input_tokens >= float(settings.get("stall_tokens", float("inf"))):
        found["compile"] = f"{float(settings['stall_s']):g} s"
    return found


ROUTER = "least-outstanding"
"""of Dynamo, unless it is told otherwise"""


def disaggregated(question: Question, pool: Pool, tables: Raw, recipe: Mapping[str, Any]) -> Raw:
    """[policy] and [fleet] of a deployment whose prompts are prefilled apart; KV goes over the system's own links."""
    apart = replace(question, pool=pool, prefill=None)
    settings = chosen(recipe, apart, "prefill")
    formatted = {name: tables["plan"][name] for name in ("weights", "experts", "kv") if name in tables["plan"]}
    pools = [
        {"name": "prefill", "role": "prefill", "count": pool.workers, "plan": plan(pool) | formatted}
        | {"policy": policy(apart, settings)},
        {"name": "decode", "role": "decode", "count": question.pool.workers, "plan": dict(tables["plan"])}
        | {"policy": tables["policy"] | {"scheduler": "decode-only"}},
    ]
    fleet = {"decode_router": ROUTER, "first_token": "decode", "pools": pools}
    return {"policy": tables["policy"] | {"router": ROUTER}, "fleet": fleet}


def one_prompt(question: Question, drafted: int = 0) -> int:
    """Tokens of a step that takes one prompt beside its decodes and what they drafted, as the public benchmark's
    scripts size it: (batch + input + 64) in whole 64s."""
    batch = -(-question.users // question.pool.attention_dp) * (1 + drafted)
    return -(-(batch + question.input_tokens + 64) // 64) * 64


def traffic(question: Question, settings: Mapping[str, Any]) -> Raw:
    """What the client sent."""
    sides = question.input_tokens, question.output_tokens
    lengths = sides if question.fixed_lengths else tuple([max(1, int(SHORTEST * side)), side] for side in sides)
    found: Raw = {
        "input_tokens": lengths[0],
        "output_tokens": lengths[1],
        "users": question.users,
        "requests": REQUESTS_PER_USER * question.users,
        "think": MISSES,
    }
    if settings.get("cached_prompts"):
        found["shared_prefix"] = {"tokens": question.input_tokens}
    return found
