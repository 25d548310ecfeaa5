"""One chunk pair of DeepSeek-V3's published trace against the operators: each phase of layers, exchanges, casts.

The trace holds a forward and a backward chunk of four expert layers that run into each other under DualPipe. Kernels
are summed by phase; conversions to eight bits stand apart by class, and kernels that wait for other ranks (notify) are
told, not predicted. Two numbers come from this trace (`hardware_specs/calibration/training/deepseek-v3.toml`): the
share of the network card, and how much slower gradients of weights are that add up in fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import workloads
from scenarios.training import job_on
from simcore.calibration.tables import numbers
from simcore.engine.training.job import Degrees, Job
from simcore.ops.op import Op
from simcore.ops.training import PASSES, Pass, Passes, layer
from simcore.spec.recipe import Recipe
from simcore.step.training import compute_s, exchange_s
from validation.training.question import home

COLUMNS = {"dur_us", "phase", "cls", "stream", "layer_pair"}
WAITS = ("ep_cached_notify", "ep_notify_dispatch", "ep_layout")
CAST = "quant_cast"
MLP = ("mlp_up", "mlp_down", "expert_up", "expert_down", "permute", "activation")
PHASES = ("attn(F)", "attn(B)", "attn(W)", "mlp(F)", "mlp(B)", "mlp(W)", "dispatch(F)", "dispatch(B)", "combine(F)",
          "combine(B)")  # fmt: skip
PASS_OF: dict[str, Pass] = {"F": "forward", "B": "input", "W": "weight"}
LETTERS = {name: letter for letter, name in PASS_OF.items()}


def is_trace(columns: Any) -> bool:
    """Whether a header is that of a trace."""
    return set(columns) >= COLUMNS


def job() -> Job:
    """DeepSeek-V3 as it is trained: 64-way experts, 4,096 tokens, one sequence per microbatch."""
    recipe = Recipe(
        framework="deepseek-v3",
        precision="fp8-block",
        global_batch=15360,
        sequence_tokens=4096,
        recompute_modules=("norm", "activation", "projection"),
        schedule="dualpipe",
    )
    degrees = Degrees(pp=16, dp=128, ep=64, vpp=2)
    return job_on(workloads.model("deepseek-v3"), home("h800-sxm"), recipe, degrees, "vllm", trainee())[0]


def trainee() -> Any:
    """The operators of H100, whose kernels the H800 runs, on the H800's links."""
    from dataclasses import replace

    from scenarios.training import trainee_of

    model = workloads.model("deepseek-v3")
    own = trainee_of(model, home("h800-sxm"), "fp8-block", "datasheet")
    measured = trainee_of(model, home("h100-sxm"), "fp8-block", "vllm")
    return replace(own, cost_model=measured.cost_model)


def measured_ms(frame: Any) -> tuple[dict[str, float], float, int]:
    """(milliseconds by phase and of casts, of kernels that wait, layers). Raises InputError for a time that is none."""
    time_ms = numbers(frame, "dur_us", frame.attrs.get("file")) / 1e3
    waits, casts = frame["cls"].isin(WAITS), frame["cls"] == CAST
    found = {name: float(time_ms[(frame["phase"] == name) & ~waits & ~casts].sum()) for name in PHASES}
    found["casts"] = float(time_ms[casts].sum())
    return found, float(time_ms[waits].sum()), int(frame["layer_pair"].nunique())


def predicted_ms(layers: int) -> dict[str, float]:
    """The same of the model's operators."""
    asked = job()
    model = asked.trainee.model
    passes = layer(model, model.layers[-1], asked.share)
    found = dict.fromkeys((*PHASES, "casts"), 0.0)
    for name in PASSES:
        letter = LETTERS[name]
        for place, wanted in (("mlp", is_mlp), ("attn", is_attention), ("casts", is_cast)):
            key = "casts" if place == "casts" else f"{place}({letter})"
            found[key] += seconds(asked, passes, name, wanted)
        if name != "weight":
            for way in ("dispatch", "combine"):
                found[f"{way}({letter})"] += exchange(asked, passes, name, way)
    found["attn(B)"] += seconds(asked, passes, "forward", is_again)
    return {name: 1e3 * layers * value for name, value in found.items()}


def is_mlp(op: Op) -> bool:
    return op.name.startswith(MLP) and not is_cast(op)


def is_attention(op: Op) -> bool:
    return not is_mlp(op) and not is_cast(op)


def is_cast(op: Op) -> bool:
    return op.part == "cast"


def is_again(op: Op) -> bool:
    """What the backward pass computes again: low-rank up-projections and norms."""
    return op.name in ("q_up", "kv_up", "norm_residual")


def seconds(asked: Job, passes: Passes, name: Pass, wanted: Callable[[Op], bool]) -> float:
    """Of the kernels of one pass that are wanted."""
    picked = tuple(op for op in passes.of(name) if op.role != "none" and wanted(op))
    only = Passes(**{other: picked if other == name else () for other in PASSES})
    return float(np.max(compute_s(asked.trainee.work(only, asked.share).of(name), asked.constants, name)))


def exchange(asked: Job, passes: Passes, name: Pass, way: str) -> float:
    """Of one direction of the experts' exchange; the gradient of a dispatch is a combine."""
    picked = tuple(op for op in passes.of(name) if op.role == "none" and way in op.name)
    only = Passes(**{other: picked if other == name else () for other in PASSES})
    return float(np.max(exchange_s(asked.trainee.work(only, asked.share).of(name), asked.constants, "ep")))


def report(frame: Any) -> dict[str, Any]:
    """Measured and predicted milliseconds of every part, the error in percent, what waits."""
    actual, waits_ms, layers = measured_ms(frame)
    predicted = predicted_ms(layers)
    rows = [
        {"part": name, "measured_ms": actual[name], "predicted_ms": predicted[name],
         "error_percent": 100.0 * (predicted[name] / actual[name] - 1.0) if actual[name] else None}
        for name in (*PHASES, "casts")
    ]  # fmt: skip
    return {"layers": layers, "parts": rows, "waiting_ms": waits_ms}
