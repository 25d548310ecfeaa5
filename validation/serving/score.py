"""How wrong predictions of serving measurements are: by group, with campaign factors, and against their intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from simcore.step.times import Floats
from validation.serving.choice import choosing
from validation.serving.fit import Measured
from validation.serving.measures import errors, grouped, spearman
from validation.serving.rows import Question

LEAST_CAMPAIGN = 6
OWN_ROWS = 3
DRAWS = 30
"""of the three rows that a campaign's factors come from"""
LEAST_RESIDUALS = 8
TAIL = 0.085
"""share of residuals beyond each end of an 80 % interval: rows of other curves lie outside a little more often"""


GROUPS: dict[str, Callable[[Measured], str]] = {
    "mode": lambda m: m.question.mode,
    "system": lambda m: m.question.system,
    "stack": lambda m: m.question.stack,
    "model": lambda m: m.question.family,
    "users": lambda m: str(m.question.users) if m.question.users in (4, 8, 16, 32, 64, 128, 256) else "other",
    "kind": lambda m: "dense" if m.question.is_dense else "experts",
    "client": lambda m: "fixed lengths" if m.question.fixed_lengths else "uniform lengths",
}


def score(
    rows: Sequence[Measured], ttft_s: Floats, tpot_s: Floats, more: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The report: errors of all rows and by group, campaign factors, choices. Arrays `[rows]`, NaN: not predicted.

    `more` adds groupings: name -> label of each row.
    """
    ttft = ttft_s / np.array([row.ttft_s for row in rows])
    tpot = tpot_s / np.array([row.tpot_s for row in rows])
    report: dict[str, Any] = {"all": _both(rows, ttft_s, tpot_s, np.ones(len(rows), bool))}
    groupings: dict[str, Sequence[str]] = {name: [key(row) for row in rows] for name, key in GROUPS.items()}
    for name, found in (groupings | dict(more or {})).items():
        labels = np.array(found)
        report[name] = {str(v): _both(rows, ttft_s, tpot_s, labels == v) for v in np.unique(labels)}
    report["campaign_factors"] = campaign_factors(rows, ttft, tpot)
    report["choosing"] = choosing(rows, ttft_s, tpot_s)
    return report


def _both(rows: Sequence[Measured], ttft_s: Floats, tpot_s: Floats, which: Any) -> dict[str, Any]:
    measured = np.array([(row.ttft_s, row.tpot_s) for row in rows])[which]
    return {
        "rows": int(which.sum()),
        "predicted": int(np.isfinite(tpot_s[which]).sum()),
        "ttft": errors(ttft_s[which] / measured[:, 0]) | {"spearman": spearman(ttft_s[which], measured[:, 0])},
        "tpot": errors(tpot_s[which] / measured[:, 1]) | {"spearman": spearman(tpot_s[which], measured[:, 1])},
    }


def campaign_factors(rows: Sequence[Measured], ttft: Floats, tpot: Floats) -> dict[str, Any]:
    """Errors after one TPOT and one TTFT factor per campaign, from three rows (by a hash) that are not scored.

    Which three makes the figures jump by a tenth, so that `all` and `dense` pool `DRAWS` draws; `first draw` is one.
    """
    draws = [factored(rows, ttft, tpot, draw) for draw in range(DRAWS)]
    places, tables = np.concatenate([p for p, _ in draws]), np.concatenate([t for _, t in draws])
    dense = np.array([rows[at].question.is_dense for at in places], dtype=bool)
    parts = {"all": tables, "dense": tables[dense], "first draw": draws[0][1]}
    out: dict[str, Any] = {}
    for name, table in parts.items():
        out[name] = {"ttft": errors(table[:, 0]), "tpot": errors(table[:, 1])}
        if name != "first draw" and len(table):
            for found in out[name].values():
                found["rows"] /= DRAWS
    return out


def factored(rows: Sequence[Measured], ttft: Floats, tpot: Floats, draw: int) -> tuple[Any, Floats]:
    """(places of the rows scored, predicted / measured (TTFT, TPOT) after one draw's factors `[places, 2]`)."""
    places: list[int] = []
    left: list[tuple[float, float]] = []
    prefix = f"{draw}|" if draw else ""
    for group in grouped(row.question.campaign for row in rows).values():
        good = [at for at in group if np.isfinite(tpot[at])]
        if len(good) < LEAST_CAMPAIGN:
            continue
        order = sorted(good, key=lambda at: hashlib.sha256((prefix + repr(rows[at].question)).encode()).hexdigest())
        own, rest = order[:OWN_ROWS], order[OWN_ROWS:]
        by = [float(np.exp(np.median(np.log(ratio[own])))) for ratio in (ttft, tpot)]
        places += rest
        left += [(ttft[at] / by[0], tpot[at] / by[1]) for at in rest]
    return np.array(places, dtype=int), np.array(left).reshape(-1, 2)


def interval_kind(question: Question) -> str:
    """What an interval is learnt for, per stack: dense or expert models on one replica, or separate pools."""
    if question.prefill is not None:
        return "pools"
    return "dense" if question.is_dense else "experts"


def interval_coverage(ratio: Floats, low: Floats, high: Floats) -> float:
    """Share of measurements inside predicted x [low, high]; `ratio` is predicted / measured, `[rows]`."""
    seen = np.isfinite(ratio)
    inside = (1.0 / ratio[seen] >= low[seen]) & (1.0 / ratio[seen] <= high[seen])
    return float(np.mean(inside)) if seen.any() else float("nan")


def intervals(rows: Sequence[Measured], logs: Floats, parts: int = 0) -> dict[str, dict[str, list[float]]]:
    """80 % intervals of measured / predicted per kind, from held-out log residuals `[rows, (tpot, ttft)]`.

    A kind with fewer than `LEAST_RESIDUALS` rows has none and takes the widest of the others. Residuals of `parts`
    strangers (models, systems) say what the next stranger does only as well as their mean is known: half widths grow
    by sqrt(1 + 1 / parts), as a prediction interval's do.
    """
    grow = np.sqrt(1.0 + 1.0 / parts) if parts else 1.0
    out: dict[str, dict[str, list[float]]] = {}
    for kind in ("dense", "experts", "pools"):
        mine = np.array([interval_kind(row.question) == kind for row in rows], dtype=bool)
        mine &= np.isfinite(logs[:, 0])
        if mine.sum() < LEAST_RESIDUALS:
            continue
        low, high = np.quantile(-logs[mine], (TAIL, 1.0 - TAIL), axis=0)
        middle, half = (low + high) / 2.0, grow * (high - low) / 2.0
        low, high = middle - half, middle + half
        out[kind] = {
            name: [float(np.exp(low[at])), float(np.exp(high[at]))] for at, name in enumerate(("tpot", "ttft"))
        }
    return out


def interval_of(found: Mapping[str, Mapping[str, Sequence[float]]], kind: str, name: str) -> tuple[float, float]:
    """(low, high) of measured / predicted for a kind, `name` tpot or ttft; no bounds at all without any interval."""
    bands = [found[kind][name]] if kind in found else [bands[name] for bands in found.values()]
    return min((band[0] for band in bands), default=0.0), max((band[1] for band in bands), default=np.inf)


def coverage_across_folds(
    rows: Sequence[Measured], logs: Floats, folds: Floats, strangers: bool = False
) -> dict[str, float]:
    """Share of measurements inside intervals learnt from the other folds alone.

    Stack by stack, or, of `strangers`, from all stacks together.

    `logs` are held-out log residuals `[rows, (tpot, ttft)]`, `folds` `[rows]`.
    """
    bands = np.full((len(rows), 2, 2), np.nan)
    stacks = np.array(["" if strangers else row.question.stack for row in rows])
    for stack, fold in {(str(stack), float(fold)) for stack, fold in zip(stacks, folds, strict=True)}:
        others = np.flatnonzero((stacks == stack) & (folds != fold)).tolist()
        parts = len(np.unique(folds[others])) if strangers else 0
        found = intervals([rows[at] for at in others], logs[others], parts)
        for at in np.flatnonzero((stacks == stack) & (folds == fold)).tolist():
            kind = interval_kind(rows[at].question)
            bands[at] = [interval_of(found, kind, name) for name in ("tpot", "ttft")]
    ratio = np.exp(logs)
    return {
        name: interval_coverage(ratio[:, at], bands[:, at, 0], bands[:, at, 1])
        for at, name in enumerate(("tpot", "ttft"))
    }
