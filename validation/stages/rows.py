"""Load stages of a server (the columns of `vllm_h100_stages.csv`), as scenarios that a user could have written.

Read: model, chip, tp, the engine's arguments, arrivals, rate, requests, length quantiles, shared system prompts, tokens
asked. Every request generates what was asked. Measured latencies enter comparisons only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simcore.calibration.tables import numbers
from simcore.errors import InputError, UnknownName
from validation.models import Models

STACK = "vllm"
QUANTILES = {"0.0": "min", "0.1": "p10", "0.25": "p25", "0.5": "median", "0.75": "p75", "0.9": "p90", "1.0": "max"}
NEEDED = ("model", "chip", "tp", "rate_per_s", "requests", "output_tokens_asked", "input_tokens_median")
MEASURED = ("ttft_s_mean", "e2e_s_mean")
"""of stages without failures"""
NUMBERS = ("tp", "rate_per_s", "requests", "output_tokens_asked")
LIMITS = ("failures", "max_num_batched_tokens", "max_num_seqs", "system_prompts", "system_prompt_tokens",
          "users_per_system_prompt")  # fmt: skip
"""columns whose cells may be empty"""


@dataclass(frozen=True)
class Stage:
    """One stage: its scenario, or why there is none."""

    tables: dict[str, Any]
    failures: int = 0
    reason: str = ""


def read_stages(frame: Any, models: Models) -> list[Stage]:
    """The table's rows in order; InputError for a missing column, and for a cell of them that is no number."""
    file = frame.attrs.get("file")
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", file=file, fix=f"a table of stages has {', '.join(NEEDED)}")
    for name in (*NUMBERS, *(f"input_tokens_{name}" for name in QUANTILES.values()), *LIMITS):
        gaps = np.isnan(numbers(frame, name, file)) if name in frame.columns else np.zeros(0, bool)
        if gaps.any() and name not in LIMITS:
            raise InputError(f"row {int(gaps.argmax())} holds no number", file=file, key=name, fix="mend the table")
    stages = [_stage(row, models) for row in frame.to_dict("records")]
    if set(MEASURED) <= set(frame.columns):
        check_measured(stages, frame)
    return stages


def check_measured(stages: Sequence[Stage], frame: Any) -> None:
    """Raise InputError for a stage without failures whose measured times give no time per token."""
    file = frame.attrs.get("file")
    ttft_s, e2e_s = (numbers(frame, name, file) for name in MEASURED)
    for at, stage in enumerate(stages):
        if not stage.failures and not 0 < ttft_s[at] < e2e_s[at]:
            what = f"row {at} has no time to the first token below that of the whole answer"
            raise InputError(what, file=file, key=", ".join(MEASURED), fix="mend the table")
        if not stage.failures and int(frame["output_tokens_asked"].iloc[at]) < 2:
            raise InputError(f"row {at} asks for less than two tokens", file=file, key="output_tokens_asked")


def _stage(row: Mapping[str, Any], models: Models) -> Stage:
    name, failures = str(row["model"]), int(_number(row, "failures", 0))
    try:
        models("model", name)
    except UnknownName as error:
        return Stage({}, failures, str(error))
    tables = {
        "schema": "scenario/2",
        "name": "stage",
        "model": {"name": models.value(name)},
        "hardware": {"system": str(row["chip"]), "stack": STACK},
        "plan": {"tp": int(row["tp"])} if int(row["tp"]) > 1 else {},
        "policy": policy(row),
        "traffic": traffic(row),
    }
    return Stage(tables, failures)


def policy(row: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's arguments."""
    found: dict[str, Any] = {}
    for key, column in (("token_budget", "max_num_batched_tokens"), ("max_running", "max_num_seqs")):
        if _number(row, column, 0):
            found[key] = int(_number(row, column, 0))
    if _number(row, "system_prompts", 0):
        found["prefix_cache"] = "radix"
    return found


def traffic(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the client sent; distinct prompts repeat round after round."""
    lengths = {
        at: float(row[f"input_tokens_{name}"]) for at, name in QUANTILES.items() if f"input_tokens_{name}" in row
    }
    constant = str(row.get("arrivals", "constant")) == "constant"
    found: dict[str, Any] = {
        "input_tokens": lengths,
        "output_tokens": int(row["output_tokens_asked"]),
        "arrivals": "constant" if constant else "poisson",
        "rate_per_s": float(row["rate_per_s"]),
        "requests": int(row["requests"]),
    }
    if _number(row, "system_prompts", 0):
        found["shared_prefix"] = {
            "tokens": int(_number(row, "system_prompt_tokens", 1)),
            "prompts": int(_number(row, "system_prompts", 1)),
            "per_prompt": int(_number(row, "users_per_system_prompt", 1)),
        }
    return found


def _number(row: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = row.get(name)
    return otherwise if value is None or value != value or value == "" else float(value)
