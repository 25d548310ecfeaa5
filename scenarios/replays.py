"""A recorded vLLM run as a scenario: `simulate` answers it with the step times that `validate requests` replays."""

from __future__ import annotations

from typing import Any


def replay_scenario(model: str, hardware: dict[str, Any], engine: dict[str, Any], ranks: Any) -> dict[str, Any]:
    """The tables of a `scenario/2` file, traffic left out; nothing that was fitted on servers (`effects = "kernels"`).

    Raises InputError for formats and degrees that a replay does not know.
    """
    from simcore.calibration.vllm_engine import VLLM_DEFAULTS, kv_format, weight_format

    known = VLLM_DEFAULTS | engine
    plan: dict[str, Any] = {"tp": ranks.tp, "weights": weight_format(engine), "kv": kv_format(engine)}
    if ranks.lockstep:
        plan["attention_dp"] = ranks.dp
    elif ranks.dp > 1:
        plan["dp"] = ranks.dp
    if ranks.expert_parallel:
        plan["ep"] = ranks.expert_ranks
    policy = {
        "effects": "kernels",
        "scheduler": "chunked",
        "router": "round-robin",
        "token_budget": int(known["max_num_batched_tokens"]),
        "max_running": int(known["max_num_seqs"]),
        "block_tokens": int(known["block_tokens"]),
        "memory_fraction": float(known["memory_fraction"]),
        "whole_prompt": False,
        "ahead": bool(known["async_scheduling"]),
        "graphs": not engine.get("enforce_eager"),
    }
    if known["chunk_tokens"]:
        policy["chunk_tokens"] = int(known["chunk_tokens"])
    return {
        "schema": "scenario/2",
        "name": "recorded",
        "model": {"name": model},
        "hardware": hardware,
        "plan": plan,
        "policy": policy,
    }


def replayed(model: str, hardware: dict[str, Any], engine: dict[str, Any], ranks: Any) -> Any:
    """The scenario with its names looked up."""
    from scenarios.read import from_raw
    from scenarios.resolved import resolve

    raw = replay_scenario(model, hardware, engine, ranks)
    return resolve(from_raw({**raw, "traffic": {"input_tokens": 1024, "output_tokens": 128, "batch": 1}}))


def operator_step_times(model: str, hardware: dict[str, Any], engine: dict[str, Any]) -> Any:
    """Step times of `simulate` for a run; `SharedSteps` for ranks that share experts."""
    import workloads
    from scenarios.steps import hardware_steps
    from simcore.calibration.vllm_engine import graph_sizes, ranks_of
    from simcore.engine.ranks import split_experts

    ranks = ranks_of(engine, workloads.model(model))
    found = replayed(model, hardware, engine, ranks)
    times = hardware_steps(found)
    if not ranks.lockstep:
        return times
    return split_experts(times, found.physics(), found.columns, max(graph_sizes(engine), default=0))
