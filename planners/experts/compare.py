"""An answer beside its baselines, on the tokens it was planned with and on others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planners.answer import Answer
from planners.experts.metrics import cost_of, fan_out
from planners.experts.problem import ExpertProblem, Placement
from planners.experts.routing import routed
from planners.experts.solve import place
from planners.experts.trace import Trace, halves, loads_of, transitions_of

BASELINES = ("eplb", "round-robin")


def comparison(
    case: ExpertProblem, answer: Answer[Placement], trace: Trace | None, seed: int = 0
) -> list[dict[str, Any]]:
    """One row per method: load, worst layer, cut, node cut, busiest link, fan-out; with a trace also held out.

    With copies, a row says what the plan is worth when copies serve by load and locality instead of evenly. For the
    held-out columns each method plans again on one half of the tokens and is judged on the other.
    """
    rows = []
    for name, found in [(answer.method, answer), *((b, place(case, b)) for b in BASELINES)]:
        if found.plan is None:
            continue
        row: dict[str, Any] = {"method": name, **_short(found.metrics)}
        if trace is not None:
            row["fan-out"] = fan_out(trace, found.plan)
            row |= held_out(case, name, trace, seed)
        rows.append(row)
        if found is answer and case.slot_count > case.experts:
            rows.append({"method": f"{name}, routed", **_short(cost_of(case, found.plan, routed(case, found.plan))[1])})
    return rows


def held_out(case: ExpertProblem, method: str, trace: Trace, seed: int) -> dict[str, float]:
    """Load and cut on tokens that the plan has not seen."""
    planning, judging = (
        replace(
            case,
            loads=loads_of(half, case.experts) + 1e-9,
            transitions=transitions_of(half, case.experts) if case.transitions is not None else None,
        )
        for half in halves(trace, seed)
    )
    plan = place(planning, method, seed=seed).plan
    assert plan is not None
    metrics = cost_of(judging, plan)[1]
    found = {"held-out load": metrics["load_ratio"]}
    return found | ({"held-out cut": metrics["cut_share"]} if "cut_share" in metrics else {})


def _short(metrics: dict[str, float]) -> dict[str, float]:
    names = {
        "load_ratio": "load",
        "load_worst": "worst layer",
        "cut_share": "cut",
        "node_cut_share": "node cut",
        "link_ratio": "link",
    }
    return {short: metrics[long] for long, short in names.items() if long in metrics}
