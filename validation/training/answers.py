"""Predictions of a training table's rows, each through the engine behind `simcore train`, and how wrong they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.engine.training.step import Step, train
from simcore.units import GIB
from validation.training.calibrate import Sample, left_out, sample, step_times
from validation.training.question import Asked
from validation.training.sets import SETS
from validation.training.tables import measured

Floats = NDArray[np.float64]
COLUMNS = (
    "row",
    "predicted_step_time_s",
    "predicted_step_time_low_s",
    "predicted_step_time_high_s",
    "predicted_tokens_per_s_per_chip",
    "predicted_memory_gib",
    "predicted_activation_gib",
    "predicted_activation_pct_of_none",
    "reason",
)


@dataclass(frozen=True)
class Answer:
    """What is predicted of one row; nan where the row does not ask or has no answer."""

    row: int
    step_s: float = np.nan
    low_s: float = np.nan
    high_s: float = np.nan
    tokens_per_s_per_chip: float = np.nan
    memory_gib: float = np.nan
    activation_gib: float = np.nan
    activation_pct: float = np.nan
    reason: str = ""

    @property
    def cells(self) -> tuple[Any, ...]:
        """In the order of COLUMNS."""
        times = (self.step_s, self.low_s, self.high_s, self.tokens_per_s_per_chip)
        return (self.row, *times, self.memory_gib, self.activation_gib, self.activation_pct, self.reason)


def answer(asked: Asked, step_s: float | None = None) -> Answer:
    """The prediction of one row; `step_s` in place of the shipped constants' (held out)."""
    if asked.reason:
        return Answer(asked.row, reason=asked.reason)
    found = train(asked.job())
    if found.pipeline is None or found.holdings is None:
        return Answer(asked.row, reason=str(found.infeasible))
    activation = peak_activations(found)
    if asked.kind == "memory":
        plain = replace(asked, degrees=replace(asked.degrees, sp=False)).job(recompute="none")
        share = 100.0 * activation / peak_activations(train(plain))
        total = state_gib(found) + activation
        return Answer(asked.row, memory_gib=total, activation_gib=activation, activation_pct=share)
    time_s = found.time_s if step_s is None else step_s
    expert = found.job.trainee.model.is_moe
    spread = found.job.constants.expert_spread if expert else found.job.constants.spread
    low, high = time_s * np.exp(-spread), time_s * np.exp(spread)
    rate = found.tokens / time_s / found.job.degrees.chips
    memory = float(found.holdings.need.max()) / GIB
    return Answer(asked.row, time_s, low, high, rate, memory, activation, np.nan, "")


def peak_activations(found: Step) -> float:
    """GiB of activations on the rank that holds most."""
    assert found.holdings is not None
    return float(found.holdings.activations.max()) / GIB


def state_gib(found: Step) -> float:
    """GiB of weights, gradients and states of the matrices of a rank's layers: the published table leaves vectors and
    the tables of words out."""
    assert found.holdings is not None
    job, held = found.job, found.holdings
    layers = float(job.chunk_layers.sum()) * len(job.chains) / job.degrees.pp
    matrices = job.trainee.model.layer_matrix_elements / job.trainee.model.layer_count / job.degrees.tp
    each = 2.0 * float((held.weights + held.gradients + held.optimizer).max() / held.weights.max())
    return layers * matrices * each / GIB


def answers(asked: list[Asked], frame: Any, held_out: bool) -> list[Answer]:
    """Of every row, by the shipped constants, or by constants that saw no row of its group."""
    times: dict[int, float] = {}
    if held_out:
        columns = measured(frame)
        for kind in SETS:
            mine: Sample = sample(kind, asked, step_times(asked, columns))
            if mine.jobs:
                found = left_out(mine, kind)
                times |= {row.row: float(t) for row, t in zip(mine.asked, found, strict=True)}
    return [answer(row, times.get(row.row)) for row in asked]


def percent(predicted: Floats, actual: Floats) -> dict[str, float]:
    """Mean and median absolute error in percent over rows that have both."""
    both = np.isfinite(predicted) & np.isfinite(actual) & (actual > 0)
    if not both.any():
        return {}
    errors = 100.0 * np.abs(predicted[both] / actual[both] - 1.0)
    return {"rows": int(both.sum()), "mean": float(errors.mean()), "median": float(np.median(errors))}


def report(asked: list[Asked], found: list[Answer], frame: Any) -> dict[str, Any]:
    """How wrong the predictions are, by part of the table; what was not predicted, and what was assumed."""
    columns = measured(frame)
    times = step_times(asked, columns)
    step = np.array([a.step_s for a in found])
    parts = np.array([part_of(row) for row in asked])
    scores: dict[str, Any] = {}
    for part in sorted({*parts} - {""}):
        mine = parts == part
        errors = percent(step[mine], times[mine])
        if errors:
            inside = (times >= [a.low_s for a in found]) & (times <= [a.high_s for a in found])
            width = np.array([(a.high_s - a.low_s) / (a.high_s + a.low_s) for a in found])
            known = mine & np.isfinite(times) & np.isfinite(step)
            covered = {"covered_percent": 100.0 * float(inside[known].mean())}
            scores[f"step time, {part}"] = errors | covered | {"half_width": float(np.median(width[known]))}
    for name, field in (("memory_gib", "memory_gib"), ("activation_gib", "activation_gib")):
        errors = percent(np.array([getattr(a, field) for a in found]), columns[name])
        if errors:
            scores[name] = errors
    shares = np.array([a.activation_pct for a in found]) - columns["activation_pct_of_none"]
    if np.isfinite(shares).any():
        known = np.abs(shares[np.isfinite(shares)])
        middle = {"mean": float(known.mean()), "median": float(np.median(known)), "most": float(known.max())}
        scores["activation_pct_of_none (points)"] = {"rows": len(known), **middle}
    missing = [{"row": a.row, "reason": a.reason} for a in found if a.reason]
    notes = sorted({note for row in asked for note in row.notes})
    counts = {"rows": len(asked), "predicted": len(asked) - len(missing)}
    return {**counts, "scores": scores, "missing": missing, "notes": notes}


def part_of(asked: Asked) -> str:
    """Which figure a row belongs to."""
    if asked.reason or asked.model is None:
        return ""
    framework = str(asked.recipe["framework"])
    if framework == "megatron-deepspeed":
        return "2-8 chips" if asked.degrees.chips <= 8 else "64-512 chips"
    if asked.kind == "bridge":
        return "MoE" if asked.model.is_moe else "dense"
    return framework
