"""Methods judged at equal budgets, seeds and numbers of hyper-parameter draws.

Score: hypervolume of the points that a run recommends (non-dominated by what it saw) over the best possible, both
measured on the truth where the grid can be walked, else over the best of all runs on what they saw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planners.pareto import non_dominated
from planners.search.backend import Backend
from planners.search.method import Method, Task, method
from planners.search.problem import Problem
from planners.search.quality import corner_of, hypervolume
from planners.search.run import SearchResult, Setting, search
from planners.search.space import Array, Point
from planners.search.store import Store
from planners.search.truth import Truth

CHECKPOINTS = (25, 50, 100, 150, 200)
BASELINE = "random"


@dataclass(frozen=True)
class Run:
    """One run, reduced to what comparisons need."""

    method: str
    draw: int
    """0: shipped settings; above: the number of a random draw"""
    settings: Point
    seed: int
    scores: Array
    """hypervolume ratio at each checkpoint"""
    method_cpu_ms: float
    """per evaluation"""
    overhead_cpu_ms: float
    """per evaluation, beyond method and evaluator"""


@dataclass(frozen=True)
class Row:
    """A method over its seeds, shipped settings; and over its draws."""

    method: str
    curve: Array
    """mean ratio at each checkpoint"""
    mean_ratio: float
    sd_ratio: float
    min_ratio: float
    p_beats_random: float
    """one-sided Mann-Whitney over seeds; NaN for the baseline and for a single seed"""
    draws: tuple[float, ...]
    """mean ratio of each random draw of settings: the lottery"""
    method_cpu_ms: float
    overhead_cpu_ms: float


@dataclass(frozen=True)
class Comparison:
    """What was compared, every run, and why methods were left out."""

    problem: str
    budget: int
    seeds: tuple[int, ...]
    checkpoints: tuple[int, ...]
    runs: tuple[Run, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """Best first."""
        names = dict.fromkeys(r.method for r in self.runs)
        return sorted((self._row(n) for n in names), key=lambda row: -row.mean_ratio)

    def of(self, name: str, draw: int = 0) -> list[Run]:
        return [r for r in self.runs if r.method == name and r.draw == draw]

    def _row(self, name: str) -> Row:
        runs = self.of(name)
        scores = np.stack([r.scores for r in runs])
        final, base = scores[:, -1], np.array([r.scores[-1] for r in self.of(BASELINE)])
        draws = sorted({r.draw for r in self.runs if r.method == name} - {0})
        return Row(
            name,
            scores.mean(axis=0),
            float(final.mean()),
            float(final.std(ddof=1)) if len(final) > 1 else float("nan"),
            float(final.min()),
            float("nan") if name == BASELINE else p_larger(final, base),
            tuple(float(np.mean([r.scores[-1] for r in self.of(name, d)])) for d in draws),
            float(np.mean([r.method_cpu_ms for r in runs])),
            float(np.mean([r.overhead_cpu_ms for r in runs])),
        )


def p_larger(sample: Array, baseline: Array) -> float:
    """One-sided Mann-Whitney p that `sample` tends to be larger; NaN where either has fewer than two values."""
    from scipy.stats import mannwhitneyu

    if min(len(sample), len(baseline)) < 2:
        return float("nan")
    return float(mannwhitneyu(sample, baseline, alternative="greater").pvalue)


@dataclass(frozen=True)
class Contest:
    """How methods are compared. `draws` random settings per method beside the shipped ones."""

    methods: tuple[str, ...]
    budget: int = 200
    seeds: tuple[int, ...] = tuple(range(10))
    draws: int = 0
    draw_seeds: int | None = None
    """seeds that random settings are run with, the first so many; None: all"""
    progress: Callable[[int, int], None] | None = None


def compare(
    problem: Problem,
    contest: Contest,
    truth: Truth | None = None,
    store: Store | None = None,
    backend: Backend | None = None,
) -> Comparison:
    """Run the contest, random search always included. Methods that cannot do the task are left out, with the reason."""
    names = dict.fromkeys((BASELINE, *contest.methods))
    chosen, left_out = _able(problem, contest, [method(n) for n in names])
    entries = [(m, n, s) for m in chosen for n, s in enumerate(draws_of(m, contest.draws))]
    results: list[tuple[Method, int, Point, SearchResult]] = []
    some = contest.seeds[: contest.draw_seeds]
    total = sum(len(some if number else contest.seeds) for _, number, _ in entries)
    for found, number, settings in entries:
        for seed in some if number else contest.seeds:
            setting = Setting(budget=contest.budget, seed=seed, method_settings=settings)
            results.append((found, number, settings, search(problem, found, setting, store, backend)))
            if contest.progress:
                contest.progress(len(results), total)
    marks = (*(c for c in CHECKPOINTS if c < contest.budget), contest.budget)
    judge = _Judge(problem, truth, [r for *_, r in results])
    runs = tuple(
        Run(
            m.name,
            number,
            settings,
            r.seed,
            judge.scores(r, marks),
            1e3 * r.method_cpu_s / max(1, len(r.units)),
            1e3 * r.overhead_cpu_s / max(1, len(r.units)),
        )
        for m, number, settings, r in results
    )
    return Comparison(problem.name, contest.budget, contest.seeds, marks, runs, left_out)


def _able(problem: Problem, contest: Contest, methods: Sequence[Method]) -> tuple[list[Method], dict[str, str]]:
    costs, noisy = problem.evaluator.costs, problem.evaluator.noisy
    task = Task(problem.space, len(problem.objectives), contest.budget, 0, costs, noisy)
    reasons = {m.name: m.suits(task) for m in methods}
    return [m for m in methods if reasons[m.name] is None], {n: r for n, r in reasons.items() if r}


def draws_of(found: Method, count: int) -> list[dict[str, Any]]:
    """The shipped settings (none given) and `count` random draws, the same for everyone who asks."""
    if not found.tunables or not count:
        return [{}]
    units = found.tunables.sample(np.random.default_rng(20_000), count)
    return [{}, *found.tunables.points(units)]


class _Judge:
    """Scores on one scale."""

    def __init__(self, problem: Problem, truth: Truth | None, results: Sequence[SearchResult]) -> None:
        self.truth = truth
        if truth is not None:
            self.reference, self.best = truth.reference, truth.hypervolume
            return
        seen = np.concatenate([r.values[r.full] for r in results])
        corner = problem.corner
        if corner is None:
            corner = corner_of(seen) if np.isfinite(seen).any() else np.ones(seen.shape[1])
        self.reference = corner
        self.best = max(hypervolume(r.distinct[1], corner) for r in results) or 1.0

    def scores(self, result: SearchResult, marks: Sequence[int]) -> Array:
        """Ratio after each mark, counted in full evaluations spent."""
        costs = np.array(result.problem.evaluator.costs)[result.level]
        spent = np.cumsum(costs)
        return np.array([self._score(result, int(np.searchsorted(spent, mark + 1e-6))) for mark in marks])

    def _score(self, result: SearchResult, rows: int) -> float:
        units, values = result.first(rows).distinct
        if self.truth is not None and len(units):
            values = self.truth.means(units[non_dominated(values)])
        return hypervolume(values, self.reference) / self.best
