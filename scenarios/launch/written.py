"""A scenario's deployment as the command that starts one replica of it: the reverse of `with_launch`."""

from __future__ import annotations

import shlex
from typing import Any

from scenarios.launch.command import SERVERS, settings
from simcore.errors import InputError
from simcore.spec.plan_part import PlanPart
from simcore.spec.scenario import Scenario

STARTS = {
    "vllm": ("vllm", "serve", "{model}"),
    "sglang": ("python", "-m", "sglang.launch_server", "--model-path", "{model}"),
    "trtllm": ("trtllm-serve", "{model}"),
}
UNDERSCORED = ("trtllm",)
"""servers whose flags have underscores"""
LOADED = ("fp8",)
"""formats to which servers convert the weights of a checkpoint in 16 bits; others need a checkpoint of their own"""
DEGREES = ("tp", "pp", "attention_dp", "ep")


def launch_command(scenario: Scenario, stack: str, names: tuple[str, ...] = ()) -> str | None:
    """The command of one replica; None for a stack without a server, or a plan that its flags cannot say.

    `names`: of the model, of which the first ORG/NAME is taken. What comes back is read again and must mean the plan.
    """
    server = stack.partition("@")[0]
    if server not in STARTS or not isinstance(scenario.plan, PlanPart) or scenario.model is None:
        return None
    model = next((name for name in names if "/" in name), str(scenario.model.value))
    words = [word.format(model=model) for word in STARTS[server]]
    for key, value in stated(scenario, server).items():
        words += flag_of(server, key, value)
    text = shlex.join(words)
    return text if means(text, scenario.plan) else None


def stated(scenario: Scenario, server: str) -> dict[str, Any]:
    """Keys of the launch flags that the scenario states, in the words of the server's `settled`."""
    plan, policy = scenario.plan, scenario.policy
    assert isinstance(plan, PlanPart)
    ranks = plan.attention_dp
    found: dict[str, Any] = {"plan.tp": plan.tp * (ranks if server != "vllm" else 1)}
    if plan.pp > 1:
        found["plan.pp"] = plan.pp
    if ranks > 1 and server != "trtllm":
        found["ranks"] = ranks
        found["attends apart"] = True
    if plan.ep > 1:
        found |= {"experts apart": True} if server == "vllm" else {"plan.ep": plan.ep}
    said = {"token_budget", "max_running", "memory_fraction", "graphs", "overlap_scheduling"}
    found |= {f"policy.{name}": getattr(policy, name) for name in said & policy.model_fields_set}
    if plan.kv is not None:
        found["plan.kv"] = plan.kv
    if plan.weights in LOADED:
        found["plan.weights"] = plan.weights
    return {key: value for key, value in found.items() if value is not None}


def flag_of(server: str, key: str, value: Any) -> list[str]:
    """The first long flag of a key: alone where the flag itself says the value, with its value otherwise."""
    known = [(flag, one) for flag, one in SERVERS.implementation(server).FLAGS.items() if one.key == key]
    for flag, one in known:
        if one.value is not None and one.value == value:
            return [flag]
    for flag, one in known:
        if one.value is None and flag.startswith("--"):
            named = "--" + flag[2:].replace("-", "_") if server in UNDERSCORED else flag
            word = f"{value:g}" if isinstance(value, float) else str(value)
            return [named, word if one.words is None else one.words.get(word, word)]
    return []


def means(text: str, plan: PlanPart) -> bool:
    """Whether the command, read again, has the plan's degrees."""
    try:
        found, unread = settings(text)
    except InputError:
        return False
    return not unread and all(found.get(f"plan.{name}", 1) == getattr(plan, name) for name in DEGREES)
