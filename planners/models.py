"""`estimate` of chips that several models share, one request at a time: nobody waits for chips, only for weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.estimate import Estimated, estimate
from scenarios.models import Sized, check, child, fetch_s_of, memory_of, parts_of, shares_of, sized_part, switching
from scenarios.traffic import needed
from simcore.cost.model_cache import fetched_ratios
from simcore.errors import InputError
from simcore.result import DoesNotFit, Result
from simcore.spec.scenario import Scenario

MEANS = ("ttft_s", "tpot_s", "e2e_s", "prefill_s", "decode_step_s")
BUSY = ("mfu_ratio", "mbu_ratio", "chip_power_w", "server_power_w", "facility_power_w")
SAME = ("chips", "usd_per_hour", "weights_bytes", "kv_bytes", "activation_bytes", "buffer_bytes", "reserve_bytes")
"""of the first model, which hold for all or are one model's own"""


def estimate_models(scenario: Scenario) -> Estimated:
    """Means over the requests of all models, each as `estimate` says of it alone, later by its weights where they are
    not in the main tier. Raises InputError for any load but one request at a time on each replica, and for jobs."""
    alone(scenario)
    check(scenario)
    parts = parts_of(scenario)
    sized = tuple(sized_part(scenario, part) for part in parts)
    found = [estimate(child(scenario, part)) for part in parts]
    capacity, _, pool = memory_of(scenario, sized, 0.0)
    first = found[0]
    if pool.problem is not None and pool.need_bytes is not None and pool.have_bytes is not None:
        why = DoesNotFit(pool.tier, pool.need_bytes, pool.have_bytes)
        return Estimated(Result({}, why), first.resolved, first.case)
    for one in found:
        if one.result.infeasible is not None:
            return one
    late_s, missed = waits(scenario, sized, capacity)
    values = whole(scenario, found, late_s) | {"model_fetched_ratio": missed, "kv_tokens": float(pool.kv_tokens or 0)}
    values |= {"need_bytes": pool.need_bytes, "have_bytes": pool.have_bytes, "max_batch": 1.0}
    assumptions = {k: v for one in found for k, v in one.result.assumptions.items()}
    notes = tuple(dict.fromkeys(note for one in found for note in one.result.notes))
    return Estimated(Result(values, None, (), assumptions, notes), first.resolved, first.case)


def alone(scenario: Scenario) -> None:
    """Raises InputError unless each replica has one request at a time."""
    traffic, file = needed(scenario), scenario.file
    fix = "simulate it, or ask for traffic.batch = 1"
    if scenario.jobs:
        raise InputError("beside [[models]] are for runs", file=file, key="jobs", fix="simulate it")
    for part in scenario.models:
        if part.adapters or part.draft is not None:
            what = "has adapters or a draft, which only steps of a run show"
            raise InputError(what, file=file, key=f"models.{part.name}", fix="simulate it")
    if traffic.batch != 1:
        raise InputError("models that wait for each other's turns", file=file, key="traffic", fix=fix)


def waits(scenario: Scenario, sized: tuple[Sized, ...], capacity_bytes: float) -> tuple[tuple[float, ...], float]:
    """(mean seconds that a request of each entry waits for weights, share of all requests that do)."""
    parts = parts_of(scenario)
    shares = shares_of(parts)
    owners = np.repeat(np.arange(len(parts)), [part.copies for part in parts])
    rule = switching(scenario).get("rule", "lru")
    each = tuple(sized[at].weight_bytes for at in owners)
    missed = np.array(fetched_ratios(tuple(shares.tolist()), each, capacity_bytes, rule))
    found = []
    for number, one in enumerate(sized):
        mine = owners == number
        ratio = float(np.average(missed[mine], weights=shares[mine]))
        found.append(ratio * fetch_s_of(scenario, one))
    return tuple(found), float(np.sum(missed * shares))


def whole(scenario: Scenario, found: list[Estimated], late_s: tuple[float, ...]) -> dict[str, Any]:
    """Figures of the mixture: latencies by requests, utilisation and power by the time that they take."""
    parts = parts_of(scenario)
    share = np.array([part.share_ratio for part in parts])
    share = share / share.sum()

    def mean(name: str) -> float:
        return float(np.sum(share * np.array([one.result.values[name] for one in found])))

    values: dict[str, Any] = {name: mean(name) for name in MEANS}
    wait_s = float(np.sum(share * np.array(late_s)))
    values["ttft_s"] += wait_s
    values["e2e_s"] += wait_s
    first = found[0].result.values
    busy = share * np.array([one.result.values["e2e_s"] for one in found]) / values["e2e_s"]
    for name in BUSY:
        values[name] = float(np.sum(busy * np.array([one.result.values[name] for one in found])))
    idle_w = float(np.max(found[0].resolved.machine.idle_w))
    node_w, over = first["server_power_w"] - first["chip_power_w"], first["facility_power_w"] / first["server_power_w"]
    rest = 1.0 - float(busy.sum())
    for name, watts in zip(BUSY[2:], (idle_w, idle_w + node_w, (idle_w + node_w) * over), strict=True):
        values[name] += rest * watts
    output = found[0].case.demand.output.mean_tokens
    rate = output * found[0].case.plan.dp / values["e2e_s"]
    values |= {name: first[name] for name in SAME if name in first}
    chips = float(first["chips"])
    money = first["usd_per_hour"] / 3600.0 / rate * 1e6 if first.get("usd_per_hour") else None
    return values | {
        "queue_s": 0.0,
        "model_wait_s": wait_s,
        "throughput_tokens_per_s": rate,
        "throughput_per_chip_tokens_per_s": rate / chips,
        "power_w": values["facility_power_w"] * chips,
        "energy_j_per_token": values["server_power_w"] * chips / rate,
        "usd_per_million_tokens": money,
    }
