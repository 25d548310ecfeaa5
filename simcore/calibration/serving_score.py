"""How wrong predictions of serving measurements are: by group, with campaign factors, and when choosing a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from simcore.calibration.serving_fit import Measured
from simcore.calibration.serving_rows import Question
from simcore.cost.step_times import Floats

LEAST_CAMPAIGN = 6
OWN_ROWS = 3
LEAST_GROUP = 8
GOOD_CHOICE = 0.95
LEAST_RESIDUALS = 8
TAIL = 0.085
"""share of residuals beyond each end of an 80 % interval: rows of other curves lie outside a little more often"""


def errors(ratio: Floats) -> dict[str, float]:
    """Median, mean and P90 of |predicted / measured - 1|, and the median of predicted / measured - 1."""
    found = ratio[np.isfinite(ratio)]
    if not len(found):
        return {"rows": 0.0}
    wrong = np.abs(found - 1.0)
    return {
        "rows": float(len(found)),
        "median": float(np.median(wrong)),
        "mean": float(np.mean(wrong)),
        "p90": float(np.quantile(wrong, 0.9)),
        "bias": float(np.median(found) - 1.0),
    }


def spearman(first: Floats, second: Floats) -> float:
    """Rank correlation; NaN for fewer than three pairs."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() < 3:
        return float("nan")
    ours, theirs = _ranks(first[both]), _ranks(second[both])
    if min(np.std(ours), np.std(theirs)) == 0.0:
        return float("nan")
    return float(np.corrcoef(ours, theirs)[0, 1])


def _ranks(values: Floats) -> Floats:
    """Ranks, ties at their mean."""
    _, back, count = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(count)
    return np.asarray(upper[back] - (count[back] - 1) / 2.0)


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


def grouped(keys: Iterable[str]) -> dict[str, list[int]]:
    """Key -> places."""
    out: dict[str, list[int]] = {}
    for at, key in enumerate(keys):
        out.setdefault(key, []).append(at)
    return out


def campaign_factors(rows: Sequence[Measured], ttft: Floats, tpot: Floats) -> dict[str, Any]:
    """Errors after one TPOT and one TTFT factor per campaign, from three rows (by a hash) that are not scored."""
    left: list[tuple[int, float, float]] = []
    for places in grouped(row.question.campaign for row in rows).values():
        good = [at for at in places if np.isfinite(tpot[at])]
        if len(good) < LEAST_CAMPAIGN:
            continue
        order = sorted(good, key=lambda at: hashlib.sha256(repr(rows[at].question).encode()).hexdigest())
        own, rest = order[:OWN_ROWS], order[OWN_ROWS:]
        by = [float(np.exp(np.median(np.log(ratio[own])))) for ratio in (ttft, tpot)]
        left += [(at, ttft[at] / by[0], tpot[at] / by[1]) for at in rest]
    table = np.array([(t, p) for _, t, p in left]).reshape(-1, 2)
    dense = np.array([rows[at].question.is_dense for at, _, _ in left], dtype=bool)
    return {
        "all": {"ttft": errors(table[:, 0]), "tpot": errors(table[:, 1])},
        "dense": {"ttft": errors(table[dense, 0]), "tpot": errors(table[dense, 1])},
    }


def throughput(row: Measured, ttft_s: float, tpot_s: float) -> float:
    """Output tokens per second and chip of a closed loop: users x output / (time of one request x chips)."""
    asked = row.question
    span_s = ttft_s + tpot_s * (asked.output_tokens - 1)
    return asked.users * asked.output_tokens / span_s / asked.pool.chips


