"""Errors, rank correlation and grouping of predictions: what every report on serving counts with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from simcore.step.times import Floats


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


def grouped(keys: Iterable[str]) -> dict[str, list[int]]:
    """Key -> places."""
    out: dict[str, list[int]] = {}
    for at, key in enumerate(keys):
        out.setdefault(key, []).append(at)
    return out
