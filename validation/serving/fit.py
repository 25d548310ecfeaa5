"""Fitting a stack's few parameters to measured TTFT and TPOT: Gauss-Newton with robust weights.

Unknowns are logarithms of ratios and seconds in natural units, with a weak prior around the operators as they are.
Residuals are log(predicted / measured). Derivatives are finite differences of the replay itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenarios.stacks import MEASURED
from simcore.step.served import Served
from simcore.step.times import Floats
from validation.robust import robust_weight
from validation.serving.replay import Replayer
from validation.serving.rows import Question

FITTED = (
    "fused_layer_s",
    "large_ratio",
    "expert_large_ratio",
    "attention_ratio",
    "layer_s",
    "launch_layer_s",
    "other_host_s",
    "sequence_s",
    "first_token_s",
    "token_s",
)
LAYER = {"vllm": "quantise_layer_s"}
"""stacks whose gaps of layers are kernels that quantise activations: checkpoints that multiply in 16 bits have none"""
UNITS = {
    "fused_layer_s": 5e-6,
    "layer_s": 5e-6,
    "quantise_layer_s": 5e-6,
    "launch_layer_s": 1e-4,
    "other_host_s": 5e-4,
    "sequence_s": 1e-5,
    "first_token_s": 1e-2,
    "token_s": 4e-6,
}
"""seconds that count as one step of an unknown; ratios step by exp(0.2)"""
RATIO_STEP = 0.2
START = {"fused_layer_s": 1.4, "launch_layer_s": 3.0, "sequence_s": 0.5, "first_token_s": 1.0, "token_s": 0.5}
"""in steps: of the fused quantisation three small kernels of 2.3 us, before qkv, up and down"""
SIGNED = ("layer_s", "quantise_layer_s", "fused_layer_s")
"""seconds that may be negative: what graphs and fusion hide of kernels measured alone, or the other way round"""
PRIOR = 0.0005
"""weight of the prior beside one measurement"""
TTFT_WEIGHT = 0.6
FOLDS = 5
ROUNDS = 4
WHOLE_ROUNDS = 2
FIRST_ROUND_SHARE = 3
"""rounds before the last two look at a third of the rows"""
DIFFERENCE = 0.25


@dataclass(frozen=True)
class Measured:
    """One distinct measurement."""

    question: Question
    ttft_s: float
    tpot_s: float


@dataclass(frozen=True)
class StackFit:
    """Parameters from all rows, and from all rows but those of one curve fold, model family or system.

    `without[kind][label]`: the kinds are those of `LEFT_OUT`.
    """

    parameters: Served
    without: Mapping[str, Mapping[str, Served]]
    rows: int
    curves: int


def names(stack: str) -> tuple[str, ...]:
    """The unknowns of a stack, in order; other parameters keep their defaults."""
    return tuple(LAYER.get(stack, name) if name == "layer_s" else name for name in FITTED)


def start() -> Floats:
    """Where the search starts and the prior lies."""
    return np.array([START.get(name, 0.0) for name in FITTED])


def parameters(unknowns: Floats, stack: str) -> Served:
    """Unknowns as parameters; seconds are not negative."""
    found: dict[str, Any] = {}
    for name, value in zip(names(stack), unknowns, strict=True):
        if name in UNITS:
            found[name] = (float(value) if name in SIGNED else max(float(value), 0.0)) * UNITS[name]
        else:
            found[name] = float(np.exp(RATIO_STEP * value))
    return replace(MEASURED, **found)


def fold_of(question: Question) -> int:
    """The fold of a curve, from a hash of its content: no curve is split, copies stay together."""
    return int(hashlib.sha256(question.curve.encode()).hexdigest(), 16) % FOLDS


LEFT_OUT: dict[str, Callable[[Question], str]] = {
    "curve": lambda question: str(fold_of(question)),
    "model": lambda question: question.family,
    "system": lambda question: question.system,
}
"""what a hold-out leaves out as a whole: label of a question's part"""


def residuals(replayer: Replayer, rows: Sequence[Measured], by: Served) -> Floats:
    """log(predicted / measured) of (TPOT, TTFT), `[rows, 2]`; NaN where nothing is predicted."""
    answers = {q: replayer.answer(q, by) for q in dict.fromkeys(row.question for row in rows)}
    out = np.full((len(rows), 2), np.nan)
    for at, row in enumerate(rows):
        answer = answers[row.question]
        if not answer.reason:
            out[at] = np.log(answer.tpot_s / row.tpot_s), np.log(answer.ttft_s / row.ttft_s)
    return out


