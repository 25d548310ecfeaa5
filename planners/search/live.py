"""A search while it runs, as others read it: what was asked, from a mark in its folder, and the answers so far.

Nothing is changed by reading: not the store, not the mark. A mark names outputs and constraints, which are arithmetic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.pareto import non_dominated
from planners.search.problem import Objective, Problem, judged
from planners.search.quality import corner_of, curve
from planners.search.run import Setting
from planners.search.space import Array, Point
from planners.search.store import SHARD
from simcore.errors import InputError
from simcore.spec.expression import Expression

SCHEMA = "unfinished/1"
MARKS = "unfinished-*-of-*"
MOST_COMMAND = 2000
STORE = "store"
"""the folder of answers beside a mark"""


@dataclass(frozen=True)
class Live:
    """A search as far as it is."""

    title: str
    method: str
    seed: int
    budget: float
    objectives: tuple[Objective, ...]
    points: Sequence[Point]
    values: Array
    """[evaluations, objectives], minimised, NaN where infeasible, in the order that they were kept"""
    violation: Array
    full: NDArray[np.bool_]
    """rows at full fidelity"""
    corner: Array | None = None
    """of the hypervolume, minimised, where the question names one"""
    command: str = ""
    """that goes on with it, for people to read; nothing runs it"""

    @property
    def reference(self) -> Array:
        """The question's corner, or one from the worst feasible values so far."""
        if self.corner is not None:
            return self.corner
        return corner_of(self.values) if np.isfinite(self.values).any() else np.ones(self.values.shape[1])

    @property
    def curve(self) -> Array:
        """Hypervolume after each evaluation at full fidelity."""
        return curve(self.values[self.full], self.reference)

    @property
    def frontier(self) -> list[int]:
        """Rows at full fidelity that no other dominates, by the first objective; of equals the first."""
        rows = np.flatnonzero(self.full & np.isfinite(self.values).all(axis=1))
        _, first = np.unique(self.values[rows], axis=0, return_index=True)
        rows = rows[np.sort(first)]
        rows = rows[non_dominated(self.values[rows])]
        return [int(row) for row in rows[np.argsort(self.values[rows, 0], kind="stable")]]


def mark_text(problem: Problem, setting: Setting, asked: tuple[str, str], prefix: str | None, command: str = "") -> str:
    """What a mark says; `asked`: title and method; `prefix` of the shards in STORE, None where they lie elsewhere;
    `command`: what goes on with it."""
    aims = [{"name": o.name, "output": o.output, "maximise": o.maximise} for o in problem.objectives]
    told: dict[str, Any] = {"schema": SCHEMA, "title": asked[0], "method": asked[1], "seed": setting.seed}
    told |= {"budget": float(setting.budget), "objectives": aims, "constraints": [c.text for c in problem.constraints]}
    corner = None if problem.corner is None else problem.corner.tolist()
    told |= {"corner": corner, "full_level": len(problem.evaluator.costs) - 1, "prefix": prefix}
    told |= {"command": command}
    return json.dumps(told, indent=1) + "\n"


BROKEN = (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError)
"""what a file of another kind raises where it is taken apart"""


def read_live(mark: Path) -> Live:
    """The search of a mark. Raises InputError for a mark or a shard that is none of ours."""
    try:
        told = json.loads(mark.read_text(encoding="utf-8"))
        if told["schema"] != SCHEMA:
            raise ValueError(told["schema"])
        aims = tuple(Objective(str(o["name"]), bool(o["maximise"]), str(o["output"])) for o in told["objectives"])
        rules = tuple(Expression(str(text)) for text in told["constraints"])
        points, levels, outputs = answers(mark.parent / STORE, told["prefix"], [o.output for o in aims], rules)
        values, violation = judged(aims, rules, points, outputs)
        words = str(told["title"]), str(told["method"]), int(told["seed"]), float(told["budget"])
        full = levels == int(told["full_level"])
        corner = None if told["corner"] is None else np.array(told["corner"], float).reshape(len(aims))
    except (InputError, OSError, *BROKEN) as error:
        raise InputError("is not the mark of a search", file=str(mark), fix="start the search again") from error
    return Live(*words, aims, points, values, violation, full, corner, str(told.get("command", ""))[:MOST_COMMAND])


def answers(
    folder: Path, prefix: str | None, wanted: Sequence[str], rules: Sequence[Expression]
) -> tuple[list[Point], NDArray[np.int64], dict[str, Array]]:
    """(points, levels, outputs) of the shards of one evaluator, the oldest shard first, every key once."""
    import pyarrow
    import pyarrow.parquet

    if prefix is not None and not re.fullmatch("[0-9a-f]{16}", prefix):
        raise ValueError(f"{prefix!r} is no prefix of shards")
    is_there = prefix is not None and folder.is_dir() and not folder.is_symlink()
    tables = []
    for path in sorted(folder.glob(f"{prefix}-*.parquet"), key=age) if is_there else []:
        if SHARD.fullmatch(path.name) and not path.is_symlink():
            try:
                tables.append(pyarrow.parquet.read_table(path))
            except FileNotFoundError:  # merged away meanwhile
                continue
            except pyarrow.ArrowException as error:
                raise ValueError(f"{path.name}: {error}") from None
    names = [*wanted, *(name for rule in rules for name in rule.names), "violation"]
    if not tables:
        return [], np.zeros(0, np.int64), {name: np.zeros(0) for name in names}
    whole = pyarrow.concat_tables(tables, promote_options="default")
    keys = whole.column("key").to_numpy(zero_copy_only=False).astype(str)
    first = np.sort(np.unique(keys, return_index=True)[1])
    columns = set(whole.column_names)
    outputs = {name: whole.column(name).to_numpy()[first].astype(float) for name in names if name in columns}
    points = [json.loads(text) for text in whole.column("point").take(pyarrow.array(first)).to_pylist()]
    return points, whole.column("level").to_numpy()[first].astype(np.int64), outputs


def age(path: Path) -> tuple[float, str]:
    """When a shard was written; a shard that has gone comes last."""
    try:
        return path.stat().st_mtime, path.name
    except FileNotFoundError:
        return float("inf"), path.name
