"""Evaluators of the kernels' studies beside `scenarios.asked`: placements of experts, errors of laws and fits."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
ASKED = "asked"


def accuracy(raw: Raw, file: str) -> Raw:
    """How far a stack's laws and fits were from a chip's measured tables when they were made, by operation."""
    import hardware_specs

    stack = str(raw["stack"])
    artefacts = [a for a in hardware_specs.calibration(str(raw["chip"]), stack).artefacts if a.stack == stack]
    told: Raw = {}
    for artefact in artefacts:
        for fit in sorted(artefact.provenance["fit"], key=lambda one: one["rows"]):
            name = f"{fit['operation']}.{fit['format']}"
            told[name] = {key: fit[key] for key in ("rows", "median_error", "mean_error", "law_median_error")}
    return told


PROBLEM = (
    *("synthetic", "trace", "loads", "transitions", "chips", "nodes", "slots", "load_cap_ratio", "load_weight"),
    *("cut_weight", "node_hop_cost"),
)
"""keys of `simcore plan experts`; beside them a deployment"""


def experts(raw: Raw, file: str) -> Raw:
    """Experts on chips by a planner's method, scored with what `simcore plan experts` tells; with a model and its
    deployment also the step that follows: the busiest chip's experts, and the exchange of what changes chips."""
    from planners.experts import place
    from planners.experts.compare import comparison
    from planners.experts.question import ExpertQuestion, problem_of
    from simcore.spec.load import build

    options = dict(raw.get(ASKED, {}))
    method, seed = str(options.pop("method", "auto")), int(options.pop("seed", 0))
    case, trace = problem_of(build(ExpertQuestion, {k: raw[k] for k in PROBLEM if k in raw}, file))
    found = place(case, method, seed=seed)
    row = comparison(case, found, trace, seed)[0]
    told = {str(k).replace(" ", "_").replace("-", "_"): v for k, v in row.items()} | dict(found.metrics)
    if "model" in raw:
        scenario = {k: v for k, v in raw.items() if k not in (*PROBLEM, ASKED)}
        told |= _placed_step(scenario, options, told, case.chips, file)
    return told


def _placed_step(raw: Raw, options: Raw, told: Raw, chips: int, file: str) -> Raw:
    """Seconds of a step whose busiest chip has `load_ratio` of the mean, `cut_share` of its tokens changing chips."""
    from dataclasses import replace

    from scenarios.one_step import asked_step
    from scenarios.read import from_raw
    from scenarios.resolved import resolve
    from simcore.step.price import price

    deployed = resolve(from_raw({"schema": "scenario/2", **raw}, file)).checked()
    physics = replace(deployed.physics(), imbalance_ratio=float(told["load_ratio"]))
    step = asked_step(options, file)
    by_name = price(physics, deployed.columns, step.columns, step.graphs).sum("name")
    travels = float(told.get("cut_share", 1.0)) / (1.0 - 1.0 / chips)
    exchange = sum(float(s.max()) if hasattr(s, "max") else float(s) for n, s in by_name.items() if "all_to_all" in n)
    whole = sum(float(s.max()) if hasattr(s, "max") else float(s) for s in by_name.values())
    return {"step_s": whole + exchange * (travels - 1.0), "exchange_s": exchange * travels}