def choosing(rows: Sequence[Measured], ttft_s: Floats, tpot_s: Floats) -> dict[str, Any]:
    """Per (system, stack, model, lengths) group of at least eight rows: rank correlation, and whether the row that we
    rank first within the group's median measured TPOT really has (nearly) the best throughput per chip within it.

    `first_choice_good` takes the rows that we predict to be within the bound, `first_choice_among_met` those that are.
    """
    tpot_rank, ttft_rank, good, among = [], [], [], []
    for places in grouped(_service(row) for row in rows).values():
        kept = [at for at in places if np.isfinite(tpot_s[at])]
        if len(kept) < LEAST_GROUP:
            continue
        some = [rows[at] for at in kept]
        measured = np.array([(row.ttft_s, row.tpot_s) for row in some])
        ours = np.stack([ttft_s[kept], tpot_s[kept]], axis=1)
        ttft_rank.append(spearman(ours[:, 0], measured[:, 0]))
        tpot_rank.append(spearman(ours[:, 1], measured[:, 1]))
        bound_s = float(np.median(measured[:, 1]))
        real = [throughput(row, *pair) if pair[1] <= bound_s else 0.0 for row, pair in zip(some, measured, strict=True)]
        told = [throughput(row, *pair) if pair[1] <= bound_s else 0.0 for row, pair in zip(some, ours, strict=True)]
        picked = throughput(some[int(np.argmax(told))], *measured[int(np.argmax(told))])
        good.append(picked >= GOOD_CHOICE * max(real) and max(told) > 0.0)
        rank = [throughput(row, *pair) * (met > 0.0) for row, pair, met in zip(some, ours, real, strict=True)]
        among.append(real[int(np.argmax(rank))] >= GOOD_CHOICE * max(real))
    return {
        "groups": len(good),
        "tpot_spearman_median": float(np.nanmedian(tpot_rank)) if good else float("nan"),
        "ttft_spearman_median": float(np.nanmedian(ttft_rank)) if good else float("nan"),
        "first_choice_good": float(np.mean(good)) if good else float("nan"),
        "first_choice_among_met": float(np.mean(among)) if among else float("nan"),
    }


def _service(row: Measured) -> str:
    asked = row.question
    return f"{asked.system}|{asked.stack}|{asked.family}|{asked.input_tokens}|{asked.output_tokens}|{asked.mode}"


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


def intervals(rows: Sequence[Measured], logs: Floats) -> dict[str, dict[str, list[float]]]:
    """80 % intervals of measured / predicted per kind, from held-out log residuals `[rows, (tpot, ttft)]`.

    A kind with fewer than `LEAST_RESIDUALS` rows has none and takes the widest of the others.
    """
    out: dict[str, dict[str, list[float]]] = {}
    for kind in ("dense", "experts", "pools"):
        mine = np.array([interval_kind(row.question) == kind for row in rows], dtype=bool)
        mine &= np.isfinite(logs[:, 0])
        if mine.sum() < LEAST_RESIDUALS:
            continue
        low, high = np.quantile(-logs[mine], (TAIL, 1.0 - TAIL), axis=0)
        out[kind] = {
            name: [float(np.exp(low[at])), float(np.exp(high[at]))] for at, name in enumerate(("tpot", "ttft"))
        }
    return out


def interval_of(found: Mapping[str, Mapping[str, Sequence[float]]], kind: str, name: str) -> tuple[float, float]:
    """(low, high) of measured / predicted for a kind, `name` tpot or ttft; no bounds at all without any interval."""
    bands = [found[kind][name]] if kind in found else [bands[name] for bands in found.values()]
    return min((band[0] for band in bands), default=0.0), max((band[1] for band in bands), default=np.inf)


def coverage_across_folds(rows: Sequence[Measured], logs: Floats, folds: Floats) -> dict[str, float]:
    """Share of measurements inside intervals learnt, stack by stack, from the other folds alone.

    `logs` are held-out log residuals `[rows, (tpot, ttft)]`, `folds` `[rows]`.
    """
    bands = np.full((len(rows), 2, 2), np.nan)
    for stack in {row.question.stack for row in rows}:
        for fold in np.unique(folds):
            mine = [at for at, row in enumerate(rows) if row.question.stack == stack]
            others = [at for at in mine if folds[at] != fold]
            found = intervals([rows[at] for at in others], logs[others])
            for at in (at for at in mine if folds[at] == fold):
                kind = interval_kind(rows[at].question)
                bands[at] = [interval_of(found, kind, name) for name in ("tpot", "ttft")]
    ratio = np.exp(logs)
    return {
        name: interval_coverage(ratio[:, at], bands[:, at, 0], bands[:, at, 1])
        for at, name in enumerate(("tpot", "ttft"))
    }
