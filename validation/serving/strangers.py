"""Intervals by what was left out: curves for what is measured, whole models and systems for strangers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from validation.serving.fit import LEFT_OUT, Measured, StackFit, held_out_logs
from validation.serving.inputs import replayer
from validation.serving.score import coverage_across_folds, intervals


def learnt(rows: Sequence[Measured], fit: StackFit, say: Callable[[str], None]) -> dict[str, Any]:
    """80 % intervals of measured / predicted by what was left out of the fit, and by kind of model.

    `say` is told how often a part lies inside the interval that the other parts give.
    """
    found = {}
    for left_out in ("curve", "model", "system"):
        logs = held_out_logs(replayer(left_out), rows, fit, left_out)
        labels = [LEFT_OUT[left_out](row.question) for row in rows]
        parts = np.unique(labels, return_inverse=True)[1].astype(float)
        strangers = left_out != "curve"
        found[left_out] = intervals(rows, logs, len(set(labels)) if strangers else 0)
        inside = coverage_across_folds(rows, logs, parts, strangers)
        say(f"{left_out} left out: inside TPOT {inside['tpot']:.0%}, TTFT {inside['ttft']:.0%}")
    return found
