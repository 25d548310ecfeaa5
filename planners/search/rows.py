"""The frontier of a search as rows of plain data, for whoever prints or keeps it."""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.search.run import SearchResult
from planners.search.space import Point
from scenarios.answer import FIELDS, flat, named, plain


def frontier_rows(result: SearchResult) -> list[dict[str, Any]]:
    """Per point of the frontier its keys, the objectives as the question names them and, of a scenario, the fields that
    every verb tells; a point that was drawn several times has the mean of its draws."""
    points, values = result.frontier
    names = [o.name for o in result.problem.objectives]
    aims = [dict(zip(names, map(float, row), strict=True)) for row in values]
    return [{**point, **told(result, point), **aim} for point, aim in zip(points, aims, strict=True)]


def told(result: SearchResult, point: Point) -> dict[str, Any]:
    """The fields of every verb at a point; nothing where no scenario answered. Outputs of laws come on top."""
    evaluator, outputs = result.problem.evaluator, means(result, point)
    if not hasattr(evaluator, "told"):
        return {}
    analytic = "ttft_s" in outputs
    known = named(outputs) | outputs if analytic else outputs
    more = {name: plain(value) for name, value in outputs.items() if name not in FIELDS and name != "violation"}
    return more | flat(known, **evaluator.told(point, known))


def means(result: SearchResult, point: Point) -> dict[str, float]:
    """Every output of a point, over its evaluations at full fidelity."""
    unit = result.problem.space.canonical(result.problem.space.units([point]))
    rows = result.full & (result.units == unit).all(axis=1)
    return {name: float(np.mean(column[rows])) for name, column in result.outputs.items()}
