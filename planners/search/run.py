"""A search from start to end: candidates from a method, answers from the store or the backend, in a fixed order.

What a search finds depends on problem, method, settings, seed, budget and batch alone, not on the backend, the size of
chunks, or how often it was interrupted: a resumed search asks its method the same questions again and finds the
answers in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.pareto import non_dominated
from planners.search.backend import Backend, Serial
from planners.search.chunks import Chunks, Work
from planners.search.method import Method, Task, Told
from planners.search.problem import Outputs, Problem
from planners.search.quality import corner_of, curve, hypervolume, knee
from planners.search.space import Array, Point
from planners.search.store import Record, Store, key_of, point_text
from simcore.spec.arguments import number, whole

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Setting:
    """How a search is run. `shard` (i, n) does the i-th of n parts, counted from 0."""

    budget: float = 200
    seed: int = 0
    batch: int | None = None
    shard: tuple[int, int] = (0, 1)
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None

    def __post_init__(self) -> None:
        number(self.budget, "budget", least=1e-9)
        whole(self.seed, "seed")


@dataclass(frozen=True)
class SearchResult:
    """Every evaluation of a search, in the order asked."""

    problem: Problem
    method: str
    seed: int
    units: Array
    values: Array
    """[evaluations, objectives], minimised, NaN where infeasible"""
    violation: Array
    level: NDArray[np.int64]
    outputs: Outputs
    evaluated: int
    """answers computed now; the others were known"""
    method_cpu_s: float
    evaluate_cpu_s: float
    """CPU seconds of evaluation, summed over workers"""
    cpu_s: float

    @property
    def overhead_cpu_s(self) -> float:
        """CPU beyond method and (in-process) evaluation."""
        return self.cpu_s - self.method_cpu_s - self.evaluate_cpu_s

    def first(self, rows: int) -> SearchResult:
        """The search as it was after `rows` evaluations; its times are those of the whole."""
        outputs = {n: c[:rows] for n, c in self.outputs.items()}
        cut = {n: getattr(self, n)[:rows] for n in ("units", "values", "violation", "level")}
        return replace(self, outputs=outputs, **cut)

    @cached_property
    def full(self) -> NDArray[np.bool_]:
        """Rows at full fidelity."""
        return np.asarray(self.level == len(self.problem.evaluator.costs) - 1)

    @cached_property
    def distinct(self) -> tuple[Array, Array]:
        """(units, mean objectives) of the different points at full fidelity; infeasible in one draw is infeasible."""
        units, values = self.units[self.full], self.values[self.full]
        if not len(units):
            return units, values
        _, first, inverse = np.unique(units, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        group = rank[inverse.ravel()]
        total = np.zeros((len(first), values.shape[1]))
        np.add.at(total, group, values)
        return units[np.sort(first)], total / np.bincount(group)[:, None]

    @cached_property
    def frontier(self) -> tuple[list[Point], Array]:
        """(points, mean objectives as written) that no other evaluated point dominates, by the first objective."""
        units, values = self.distinct
        rows = np.flatnonzero(non_dominated(values))
        rows = rows[np.argsort(values[rows, 0], kind="stable")]
        signs = np.array([o.sign for o in self.problem.objectives])
        return self.problem.space.points(units[rows]), values[rows] * signs

    @property
    def knee(self) -> Point | None:
        """The frontier's knee; None where nothing is feasible."""
        points, values = self.frontier
        signs = np.array([o.sign for o in self.problem.objectives])
        return points[knee(values * signs)] if points else None

    @property
    def reference(self) -> Array:
        """The problem's corner, or one from the worst feasible values seen."""
        corner = self.problem.corner
        if corner is not None:
            return corner
        return corner_of(self.values) if np.isfinite(self.values).any() else np.ones(self.values.shape[1])

    @property
    def hypervolume(self) -> float:
        return hypervolume(self.distinct[1], self.reference)

    @property
    def curve(self) -> Array:
        """Hypervolume after each evaluation at full fidelity."""
        return curve(self.values[self.full], self.reference)


def search(
    problem: Problem,
    method: Method,
    setting: Setting | None = None,
    store: Store | None = None,
    backend: Backend | None = None,
) -> SearchResult:
    """Run a method on a problem until its budget is spent or it has nothing left to ask.

    Without a store, answers are kept in memory only. On any exception, Ctrl-C included, finished answers are written.
    """
    run = _Run(problem, method, setting or Setting(), store, backend or Serial())
    try:
        run.go()
    finally:
        if store is not None:
            store.flush()
    return run.result()


def open_store(folder: Any, problem: Problem) -> Store:
    """The answers of a problem's evaluator in a folder."""
    from pathlib import Path

    evaluator = problem.evaluator
    return Store(Path(folder), evaluator.fingerprint(), (*evaluator.outputs, "violation"))


