"""A benchmark's result against the prediction of its own load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.simulate import simulate
from simcore.errors import InputError
from simcore.spec.scenario import Scenario
from workloads.importers.bench import BenchResult


def compared(run: BenchResult, deployment: Scenario) -> dict[str, Any]:
    """Measured, predicted and error of every figure that both have. Raises InputError where nothing can be served."""
    asked = deployment.set({"traffic": run.traffic()})
    flat = simulate(asked).flat
    if not flat["feasible"]:
        raise InputError(str(flat["reason"]), file=deployment.file, key="plan")
    served = flat.get("throughput_tokens_per_s")
    flat["requests_per_s"] = served / run.output_tokens if served else None
    metrics = [
        {
            "name": name,
            "measured": measured,
            "predicted": flat[name],
            "error_percent": 100.0 * (flat[name] / measured - 1.0),
            "inside": inside(flat, name, measured),
            "interval": (flat.get("intervals") or {}).get(name),
        }
        for name, measured in run.measured.items()
        if flat.get(name) and measured
    ]
    if not metrics:
        raise InputError("has no figure that a prediction could be compared with", file=deployment.file)
    return {"tool": run.tool, "load": load_of(run), "metrics": metrics, "notes": flat["notes"]}


def inside(flat: Mapping[str, Any], name: str, measured: float) -> str:
    """Whether a measurement lies in the told interval; empty where none is told."""
    told = (flat.get("intervals") or {}).get(name)
    return "" if not told else "inside" if told[0] <= measured <= told[1] else "outside"


def load_of(run: BenchResult) -> str:
    """What the benchmark did, in a line."""
    how = f"{run.rate_per_s:g} requests/s" if run.rate_per_s is not None else f"{run.users or 'all'} in flight"
    lengths = f"{run.input_tokens:.0f} tokens in, {run.output_tokens:.0f} out"
    return f"{run.tool}: {run.requests} requests, {lengths}, {how}"
