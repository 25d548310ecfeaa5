"""Stages answered by `simulate`'s own run, and how wrong the answers are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.read import from_raw
from scenarios.report import seen_by_clients
from scenarios.run import ready
from simcore.errors import InputError
from validation.stages.rows import Stage

METRICS = ("ttft", "tpot", "e2e")


@dataclass(frozen=True)
class Answer:
    """Where the client stands, seconds; `reason` says why there is none."""

    ttft_mean_s: float = np.nan
    tpot_mean_s: float = np.nan
    e2e_mean_s: float = np.nan
    e2e_p99_s: float = np.nan
    reason: str = ""


def answer(stage: Stage) -> Answer:
    """One stage through `simulate`."""
    if stage.reason:
        return Answer(reason=stage.reason)
    try:
        found = ready(from_raw(stage.tables, "stage.toml"))
        if found.infeasible:
            return Answer(reason=found.infeasible)
    except InputError as error:
        return Answer(reason=str(error))
    seen = seen_by_clients(found.run(), found)
    ttft_s, tpot_s, e2e_s = (float(np.nanmean(seen[f"{name}_s"])) for name in METRICS)
    return Answer(ttft_s, tpot_s, e2e_s, float(np.nanquantile(seen["e2e_s"], 0.99)))


def errors(stages: Sequence[Stage], found: Sequence[Answer], frame: Any) -> list[dict[str, Any]]:
    """Signed errors of the means of every stage without failures; TPOT is (E2E - TTFT) / (output tokens - 1)."""
    out = []
    for at, (stage, mine) in enumerate(zip(stages, found, strict=True)):
        row = frame.iloc[at]
        if stage.failures or mine.reason:
            continue
        ttft_s, e2e_s = float(row["ttft_s_mean"]), float(row["e2e_s_mean"])
        measured = {"ttft": ttft_s, "e2e": e2e_s, "tpot": (e2e_s - ttft_s) / (int(row["output_tokens_asked"]) - 1)}
        one = {name: getattr(mine, f"{name}_mean_s") / measured[name] - 1.0 for name in METRICS}
        out.append({"row": at, "stage": f"{row.get('run', '')} {row.get('stage', '')}".strip()} | one)
    return out


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean size of the errors by metric."""
    return {name: float(np.mean([abs(row[name]) for row in rows])) for name in METRICS}
