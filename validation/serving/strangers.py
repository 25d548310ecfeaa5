"""Intervals by what was left out: curves of one stack for what is measured, models and systems of all for strangers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from simcore.step.times import Floats
from validation.serving.fit import LEFT_OUT, Measured, StackFit, held_out_logs
from validation.serving.inputs import replayer
from validation.serving.score import coverage_across_folds, intervals

Logs = Mapping[str, Floats]
"""what was left out -> log residuals, `[rows, (tpot, ttft)]`"""


def left_out(rows: Sequence[Measured], fit: StackFit) -> Logs:
    """Residuals of a stack's rows, each predicted without its curve, its model, its system."""
    return {kind: held_out_logs(replayer(kind), rows, fit, kind) for kind in ("curve", "model", "system")}


def learnt(stacks: Sequence[tuple[Sequence[Measured], Logs]], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """80 % intervals of measured / predicted for each stack, by what was left out and by kind of model.

    A stack alone has too few models and systems to say what the next one does: strangers' residuals of all stacks stand
    together. `say` is told how often a part lies inside the interval that the others give.
    """
    found = [{"curve": intervals(rows, logs["curve"])} for rows, logs in stacks]
    every = [row for rows, _ in stacks for row in rows]
    for kind in ("model", "system"):
        logs = np.concatenate([logs[kind] for _, logs in stacks])
        names = [LEFT_OUT[kind](row.question) for row in every]
        parts = np.unique(names, return_inverse=True)[1].astype(float)
        inside = coverage_across_folds(every, logs, parts, strangers=True)
        say(f"{kind} left out: inside TPOT {inside['tpot']:.0%}, TTFT {inside['ttft']:.0%}")
        bands = intervals(every, logs, len(set(names)))
        found = [one | {kind: bands} for one in found]
    return found
