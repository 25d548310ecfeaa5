"""What a trace is like, in words and as one flat object."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from simcore.unit_text import seconds
from workloads.describe import Described

NEAR_POISSON = (0.8, 1.25)
"""coefficients of variation that a few hundred Poisson arrivals can have"""
SLOW_CLOCK_RATIO = 0.1
DRIFTING = 4.0
"""counts over the longest window that vary so many times more than chance: the rate itself changes"""


def in_words(found: Described) -> list[str]:
    """Rates, lengths, burstiness, prefixes."""
    lines = [rates(found)]
    for name, side in (("Inputs", found.input), ("Outputs", found.output)):
        middle, most = (f"{side[f'{key}_tokens']:,.0f}" for key in ("p50", "most"))
        tail = f"p90 {side['p90_tokens']:,.0f}, p99 {side['p99_tokens']:,.0f}, longest {most}"
        lines.append(f"{name}: {side['mean_tokens']:,.0f} tokens mean, {middle} median, {tail}.")
    if math.isfinite(found.length_correlation):
        lines.append(f"Ranks of inputs and outputs correlate by {found.length_correlation:+.2f}.")
    lines.append(burstiness(found))
    if found.turns_per_session > 1.0:
        lines.append(f"{found.sessions:,} sessions of {found.turns_per_session:.1f} requests in the mean.")
    if found.classes:
        lines.append(f"Classes: {', '.join(found.classes)}.")
    lines.append(prefixes(found))
    if found.skipped:
        lines.append(f"{found.skipped} malformed rows were left out.")
    return lines


def rates(found: Described) -> str:
    """How many, how fast."""
    if not found.rate_per_s:
        return f"{found.requests:,} requests, all at once (or one): no rate."
    tokens = found.rate_per_s * found.output["mean_tokens"]
    return (
        f"{found.requests:,} requests in {length(found.span_s)}: {found.rate_per_s:.4g} per second, "
        f"{found.busiest_rate_per_s:.4g} in the busiest sixtieth; {tokens:,.0f} output tokens/s."
    )


def length(span_s: float) -> str:
    """A span as people say it."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if span_s >= 2 * size:
            return f"{span_s / size:.1f} {unit}"
    return seconds(span_s)


def burstiness(found: Described) -> str:
    """Against a Poisson process, by gaps and by counts."""
    if not math.isfinite(found.gap_cv):
        return "Too few arrivals to say how bursty they are."
    low, high = NEAR_POISSON
    cv = found.gap_cv
    judged = "burstier than" if cv > high else "more regular than" if cv < low else "about as bursty as"
    counts = ", ".join(f"{value:.1f} over {window} s" for window, value in found.dispersion.items())
    told = f"; counts vary {counts} times a Poisson process's" if counts else ""
    line = f"Arrivals are {judged} a Poisson process: gaps vary by {cv:.2f} of their mean{told}."
    if found.dispersion and list(found.dispersion.values())[-1] >= DRIFTING:
        line += " The rate itself changes over the span."
    if found.together_ratio >= SLOW_CLOCK_RATIO:
        share = f"{100 * found.together_ratio:.0f} %"
        line += f" {share} arrive at the very time of the one before: together, or by a clock that ticks slowly."
    return line


def prefixes(found: Described) -> str:
    """What a cache could hold."""
    if found.prefix_hit_ratio is None or found.prefix_tokens is None:
        return "No prefix hashes: what prompts share is not known."
    return (
        f"An unbounded prefix cache would hold {100 * found.prefix_hit_ratio:.1f} % of input tokens "
        f"({found.prefix_tokens:,} distinct tokens in all)."
    )


def flat(found: Described) -> dict[str, Any]:
    """For JSON."""
    return {"verb": "traffic", **dataclasses.asdict(found), "words": in_words(found)}
