"""One question, one physics: the same rows asked of `validate serving`, `simulate` and `estimate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from planners.estimate import estimate
from scenarios.read import from_raw
from scenarios.simulate import simulate
from simcore.errors import InputError
from validation.serving.inputs import parameters, replayer
from validation.serving.question import scenario_tables
from validation.serving.rows import ServingRow

METRICS = ("tpot", "ttft")


def agreement(rows: Sequence[ServingRow], measured: Any = None) -> dict[str, Any]:
    """Differences of the verbs on aggregated rows, each asked as its scenario file.

    `measured` `[rows, (tpot, ttft)]` in seconds adds the errors of each verb. `simulate` and `estimate` use the
    parameters of all rows, as users do; `held_out` is `validate serving --held-out`, which left each row's curve out.
    """
    asks = replayer()
    found: dict[str, list[tuple[float, float]]] = {"validate": [], "held_out": [], "simulate": [], "estimate": []}
    for row in rows:
        question = row.question
        assert question is not None
        question_file = from_raw(scenario_tables(question, asks.recipes(question.stack), asks.models, "row"))
        for name, left_out in (("validate", None), ("held_out", "curve")):
            answer = asks.answer(question, parameters(question, left_out))
            found[name].append((answer.tpot_s, answer.ttft_s))
        for name, verb in (("simulate", simulate), ("estimate", estimate)):
            found[name].append(means(verb, question_file))
    answers = {name: np.array(values) for name, values in found.items()}
    out: dict[str, Any] = {"rows": len(rows)}
    for name, other in (("simulate", "validate"), ("simulate", "held_out"), ("estimate", "validate")):
        out[f"{name}_against_{other}"] = spread(answers[name] / answers[other])
    out["estimate_against_simulate"] = spread(answers["estimate"] / answers["simulate"])
    if measured is not None:
        out |= {f"{name}_against_measured": spread(values / measured) for name, values in answers.items()}
    return out


def means(verb: Any, question: Any) -> tuple[float, float]:
    """(TPOT, TTFT) in seconds that a verb tells; NaN where it does not know the question (drafts in `estimate`)."""
    try:
        flat = verb(question).flat
    except InputError:
        return np.nan, np.nan
    tpot_s, ttft_s = (np.nan if (v := flat[f"{m}_mean_s"]) is None else float(v) for m in METRICS)
    return tpot_s, ttft_s


def spread(ratio: Any) -> dict[str, dict[str, float]]:
    """Median and 90th percentile of |ratio - 1| per metric; `ratio` `[rows, (tpot, ttft)]`."""
    away = np.abs(ratio - 1.0)
    return {
        name: {"median": float(np.nanmedian(away[:, at])), "p90": float(np.nanquantile(away[:, at], 0.9))}
        for at, name in enumerate(METRICS)
    }
