"""Optuna's TPE or pymoo's mixed-variable algorithm, asked over pipes: a task, then a proposal and an answer in turn.

Runs in the peers' environment and imports nothing of simcore. Proposals are levels (0, 1, ...) by name of parameter.
"""

from __future__ import annotations

import json
import sys
from typing import Any

ENDLESS = 100_000


def asked(levels: dict[str, int]) -> tuple[list[float], float]:
    """Propose, and wait for (objectives to be minimised, violation)."""
    print(json.dumps(levels), flush=True)
    answer = json.loads(sys.stdin.readline())
    return answer["values"], answer["violation"]


def by_optuna(task: dict[str, Any]) -> None:
    """TPE as it comes, with the constraint that Optuna's documentation shows."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def violation(trial: Any) -> tuple[float]:
        return (trial.user_attrs.get("violation", 0.0),)

    sampler = optuna.samplers.TPESampler(seed=task["seed"], constraints_func=violation)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * task["objectives"])
    worst = [0.0] * task["objectives"]
    for _ in range(ENDLESS):
        trial = study.ask()
        levels = {}
        for p in task["parameters"]:
            count = p["levels"]
            if p["ordered"]:
                levels[p["name"]] = trial.suggest_int(p["name"], 0, count - 1)
            else:
                levels[p["name"]] = trial.suggest_categorical(p["name"], list(range(count)))
        values, bad = asked(levels)
        if bad <= 0:
            worst = [max(pair) for pair in zip(worst, values, strict=True)]
        trial.set_user_attr("violation", bad)
        study.tell(trial, values if bad <= 0 else worst)


def by_pymoo(task: dict[str, Any]) -> None:
    """The mixed-variable genetic algorithm with NSGA-II's survival, as pymoo's documentation has it."""
    import numpy as np
    from pymoo.algorithms.moo.nsga2 import RankAndCrowdingSurvival
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.core.problem import Problem
    from pymoo.core.variable import Choice, Integer
    from pymoo.problems.static import StaticProblem

    kinds = {
        p["name"]: Integer(bounds=(0, p["levels"] - 1)) if p["ordered"] else Choice(options=list(range(p["levels"])))
        for p in task["parameters"]
    }
    problem = Problem(vars=kinds, n_obj=task["objectives"], n_ieq_constr=1)
    method = MixedVariableGA(pop_size=20, survival=RankAndCrowdingSurvival())
    method.setup(problem, termination=("n_eval", ENDLESS), seed=task["seed"])
    while True:
        brood = method.ask()
        answers = [asked({name: int(level) for name, level in one.X.items()}) for one in brood]
        values, bad = np.array([a[0] for a in answers]), np.array([[a[1]] for a in answers])
        Evaluator().eval(StaticProblem(problem, F=values, G=bad), brood)
        method.tell(infills=brood)


if __name__ == "__main__":
    wanted = json.loads(sys.stdin.readline())
    {"optuna": by_optuna, "pymoo": by_pymoo}[wanted["library"]](wanted)
