"""The answers of both engines to random questions and to the examples, a few numbers each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import simcore
from scenarios.migrate import migrated
from scenarios.read import from_raw
from simcore.errors import InputError
from tests.golden.questions import estimates, simulations

ROOT = Path(__file__).resolve().parent.parent.parent
ESTIMATED = ("ttft_mean_s", "tpot_mean_s", "throughput_tokens_per_s", "need_bytes", "kv_tokens", "chip_power_w")
SIMULATED = ("ttft_mean_s", "tpot_mean_s", "e2e_p99_s", "served", "refused", "preemptions", "steps", "kv_tokens")


def of_estimates() -> list[dict[str, Any]]:
    """One row per question of `estimates`."""
    rows = []
    for question in estimates():
        asked = dict(question)
        found = simcore.estimate(asked.pop("model"), asked.pop("chip"), **asked)
        why = str(found.infeasible) if found.infeasible else ""
        rows.append({"why": why} if why else {name: found.values.get(name) for name in ESTIMATED})
    return rows


def of_simulations() -> list[dict[str, Any]]:
    """One row per question of `simulations`; their files are of schema scenario/1 and migrated."""
    return [answer(from_raw(migrated(question, "random.toml"), "random.toml")) for question in simulations()]


def of_examples() -> dict[str, dict[str, Any]]:
    """The examples that are simulated, by name; traces that are not at hand leave theirs out."""
    found = {}
    for path in sorted((ROOT / "examples").glob("*.toml")):
        if 'schema = "scenario/2"' not in path.read_text(encoding="utf-8"):
            continue
        try:
            found[path.stem] = answer(simcore.read(path))
        except InputError as error:
            found[path.stem] = {"why": str(error).split(": ", 1)[-1]}
    return found


def answer(question: Any) -> dict[str, Any]:
    """The numbers of one run, or why there is none."""
    try:
        found = simcore.simulate(question)
    except InputError as error:
        return {"why": str(error).split(": ", 1)[-1]}
    if found.ready.infeasible:
        return {"why": found.ready.infeasible}
    return {name: found.flat[name] for name in SIMULATED}
