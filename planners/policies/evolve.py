"""Evolution of programs for a queue: tournaments, crossover, mutation; judged on some arrivals, told on others.

Candidates are judged by `simulate` on the scenario with `train` seeds; a program whose run breaks a numbered invariant
is out. The best of them, and the schedulers that are shipped, are told on seeds that took no part. Before it is handed
out the winner passes the contract of schedulers (`simcore.testing.check_scheduler`), the next best if it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from planners.answer import Clock
from planners.policies import grammar
from scenarios.run import ready
from scenarios.simulate import simulate
from simcore.errors import InputError
from simcore.policy.program import KNOWN
from simcore.spec.scenario import Scenario

SEEDS = ("arrival_s", "input_tokens", "priority", "deadline_s", "arrival_s + 0.01 * input_tokens")
"""programs that it begins with: first come, shortest prompt, priority, deadline, both"""
BASELINES = ("chunked", "priority", "earliest-deadline", "shortest-job")
ORACLES = ("shortest-job",)
"""shipped schedulers that know a request's output"""
POPULATION, TOURNAMENT, KEPT = 16, 3, 2


@dataclass(frozen=True)
class PolicyQuestion:
    """What is searched for."""

    scenario: Scenario
    metric: str
    """of `simulate --json`, made smaller"""
    budget: int = 120
    """programs that are judged"""
    train: int = 2
    """seeds that judge"""
    held_out: int = 3
    """seeds that tell"""
    names: tuple[str, ...] = KNOWN

    def __post_init__(self) -> None:
        traffic = self.scenario.traffic
        if traffic is not None and traffic.trace is not None:
            what = "has one order of arrivals, and what is learnt on it cannot be told on another"
            raise InputError(what, file=self.scenario.file, key="traffic.trace", fix="name lengths and a rate")


@dataclass(frozen=True)
class PolicyAnswer:
    """The program found, and how it does on arrivals that took no part."""

    rank: str
    train: float
    held_out: float
    baselines: dict[str, float]
    """of shipped schedulers, on the same held-out arrivals"""
    judged: int
    refused: int
    """programs whose runs broke an invariant, or that could not be run"""
    cpu_s: float
    history: tuple[float, ...] = field(default=())
    """best so far on the arrivals that judge, by generation"""

    @property
    def gain_ratio(self) -> float:
        """The best shipped scheduler that is no oracle over the program found."""
        fair = [value for name, value in self.baselines.items() if name not in ORACLES]
        return min(fair) / self.held_out if self.held_out else float("nan")


def evolve(question: PolicyQuestion, seed: int = 0, time_limit_s: float | None = None) -> PolicyAnswer:
    """The best program found. Raises InputError for a metric that there is not."""
    clock, rng = Clock(time_limit_s), np.random.default_rng(seed)
    held = range(question.train, question.train + question.held_out)
    baselines = {name: mean_of(question, {"policy.scheduler": name}, held) for name in BASELINES}
    judge = Judge(question)
    population = [grammar.read(text) for text in SEEDS]
    population += [grammar.drawn(question.names, rng) for _ in range(POPULATION - len(population))]
    scored = judge.all(population, clock)
    history = [scored[0][0]]
    while len(judge.scores) < question.budget and not clock.over:
        parents = [program for _, _, program in scored]
        children = [_child(parents, question.names, rng) for _ in range(POPULATION - KEPT)]
        scored = judge.all([*parents[:KEPT], *children], clock)
        history.append(scored[0][0])
    rank, train = judge.winner()
    told = mean_of(question, program_of(rank), held)
    return PolicyAnswer(rank, train, told, baselines, len(judge.scores), judge.refused, clock.cpu_s, tuple(history))


class Judge:
    """Scores of programs by their text, each asked once."""

    def __init__(self, question: PolicyQuestion) -> None:
        self.question, self.scores, self.refused = question, dict[str, float](), 0

    def all(self, programs: Sequence[grammar.Program], clock: Clock) -> list[tuple[float, int, grammar.Program]]:
        """(score, size, program), the best and the shortest first."""
        rows = []
        for program in programs:
            text = grammar.text_of(program)
            if text not in self.scores and (clock.over or len(self.scores) >= self.question.budget):
                continue
            rows.append((self.score(text), grammar.size(program), program))
        return sorted(rows, key=lambda row: row[:2])

    def score(self, text: str) -> float:
        """Mean of the metric over the seeds that judge; inf where the program cannot be used."""
        if text not in self.scores:
            try:
                found = mean_of(self.question, program_of(text), range(self.question.train))
            except InputError:
                found = float("inf")
            self.refused += not np.isfinite(found)
            self.scores[text] = found
        return self.scores[text]

    def winner(self) -> tuple[str, float]:
        """The best program that passes the contract of schedulers."""
        from simcore.testing import check_scheduler

        for text in sorted(self.scores, key=lambda one: (self.scores[one], len(one))):
            try:
                check_scheduler("ranked", rank=text)
            except (AssertionError, InputError):
                self.refused += 1
                continue
            return text, self.scores[text]
        raise InputError("no program passes the contract of schedulers", key="policy.rank")


def _child(parents: Sequence[grammar.Program], names: Sequence[str], rng: np.random.Generator) -> grammar.Program:
    """Of parents sorted best first."""

    def picked() -> grammar.Program:
        return parents[int(rng.integers(len(parents), size=TOURNAMENT).min())]

    make = partial(grammar.crossed, picked(), picked()) if rng.random() < 0.5 else None
    child = make(rng) if make is not None else grammar.mutated(picked(), names, rng)
    return child if grammar.size(child) <= grammar.MOST_NODES else grammar.drawn(names, rng)


def program_of(text: str) -> dict[str, object]:
    """Keys of a scenario whose queue a program orders."""
    return {"policy.scheduler": "ranked", "policy.rank": text}


def mean_of(question: PolicyQuestion, changes: dict[str, object], seeds: Sequence[int]) -> float:
    """Mean of the metric over seeds; inf for a run that breaks an invariant. Raises InputError for another metric."""
    from simcore.engine.invariants import violations

    values = []
    for number in seeds:
        scenario = question.scenario.set({**changes, "seed": question.scenario.seed + number})
        found = simulate(scenario)
        if found.run is None:
            raise InputError(str(ready(scenario).infeasible), file=scenario.file, key="plan")
        if violations(found.run):
            return float("inf")
        value = found.flat.get(question.metric)
        if not isinstance(value, int | float):
            raise InputError(f"simulate tells no number {question.metric!r}", key="objective.minimise")
        values.append(float(value))
    return float(np.mean(values))
