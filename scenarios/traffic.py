"""The traffic of a scenario: its trace read or drawn, its bounds by class, its lengths as a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scenarios.names import resolve
from scenarios.traces import trace_of
from simcore.errors import InputError, suggest
from simcore.spec.base import name_of
from simcore.spec.demand import Demand, fixed
from simcore.spec.scenario import Scenario
from simcore.spec.traffic import Slo, Trace, block_starts
from simcore.spec.traffic_part import LengthsPart, TrafficPart

PREFIX_BLOCK = 16
"""tokens per hash of a shared prefix"""


def traffic_of(scenario: Scenario, skip_bad: bool = False) -> Trace:
    """The trace: read and scaled, or drawn with the scenario's seed."""
    part = needed(scenario)
    if part.trace is not None:
        return trace_of(part, scenario.file, skip_bad)
    return drawn(part, scenario.seed, scenario.file)


def needed(scenario: Scenario) -> TrafficPart:
    """The traffic part. Raises InputError where there is none."""
    if scenario.traffic is None:
        raise InputError("is missing", file=scenario.file, key="traffic", fix="say what is served, for example name")
    return scenario.traffic


def loop_of(scenario: Scenario) -> tuple[int, float] | None:
    """(users, requests of each) of a closed loop of users, of whom no more send than there are requests; else None."""
    part = needed(scenario)
    if part.users is None:
        return None
    count = part.requests if part.trace is None else len(traffic_of(scenario))
    users = min(part.users, count)
    return users, count / users


def named(name: str, file: str) -> Demand:
    """Named traffic, shipped or of one's own; a path is relative to `file`, the scenario."""
    found: Demand = resolve("traffic", name, Path(file).parent, file or None, "traffic.name").value
    return found


def drawn(part: TrafficPart, seed: int, file: str = "") -> Trace:
    """Generated requests."""
    from workloads import generate

    lengths = length_law(part, file)
    rate = (part.rate_per_s or 1.0) * part.rate_scale
    laws: dict[str, Any] = {
        "poisson": generate.poisson(rate),
        "gamma": generate.gamma(rate, part.cv),
        "constant": generate.uniform(rate),
        "once": generate.at_once(),
    }
    closed = part.users is not None or part.batch is not None
    trace = generate.generate(part.requests, laws["once"] if closed else laws[part.arrivals], lengths, seed)
    if part.turns > 1 or part.copies > 1:
        return generate.sessions(trace, part.turns, part.pause_s, 0.0, seed=seed, copies=part.copies, answers=True)
    return with_shared_prefix(trace, part) if part.shared_prefix is not None else trace


def length_law(part: TrafficPart, file: str = "") -> Any:
    """The law that lengths are drawn from."""
    from workloads import generate

    if part.name is not None:
        demand = named(part.name, file)
        points = [{float(q): v for q, v in side.quantiles.items()} for side in (demand.input, demand.output)]
        return generate.from_quantiles(points[0], points[1])
    if part.input_median_tokens is not None:
        medians = part.input_median_tokens, part.input_p90_tokens, part.output_median_tokens, part.output_p90_tokens
        a, b, c, d = (float(value or 0.0) for value in medians)
        return generate.lognormal_quantiles((a, b), (c, d), part.longest_tokens)
    if isinstance(part.input_tokens, dict) or isinstance(part.output_tokens, dict):
        return generate.from_quantiles(points_of(part.input_tokens), points_of(part.output_tokens))
    return generate.uniform_range(range_of(part.input_tokens), range_of(part.output_tokens))


def range_of(side: LengthsPart | None) -> tuple[int, int]:
    """A fixed length as a range."""
    assert side is not None and not isinstance(side, dict)
    return (side, side) if isinstance(side, int) else side


def points_of(side: LengthsPart | None) -> dict[float, float]:
    """Quantiles of any way to write a length."""
    assert side is not None
    if isinstance(side, dict):
        return {float(q): float(v) for q, v in side.items()}
    low, high = (side, side) if isinstance(side, int) else side
    return {0.0: float(low), 1.0: float(high)}


def with_shared_prefix(trace: Trace, part: TrafficPart) -> Trace:
    """The trace with hashes of prompts that begin alike: `prompts` prefixes in turn, each followed by one of
    `per_prompt` rests that repeat too."""
    from dataclasses import replace

    shared = part.shared_prefix
    assert shared is not None
    count = len(trace)
    blocks = np.maximum(trace.input_tokens - 1, 0) // PREFIX_BLOCK
    start = block_starts(blocks)
    kind = np.repeat(np.arange(count) % (shared.prompts * shared.per_prompt), blocks)
    place = np.arange(int(start[-1])) - np.repeat(start[:-1], blocks)
    common = place < shared.tokens // PREFIX_BLOCK
    longest = int(blocks.max(initial=1))
    owner = np.where(common, kind % shared.prompts, shared.prompts + kind)
    hashes = owner * (longest + 1) + place
    return replace(trace, prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=PREFIX_BLOCK)


def slos_of(scenario: Scenario, names: tuple[str, ...]) -> tuple[Slo, ...]:
    """Bounds by class of the trace, in its order; empty if the scenario states none."""
    for name in scenario.slo.classes:
        if name not in names:
            key, fix = f"slo.classes.{name}", suggest(name, names)
            raise InputError("no such class in the trace", file=scenario.file, key=key, fix=fix)
    found = []
    for name in names if scenario.slo.classes else names[:1]:
        part: Any = scenario.slo.classes.get(name, scenario.slo)
        bounds = {k: v for k in ("ttft_s", "tpot_s", "e2e_s") if (v := getattr(part, k)) is not None}
        found.append((Slo(**bounds), bool(bounds)))
    return tuple(slo for slo, _ in found) if any(stated for _, stated in found) else ()


def hash_tokens(scenario: Scenario, trace: Trace) -> int:
    """Tokens per prefix hash of the trace. Raises InputError where it has none."""
    if not trace.prefix_block_tokens:
        raise InputError("the traffic has no prefix hashes", file=scenario.file, key="policy.prefix_cache")
    return int(trace.prefix_block_tokens)


def demand_of(scenario: Scenario) -> Demand:
    """Lengths as a summary: of named traffic, of stated lengths, of a trace."""
    part = needed(scenario)
    if part.name is not None:
        return named(part.name, scenario.file)
    given = part.input_tokens, part.output_tokens
    if part.trace is None and all(isinstance(side, int) for side in given):
        return Demand(name="fixed", input=fixed(float(given[0])), output=fixed(float(given[1])))  # type: ignore[arg-type]
    return summary_of(traffic_of(scenario.replace(seed=0)))


def summary_of(trace: Trace) -> Demand:
    """Means, quantiles and the mean context of decoding requests of a trace."""
    from workloads.demand import demand_of as summed

    return summed(trace, name_of(trace.source) if trace.source else "drawn")
