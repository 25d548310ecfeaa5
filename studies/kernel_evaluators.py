"""Evaluators of the kernels' studies: one step operation by operation."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]
ASKED = "asked"


def step(raw: Raw, file: str) -> Raw:
    """One step of a deployment; `asked` says what it holds (`scenarios.one_step.AskedStep`)."""
    from scenarios.one_step import asked_step, step_of, told
    from scenarios.read import from_raw

    options = dict(raw.get(ASKED, {}))
    scenario = from_raw({"schema": "scenario/2", **{k: v for k, v in raw.items() if k != ASKED}}, file)
    return told(step_of(scenario, asked_step(options, file)))
