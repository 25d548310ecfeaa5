"""Answers of `what-if` and `sensitivity` in words, as rows and as flat objects."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from planners.comparing.compared import Move
from planners.comparing.words import change, figure
from planners.whatif.breakeven import COST, BreakEven
from planners.whatif.heat import HeatMap
from planners.whatif.laws import followed, unfollowed
from planners.whatif.question import WhatIf
from planners.whatif.sensitivity import Draws
from planners.whatif.tornado import Bar


def told(metric: str, value: float) -> str:
    """A figure, or that there is none."""
    return "no answer" if math.isnan(value) else figure(metric, value)


def header(factors: tuple[float, float]) -> tuple[str, ...]:
    """Of `row`."""
    low, high = factors
    return "number", "now", f"{low:.3g} x", f"{high:.3g} x", "moves by", ""


def row(metric: str, bar: Bar) -> list[str]:
    """The cells of a number."""
    moved = "no answer" if math.isinf(bar.swing_ratio) else f"{100 * bar.swing_ratio:.2g} %"
    ends = (told(metric, bar.low), told(metric, bar.high))
    return [bar.key, bar.number.text, *ends, moved, "assumed" if bar.number.assumed else ""]


def overlaid(asked: WhatIf, changes: Mapping[str, Any], found: BreakEven | None) -> list[str]:
    """What a change moves, and up to which price it pays."""
    before, after = asked.now(), asked.value(changes)
    what = ", ".join(f"{key} = {short(value)}" for key, value in changes.items())
    if math.isnan(after):
        return [f"With {what} there is no answer: {asked.side(changes).reason}."]
    move = Move(asked.metric, before, after)
    judged = {True: " (better)", False: " (worse)", None: ""}[move.better]
    lines = [f"With {what}: {asked.metric} {figure(asked.metric, after)}, {change(move)}{judged}."]
    if found is not None:
        lines.append(paid(found))
    ruled = followed(asked.scenario, changes)
    lines += [f"By law {key} = {value:.6g}." for key, value in {**ruled.keys, **ruled.figures}.items()]
    return lines + unfollowed(asked.scenario, changes)


def paid(found: BreakEven) -> str:
    """Up to which price a change pays."""
    at = "today's price" if found.asked == found.now else f"{found.asked:.4g} {found.unit}"
    if found.in_flight is not None:
        held = f"At this rate a token costs the same. With {found.in_flight} requests in flight on both it"
    else:
        held = "It"
    costs = f"{COST} {found.cost_now:.4g} -> {found.cost_changed:.4g} at {at}"
    if found.price <= 0.0:
        return f"{held} does not pay even with the chip for nothing ({costs})."
    verb = "pays" if found.price >= found.now else "would pay only"
    return f"{held} {verb} while one chip costs below {found.price:.4g} {found.unit} ({found.now:.4g} now; {costs})."


def short(value: Any) -> str:
    """A value that was set."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def widest(metric: str, bars: Sequence[Bar], what: str) -> str:
    """The first of a tornado in a sentence."""
    if not bars:
        return f"No {what} moves {metric}."
    names = [f"{bar.key} ({row(metric, bar)[4]})" for bar in bars[:3]]
    return f"{metric} is moved most by {', then '.join(names)}."


def odds(names: tuple[str, str], metric: str, found: Draws) -> str:
    """How often the first is better."""
    share = f"{names[0]} beats {names[1]} in {100 * found.beats_ratio:.0f} % of {len(found.first)} draws of {metric}"
    if not any(found.told):
        return f"{share} (of assumed numbers alone: no measurement tells how wrong these figures are)."
    only = "" if all(found.told) else f"; only {names[found.told.index(True)]} has an interval of its own"
    return f"{share} (of assumed numbers and of the told intervals{only})."


def flat_bars(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    """For JSON."""
    return [dataclasses.asdict(bar) | {"swing_ratio": bar.swing_ratio} for bar in bars]


def flat_map(found: HeatMap | None) -> dict[str, Any] | None:
    """For JSON."""
    if found is None:
        return None
    return dataclasses.asdict(found) | {"figure": found.figure.tolist()}
