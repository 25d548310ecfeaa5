"""Answers to serving questions: each becomes a scenario and `simulate`'s own run answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenarios.read import from_raw
from scenarios.report import seen_by_clients
from scenarios.run import Ready, ready, with_served
from simcore.errors import InputError
from simcore.step.served import Served
from validation.models import Models
from validation.serving.question import scenario_tables
from validation.serving.rows import Question


@dataclass(frozen=True)
class Answer:
    """Seconds; `reason` says why there are none."""

    ttft_s: float = np.nan
    tpot_s: float = np.nan
    reason: str = ""


@dataclass
class Replayer:
    """Answers questions; keeps what their scenarios resolve to."""

    models: Models
    recipes: Callable[[str], Mapping[str, Any]]
    known: dict[Any, Ready] = field(default_factory=dict)

    def answer(self, question: Question, by: Served) -> Answer:
        """TTFT and TPOT of a question; a reason instead where the plan cannot run."""
        try:
            mine = with_served(self.ready(question), by)
            seen = seen_by_clients(mine.run(), mine)
        except InputError as error:
            return Answer(reason=str(error))
        if not np.isfinite(seen["ttft_s"]).any():
            return Answer(reason="no request was served")
        return Answer(float(np.nanmean(seen["ttft_s"])), float(np.nanmean(seen["tpot_s"])))

    def ready(self, question: Question) -> Ready:
        """The question's scenario, resolved; raises InputError where not one request fits."""
        if question not in self.known:
            tables = scenario_tables(question, self.recipes(question.stack), self.models)
            with np.errstate(divide="ignore", invalid="ignore"):
                found = ready(from_raw(tables, "row.toml"))
            context = question.input_tokens + question.output_tokens
            if found.infeasible or not found.pool.max_concurrency(context):
                what = f"weights of {question.model} leave no room for one request on {question.pool.chips} chips"
                raise InputError(what)
            self.known[question] = found
        return self.known[question]
