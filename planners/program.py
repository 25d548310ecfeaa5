"""Integer programs through PuLP and HiGHS, the same on PuLP 3 and 4 (whose names differ)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEASIBLE = 2
"""HiGHS's word for values that satisfy the program"""
Terms = Sequence[tuple[float, Any]]
"""(coefficient, variable) pairs"""


@dataclass(frozen=True)
class Solved:
    """How a solve ended: `optimal`, `feasible` (limit reached, values usable), `infeasible` or `none` (no values)."""

    status: str
    objective: float
    bound: float


class Program:
    """A minimisation. Variables are binary, integer or continuous; constraints are sums against a number."""

    def __init__(self, name: str) -> None:
        import pulp

        self._pulp = pulp
        self._problem = pulp.LpProblem(name, pulp.LpMinimize)
        self._count = 0

    def variables(
        self, shape: int | tuple[int, ...], kind: str = "Binary", low: float = 0.0, high: float | None = 1.0
    ) -> Any:
        """An array of new variables of that shape (dtype object)."""
        out = np.empty(shape, object)
        for index in np.ndindex(out.shape):
            out[index] = self._variable(kind, low, high)
        return out

    def _variable(self, kind: str, low: float, high: float | None) -> Any:
        self._count += 1
        name = f"v{self._count}"
        if hasattr(self._problem, "add_variable"):
            return self._problem.add_variable(name, low, high, cat=kind)
        return self._pulp.LpVariable(name, low, high, cat=kind)

    def minimise(self, terms: Terms) -> None:
        self._problem += self._sum(terms)

    def at_most(self, terms: Terms, right: float) -> None:
        self._problem += self._sum(terms) <= right

    def at_least(self, terms: Terms, right: float) -> None:
        self._problem += self._sum(terms) >= right

    def equal(self, terms: Terms, right: float) -> None:
        self._problem += self._sum(terms) == right

    def _sum(self, terms: Terms) -> Any:
        return self._pulp.lpSum([coefficient * variable for coefficient, variable in terms])

    def solve(self, time_limit_s: float | None = None, gap_ratio: float = 0.0) -> Solved:
        """Run HiGHS on one thread."""
        limit = None if time_limit_s is None or not np.isfinite(time_limit_s) else max(time_limit_s, 0.1)
        solver = self._pulp.getSolver("HiGHS", msg=False, timeLimit=limit, gapRel=gap_ratio, threads=1)
        with silent():
            stats = self._problem.solve(solver)
        status = stats if isinstance(stats, int) else int(stats.status)
        objective = self._pulp.value(self._problem.objective)
        value = float(objective) if objective is not None else float("nan")
        word = self._word(status, value)
        if word == "optimal" and not self._problem.isMIP():
            return Solved(word, value, value)  # without whole numbers HiGHS tells 0 as the bound
        bound = getattr(stats, "best_bound", None)
        if bound is None:
            bound = self._bound()
        return Solved(word, value, float(bound) if bound is not None else float("-inf"))

    def _word(self, status: int, value: float) -> str:
        if status == -1:
            return "infeasible"
        if np.isnan(value) or not self._holds_values():
            return "none"
        limited = getattr(self._problem, "sol_status", 1) == 2
        return "optimal" if status == 1 and not limited else "feasible"

    def _holds_values(self) -> bool:
        """Whether the values satisfy the program: at a limit with no solution yet HiGHS leaves zeros, and PuLP calls
        them feasible."""
        model = getattr(self._problem, "solverModel", None)
        return model is None or int(model.getInfo().primal_solution_status) == FEASIBLE

    def _bound(self) -> float | None:
        """PuLP 3 keeps the HiGHS model: ask it."""
        model = getattr(self._problem, "solverModel", None)
        return None if model is None else float(model.getInfo().mip_dual_bound)


def values(variables: Any) -> NDArray[np.float64]:
    """Solution values of an array of variables, in its shape."""
    out = np.empty(variables.shape)
    for index in np.ndindex(out.shape):
        variable = variables[index]
        found = variable.varValue if hasattr(variable, "varValue") else variable.value
        out[index] = float((found() if callable(found) else found) or 0.0)
    return out


@contextmanager
def silent() -> Iterator[None]:
    """Nothing that compiled code prints reaches standard output: HiGHS greets there whatever it is told.

    Both Python's and the C library's buffers are emptied on the way in and out, so that nothing of others is lost.
    """
    _flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _flush() -> None:
    sys.stdout.flush()
    try:
        ctypes.CDLL(None).fflush(None)
    except (OSError, AttributeError, TypeError):  # no C library by that name: nothing to empty
        return