class _Run:
    """The state of one search."""

    def __init__(self, problem: Problem, method: Method, setting: Setting, store: Store | None, backend: Backend):
        self.problem, self.method, self.setting = problem, method, setting
        self.store, self.backend = store, backend
        self.costs = problem.evaluator.costs
        self.prefix = (store.prefix if store is not None else "memory").encode()
        self.names = (*problem.evaluator.outputs, "violation")
        self.asked: dict[tuple[str, int], int] = {}
        self.rows: list[tuple[Array, Array, Array, int, Outputs]] = []
        self.chunks = Chunks(backend)
        self.spent, self.finished, self.done, self.evaluated = 0.0, 0.0, 0, 0
        self.method_cpu_s = self.evaluate_cpu_s = 0.0
        self.began_cpu_s = time.process_time()
        part, parts = setting.shard
        self.stride = method.independent and parts > 1
        self.budget = setting.budget if self.stride else setting.budget / parts
        self.seed = setting.seed if self.stride else setting.seed + 1_000_003 * part
        task = Task(problem.space, len(problem.objectives), self.budget, self.seed, self.costs, problem.evaluator.noisy)
        self.searcher = method.start(task, **setting.method_settings)

    def go(self) -> None:
        batch = self.setting.batch or self.method.batch
        while self.spent < self.budget - 1e-9:
            began = time.process_time()
            room = max(1, int((self.budget - self.spent) / min(self.costs) + 1e-9))
            ask = self.searcher.ask(min(batch, room))
            self.method_cpu_s += time.process_time() - began
            units, level = ask.units, ask.level % len(self.costs)
            affordable = int((self.budget - self.spent) / self.costs[level] + 1e-9)
            if not len(units) or not affordable:
                return
            units = units[:affordable]
            self.spent += len(units) * self.costs[level]
            self._answer(units, level)
            self._show(self.spent)

    def _answer(self, units: Array, level: int) -> None:
        """Look up or evaluate rows, and tell the method."""
        asked = len(units)
        if self.stride:
            part, parts = self.setting.shard
            units = units[(np.arange(asked) + self.done) % parts == part]
        self.done += asked
        points = self.problem.space.points(units)
        outputs = self._outputs(points, level) if points else {n: np.empty(0) for n in self.names}
        values, violation = self.problem.judge(points, outputs) if points else (units[:, :0], np.empty(0))
        if not points:
            values = np.empty((0, len(self.problem.objectives)))
        self.rows.append((units, values, violation, level, outputs))
        began = time.process_time()
        self.searcher.tell(Told(units, values, violation, level - len(self.costs)))
        self.method_cpu_s += time.process_time() - began

    def _outputs(self, points: list[Point], level: int) -> dict[str, Array]:
        texts = [point_text(p) for p in points]
        seeds = self._seeds(texts, level)
        keys = [key_of(self.prefix, t, level, s) for t, s in zip(texts, seeds, strict=True)]
        if self.store is None:
            found = np.full(len(keys), -1, np.int64)
            outputs = {n: np.empty(len(keys)) for n in self.names}
        else:
            found = self.store.find(keys)
            outputs = self.store.outputs(found)
        missing = _first_of_each(keys, np.flatnonzero(found < 0))
        self._evaluate(Work(points, seeds, level), missing, (keys, texts), outputs)
        if self.store is not None and len(missing):
            outputs = self.store.outputs(self.store.find(keys))
        elif len(missing) < (found < 0).sum():
            first = {keys[i]: i for i in missing}
            rows = [first[k] for k in keys]
            outputs = {n: c[rows] for n, c in outputs.items()}
        return outputs

    def _evaluate(
        self, work: Work, missing: NDArray[np.int64], names: tuple[list[str], list[str]], outputs: dict[str, Array]
    ) -> None:
        """Fill `outputs` at the missing rows, chunk by chunk as they finish; each is kept at once."""
        keys, texts = names
        for rows, answer, cpu_s in self.chunks.run(self.problem.evaluator, work, missing):
            self.evaluated += len(rows)
            self.evaluate_cpu_s += cpu_s
            for name in self.names:
                outputs[name][rows] = answer[name]
            if self.store is not None:
                chosen = [keys[i] for i in rows], [texts[i] for i in rows]
                levels, seeds = [work.level] * len(rows), [work.seeds[i] for i in rows]
                self.store.append(Record(*chosen, levels, seeds, answer))
            self.finished += len(rows) * self.costs[work.level]
            self._show(self.finished)

    def _seeds(self, texts: Sequence[str], level: int) -> list[int]:
        """0 for exact evaluators; else drawn from the run's seed, the point and how often it was asked before."""
        if not self.problem.evaluator.noisy:
            return [0] * len(texts)
        seeds = []
        for text in texts:
            count = self.asked.get((text, level), 0)
            self.asked[text, level] = count + 1
            seeds.append(int(key_of(b"seed", text, self.seed, count)[:12], 16) + 1_000)
        return seeds

    def _show(self, finished: float) -> None:
        """What is answered so far, in full evaluations."""
        self.finished = finished
        if self.setting.progress:
            self.setting.progress(round(finished), round(self.budget))

    def result(self) -> SearchResult:
        units, values, violation, levels, outputs = zip(*self.rows, strict=True) if self.rows else ((),) * 5
        level = [np.full(len(u), n) for u, n in zip(units, levels, strict=True)]
        width, objectives = len(self.problem.space), len(self.problem.objectives)
        return SearchResult(
            self.problem,
            self.method.name,
            self.setting.seed,
            np.concatenate([np.empty((0, width)), *units]),
            np.concatenate([np.empty((0, objectives)), *values]),
            np.concatenate([np.empty(0), *violation]),
            np.concatenate([np.empty(0, np.int64), *level]),
            {n: np.concatenate([np.empty(0), *(o[n] for o in outputs)]) for n in self.names},
            self.evaluated,
            self.method_cpu_s,
            self.evaluate_cpu_s,
            time.process_time() - self.began_cpu_s,
        )


def _first_of_each(keys: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows whose key appears for the first time."""
    seen: set[str] = set()
    kept = [i for i in rows.tolist() if not (keys[i] in seen or seen.add(keys[i]))]  # type: ignore[func-returns-value]
    return np.array(kept, np.int64)
