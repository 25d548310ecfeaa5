"""The same question asked in another way has the same answer: another engine, another unit, another clock."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

Raw = dict[str, Any]
FIELDS = ("scheduled_s", "first_token_s", "done_s", "state", "generated_tokens", "preemptions")
FINER = {"s": "ms", "ms": "us", "us": "ns", "GB/s": "MB/s", "MB/s": "kB/s", "GB": "MB", "MB": "kB"}
SLOWED = ("step", "token", "kv_token", "past_token", "batch_wait", "draft", "host", "compile", "output", "detokenise")
SLOWED += ("think", "latency", "at", "down", "interval", "cold_start", "hold", "switch", "ttft", "tpot")
"""keys of times: twice as long where every clock runs half as fast"""


def broken(raw: Raw, made: Any, run: Any) -> Iterator[str]:
    """One of the other ways, by the question's seed."""
    which = raw["seed"] % 6
    if which < 3 and not any(key in raw for key in ("models", "jobs", "power")):
        yield from of_simpy(raw, made, run)
    elif which == 3:
        yield from of_units(raw, run)
    elif which == 4 and "steps" in raw and not {"warm_ratio", "models", "jobs"} & set(raw):
        yield from of_clocks(raw, run)


def differs(one: Any, other: Any, ratio: float) -> str:
    """The first field of the records of requests that is not the same; empty: all are."""
    for name in FIELDS:
        exact = one[name].dtype.kind != "f"
        same = one[name] == other[name] if exact else np.isclose(one[name], other[name], rtol=ratio, atol=ratio)
        if not same.all():
            at = int(np.argmin(same))
            return f"{name} of request {at} is {one[name][at]} and {other[name][at]}"
    return ""


def of_simpy(raw: Raw, made: Any, run: Any) -> Iterator[str]:
    """The fleet of SimPy serves as the compiled loops do; those alone know frontends that read prompts."""
    from scenarios.fleet import one_pool
    from simcore.engine.feedback import feedback_of
    from simcore.engine.fleet import Fleet

    if made.served.token_s or raw["plan"].get("attention_dp", 1) > 1 or raw["policy"].get("output"):
        return
    plan = made.fleet if "fleet" in raw else one_pool(made)
    feedback = feedback_of(made.clients(made.replicas), made.trace, bool(made.scenario.traffic.wait))
    other = Fleet(plan, made.trace, made.slos, feedback).run()
    found = differs(run.requests, other.requests, 1e-9)
    if found:
        yield f"compiled and SimPy: {found}"


def of_units(raw: Raw, run: Any) -> Iterator[str]:
    """Milliseconds for seconds, megabytes for gigabytes."""

    def finer(found: re.Match[str]) -> str:
        number, unit = float(found[1]), found[2]
        return f"{number * 1000!r} {FINER[unit]}" if unit in FINER else found[0]

    other = served(changed(raw, lambda _, value: re.sub(r"^([0-9.e-]+) ([A-Za-z/]+)$", finer, value)))
    found = "it is refused" if other is None else differs(run.requests, other.requests, 1e-6)
    if found:
        yield f"other units: {found}"


def of_clocks(raw: Raw, run: Any) -> Iterator[str]:
    """Everything takes twice as long."""

    def slower(key: str, value: str) -> str:
        number, _, unit = value.partition(" ")
        if key in SLOWED:
            return f"{float(number) * 2!r} {unit}"
        return f"{float(number) / 2!r} {unit}" if key == "bandwidth" else value

    asked = changed(raw, slower)
    if asked["traffic"].keys() & {"users", "batch"}:
        asked["traffic"].setdefault("think", "2e-6 s")
    other = served(asked, 2.0)
    if other is None:
        yield "twice as slow it is refused"
        return
    rows = other.requests.copy()
    for name in FIELDS[:3]:
        rows[name] = np.where(rows[name] > 0.0, rows[name] / 2.0, rows[name])
    found = differs(run.requests, rows, 1e-7)
    if found:
        yield f"twice as slow: {found}"


def changed(raw: Any, change: Any, key: str = "") -> Any:
    """The tables with every text replaced by what `change(key, text)` gives."""
    if isinstance(raw, dict):
        return {name: changed(value, change, name) for name, value in raw.items()}
    if isinstance(raw, list):
        return [changed(value, change, key) for value in raw]
    return change(key, raw) if isinstance(raw, str) and key not in ("name", "rank") else copy.deepcopy(raw)


def served(raw: Raw, slower: float = 1.0) -> Any:
    """The run, its arrivals so many times as late; None where it is refused."""
    from scenarios.read import from_raw
    from scenarios.run import ready
    from simcore.errors import SimcoreError

    try:
        made = ready(from_raw(raw))
        trace = made.trace
        pause_s = None if trace.pause_s is None else trace.pause_s * slower
        if slower != 1.0:
            made = replace(made, trace=replace(trace, arrival_s=trace.arrival_s * slower, pause_s=pause_s))
        return None if made.infeasible else made.run()
    except SimcoreError:
        return None
