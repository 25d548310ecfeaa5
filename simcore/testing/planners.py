"""Contract of a planner: its choices are answers of the engine, feasible, and no choice dominates another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from simcore.testing.engines import question

AXES = {"plan.tp": [1, 2, 4], "traffic.batch": [1, 8, 64]}
OBJECTIVES = ["usd_per_million_tokens", "tpot_s"]
CHECKED = ("tpot_s", "ttft_s", "usd_per_million_tokens")


def check_planner(plan: Callable[[Any], Any]) -> None:
    """Raise AssertionError with everything that a planner's table (`simcore.result.ResultTable`) gets wrong."""
    asked = question(traffic={"input_tokens": 512, "output_tokens": 64}, vary=AXES, objective={"minimise": OBJECTIVES})
    found = list(_problems(plan(asked), asked))
    assert not found, "planner: " + "; ".join(found)


def _problems(table: Any, asked: Any) -> Iterator[str]:
    from simcore import api

    if not len(table):
        yield "chooses nothing"
        return
    values = np.stack([np.asarray(table[name], float) for name in OBJECTIVES], axis=1)
    if not np.all(table.feasible):
        yield "chooses what does not fit"
    for row in values:
        others = values[np.any(values != row, axis=1)]
        if np.any(np.all(others <= row, axis=1)):
            yield "a choice is dominated by another"
            break
    for row in table.rows():
        again = api.estimate(asked.set({"plan.tp": round(row.tp), "traffic.batch": round(row.batch), "vary": {}}))
        for name in CHECKED:
            if not math.isclose(again.values[name], row.values[name], rel_tol=1e-6):
                yield f"{name} of a choice is {row.values[name]:g}, the engine says {again.values[name]:g}"
