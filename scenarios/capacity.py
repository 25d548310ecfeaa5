"""The verb `capacity`: how much a deployment serves within its SLO."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios.answer import of_simulation
from scenarios.fleet import chips_of
from scenarios.report import report, space
from scenarios.run import Ready, ready
from scenarios.traffic import needed
from simcore.engine.capacity import fewest_chips, fewest_replicas, highest_rate
from simcore.errors import InputError
from simcore.spec.scenario import Scenario


def capacity(scenario: Scenario, find: str = "rate", tolerance: float = 0.01, most: int = 1024) -> dict[str, Any]:
    """The flat answer of a run at the capacity, with what was found: `rate_requests_per_s`, or `replicas` and `pools`.

    `find`: rate, or replicas. Raises InputError without a bound, for a closed loop, and for bad input.
    """
    traffic = needed(scenario)
    if traffic.users is not None or traffic.batch is not None:
        key = "traffic.users" if traffic.users is not None else "traffic.batch"
        raise InputError("a closed loop has no rate", file=scenario.file, key=key, fix="give rate_per_s")
    found = ready(scenario)
    if not found.has_bounds:
        raise InputError("needs a bound", file=scenario.file, key="slo", fix='write for example ttft = "1 s"')
    if found.infeasible:
        return of_simulation(space(found), found) | {"infeasible": found.infeasible}
    if find == "rate":
        return of_rate(found, tolerance)
    if find == "replicas":
        return of_replicas(found, most)
    raise InputError(f"unknown search {find!r}", key="--find", fix="use rate or replicas")


def of_rate(found: Ready, tolerance: float) -> dict[str, Any]:
    """The highest rate."""
    best = highest_rate(found.run, found.criterion, tolerance)
    rate = best.value * found.trace.rate_requests_per_s
    chips = found.replicas * found.chips
    flat = of_simulation(report(found.run(best.value), found), found) if best.value else of_simulation({}, found)
    what = {"rate_requests_per_s": rate, "rate_ratio": best.value, "chips": chips}
    return flat | what | searched(best, "rate_requests_per_s", found.trace.rate_requests_per_s)


def of_replicas(found: Ready, most: int) -> dict[str, Any]:
    """The fewest replicas, or the fewest chips over the pools of a fleet."""
    if found.scenario.fleet is not None:
        what, best = fewest_of_pools(found, most)
    else:
        best = fewest_replicas(found.run, found.criterion, most)
        count = int(best.value) or None
        what = {"replicas": count, "chips": count * found.chips if count else None}
        if count:
            so_many = replace(found, replicas=count)
            flat = of_simulation(report(so_many.run(), so_many), so_many)
            return flat | what | searched(best, "replicas")
    name = "chips" if found.scenario.fleet is not None else "replicas"
    return of_simulation({}, found) | what | searched(best, name)


def searched(best: Any, name: str, scale: float = 1.0) -> dict[str, Any]:
    """How the answer was found: every run of the search, by what was tried."""
    rows = [{name: scale * value, "attainment_ratio": share, "good": good} for value, share, good in sorted(best.tried)]
    return {"attainment_ratio": best.attainment_ratio, "runs": best.runs, "tried": rows}


def fewest_of_pools(ready: Ready, most: int) -> tuple[dict[str, Any], Any]:
    """(what to report, what was found): the counts of the fleet's pools with the fewest chips."""
    scenario = ready.scenario
    assert scenario.fleet is not None
    if scenario.fleet.failures or scenario.fleet.autoscale:
        what = "a search over pools has no failures, which name replicas by number, and no autoscaling"
        raise InputError(what, file=scenario.file, key="fleet", fix="leave them out")
    found, counts = fewest_chips(ready.run, ready.criterion, chips_of(scenario), most)
    names = [pool.name for pool in scenario.fleet.pools]
    pools = dict(zip(names, counts, strict=True)) if counts else None
    return {"pools": pools, "replicas": sum(counts) or None, "chips": int(found.value) or None}, found
