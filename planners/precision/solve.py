"""The integer program of precision: one format a layer.

minimise   sum of times (under most_loss), else sum of losses (under most_s)
so that    every layer has one format; losses, times and bytes keep their bounds
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.answer import Answer, Clock, Status, infeasible
from planners.precision.problem import Floats, PrecisionProblem
from planners.program import Program, values

METHOD = "integer program"
SLACK = 1e-9


@dataclass(frozen=True)
class PrecisionPlan:
    """A format for every layer."""

    formats: tuple[str, ...]
    """[layers]"""
    time_s: float
    """of the step"""
    loss: float
    weights_bytes: float


def plan_precision(problem: PrecisionProblem, time_limit_s: float | None = None) -> Answer[PrecisionPlan]:
    """The best formats, with the program's bound. Times are minimised where a loss is bounded, else the loss is."""
    clock = Clock(time_limit_s)
    goal = problem.time_s if problem.most_loss is not None else problem.loss
    program = Program("precision")
    choice = program.variables(goal.shape)
    for row in choice:
        program.equal([(1.0, one) for one in row], 1.0)
    for table, most in bounds(problem):
        scale = max(float(np.abs(table).max()), 1e-30)
        program.at_most(_terms(table / scale, choice), most / scale * (1 + SLACK))
    scale = max(float(goal.max()), 1e-30)
    program.minimise(_terms(goal / scale, choice))
    solved = program.solve(clock.left_s, gap_ratio=1e-6)
    if solved.status not in ("optimal", "feasible"):
        return infeasible(METHOD, 0, clock, *clashes(problem))
    picked = np.argmax(values(choice), axis=1)
    plan = told(problem, picked)
    fixed = problem.other_s if problem.most_loss is not None else 0.0
    objective = plan.time_s if problem.most_loss is not None else plan.loss
    bound = min(solved.bound * scale + fixed, objective)
    status: Status = "optimal" if solved.status == "optimal" else "time limit"
    metrics = {"time_s": plan.time_s, "loss": plan.loss, "weights_bytes": plan.weights_bytes}
    uniform = best_uniform(problem)
    if uniform is not None:
        metrics |= {"uniform_time_s": uniform.time_s, "uniform_loss": uniform.loss}
        metrics |= {"over_uniform_ratio": plan.time_s / uniform.time_s}
    return Answer(plan, objective, bound, METHOD, 0, clock.cpu_s, status, (), metrics)


def bounds(problem: PrecisionProblem) -> list[tuple[Floats, float]]:
    """(table, most) of every bound that is stated."""
    found = []
    if problem.most_loss is not None:
        found.append((problem.loss, problem.most_loss))
    if problem.most_s is not None:
        found.append((problem.time_s, problem.most_s - problem.other_s))
    if problem.most_bytes is not None:
        found.append((problem.weights_bytes, problem.most_bytes))
    return found


def clashes(problem: PrecisionProblem) -> list[str]:
    """Which bounds no choice keeps, in words."""
    least = {
        "loss": (problem.loss, problem.most_loss, 0.0),
        "time": (problem.time_s, problem.most_s, problem.other_s),
        "memory": (problem.weights_bytes, problem.most_bytes, 0.0),
    }
    found = []
    for name, (table, most, fixed) in least.items():
        value = float(table.min(axis=1).sum()) + fixed
        if most is not None and value > most:
            found.append(f"the least {name} of any choice is {value:.4g}, at most {most:.4g} is allowed")
    return found or ["the bounds on loss, time and memory cannot be kept together"]


def told(problem: PrecisionProblem, picked: np.ndarray) -> PrecisionPlan:
    """A choice as a plan; `picked` [layers] are numbers of formats."""
    rows = np.arange(len(picked))
    sums = [float(table[rows, picked].sum()) for table in (problem.time_s, problem.loss, problem.weights_bytes)]
    return PrecisionPlan(tuple(problem.formats[n] for n in picked), sums[0] + problem.other_s, *sums[1:])


def best_uniform(problem: PrecisionProblem) -> PrecisionPlan | None:
    """The fastest single format that keeps every bound; None where none does."""
    layers = len(problem.time_s)
    plans = [
        told(problem, np.full(layers, number))
        for number in range(len(problem.formats))
        if all(float(table[:, number].sum()) <= most * (1 + SLACK) for table, most in bounds(problem))
    ]
    return min(plans, key=lambda one: (one.time_s, one.loss)) if plans else None


def _terms(table: Floats, choice: np.ndarray) -> list[tuple[float, object]]:
    return [(float(table[index]), choice[index]) for index in np.ndindex(*table.shape)]