def solve(left: Floats, slopes: Floats, at: Floats) -> Floats:
    """New unknowns that make left + slopes (x - at) small, robustly, with the prior. Shapes `[n]`, `[n, p]`, `[p]`."""
    unknowns, centre = at.copy(), start()
    scale = np.tile([1.0, TTFT_WEIGHT], len(left) // 2)
    positive = [name in UNITS and name not in SIGNED for name in FITTED]
    for _ in range(30):
        now = left + slopes @ (unknowns - at)
        weight = scale * robust_weight(now)
        normal = (slopes * weight[:, None]).T @ slopes + np.eye(len(at)) * PRIOR * len(left)
        gradient = (slopes * weight[:, None]).T @ now + PRIOR * len(left) * (unknowns - centre)
        unknowns = unknowns - np.linalg.solve(normal, gradient)
        unknowns = np.clip(unknowns, centre - 6.0, centre + 6.0)
        unknowns = np.where(positive, np.maximum(unknowns, 0.0), unknowns)
    return unknowns


def slopes_at(replayer: Replayer, rows: Sequence[Measured], unknowns: Floats) -> tuple[Floats, Floats]:
    """(residuals `[2 rows]`, derivatives `[2 rows, unknowns]`), missing predictions as zeros."""
    stack = rows[0].question.stack
    here = residuals(replayer, rows, parameters(unknowns, stack))
    columns: list[Any] = []
    for number in range(len(unknowns)):
        moved = unknowns.copy()
        moved[number] += DIFFERENCE
        columns.append((residuals(replayer, rows, parameters(moved, stack)) - here) / DIFFERENCE)
    stacked = np.nan_to_num(np.stack(columns, axis=-1).reshape(2 * len(rows), -1))
    return np.nan_to_num(here.reshape(-1)), np.clip(stacked, -3.0, 3.0)


def chosen_rows(rows: Sequence[Measured], most: int) -> list[Measured]:
    """At most so many rows, the same ones each time, spread over all curves by a hash; very large loads left out."""
    small = [row for row in rows if row.question.users <= 256 and row.question.prefill is None]
    order = sorted(small, key=lambda row: hashlib.sha256(repr(row).encode()).hexdigest())
    return order[:most]


def fit_stack(replayer: Replayer, rows: Sequence[Measured], most: int = 300, progress: Any = None) -> StackFit:
    """Fit one stack on its rows, and once more without each fold (from the slopes of the last round)."""
    used, stack = chosen_rows(rows, most), rows[0].question.stack
    unknowns = start()
    left, slopes = np.zeros(0), np.zeros((0, 0))
    for number in range(ROUNDS):
        whole = number >= ROUNDS - WHOLE_ROUNDS
        left, slopes = slopes_at(replayer, used if whole else used[: -(-len(used) // FIRST_ROUND_SHARE)], unknowns)
        at, unknowns = unknowns, solve(left, slopes, unknowns)
        if progress:
            progress(f"round {number + 1}: median |log| {np.median(np.abs(left)):.3f}, {parameters(unknowns, stack)}")
    without = {kind: _without(used, label, left, slopes, at) for kind, label in LEFT_OUT.items()}
    return StackFit(parameters(unknowns, stack), without, len(used), len({row.question.curve for row in used}))


def _without(
    used: Sequence[Measured], label: Callable[[Question], str], left: Floats, slopes: Floats, at: Floats
) -> dict[str, Served]:
    """Parameters without the rows of each label."""
    labels, stack = np.repeat([label(row.question) for row in used], 2), used[0].question.stack
    return {
        str(name): parameters(solve(left[labels != name], slopes[labels != name], at), stack)
        for name in np.unique(labels)
    }


def distinct(rows: Sequence[Any], frame: Any) -> dict[int, Measured]:
    """First row index of each distinct measurement -> the measurement; relabelled copies count once."""
    seen: dict[Any, int] = {}
    out: dict[int, Measured] = {}
    measured = zip(rows, frame["silicon_ttft_ms"], frame["silicon_tpot_ms"], strict=True)
    for number, (row, ttft_ms, tpot_ms) in enumerate(measured):
        if row.question is None:
            continue
        key = (row.question.curve, row.question.users, f"{ttft_ms:.5g}", f"{tpot_ms:.4g}")
        if key not in seen:
            seen[key] = number
            out[number] = Measured(row.question, ttft_ms / 1e3, tpot_ms / 1e3)
    return out


def held_out_logs(replayer: Replayer, rows: Sequence[Measured], fit: StackFit, kind: str = "curve") -> Floats:
    """log(predicted / measured) of (TPOT, TTFT), each row by parameters fitted without its part, `[rows, 2]`."""
    labels = np.array([LEFT_OUT[kind](row.question) for row in rows])
    out = np.full((len(rows), 2), np.nan)
    for name in np.unique(labels):
        mine = np.flatnonzero(labels == name)
        by = fit.without[kind].get(str(name), fit.parameters)
        out[mine] = residuals(replayer, [rows[int(at)] for at in mine], by)
    return out
