"""The page of `traffic`: a trace in words and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reports.output import output_folder
from reports.page import Axis, Lines, Notes, Page, Tiles, write_page
from reports.serving import curve
from simcore.spec.traffic import Trace
from workloads.describe import Described, prefix_hits, rate_over_time
from workloads.described import in_words, length

NAMES = ("traffic.html",)
MOST_POINTS = 400


def write_traffic(out: Path, name: str, trace: Trace, found: Described, pictures: bool = False) -> None:
    """`traffic.html`."""
    with output_folder(out, "traffic", NAMES) as folder:
        write_page(folder, "traffic.html", page_of(name, trace, found), pictures)


def page_of(name: str, trace: Trace, found: Described) -> Page:
    """The page from top to bottom."""
    first, *rest = in_words(found)
    blocks: list[Any] = [tiles(found), arrivals(trace), lengths(trace), *gaps(trace), *seen_before(trace)]
    if found.reading:
        blocks.append(Notes("How it was read", found.reading, is_open=True))
    return Page("traffic", name, first, rest, blocks)


def tiles(found: Described) -> Tiles:
    """Its main figures."""
    items = [
        (f"{found.requests:,}", "requests"),
        (length(found.span_s), "span"),
        (f"{found.rate_per_s:.3g}", "requests/s"),
        (f"{found.input['mean_tokens']:,.0f}", "input tokens, mean"),
        (f"{found.output['mean_tokens']:,.0f}", "output tokens, mean"),
    ]
    if np.isfinite(found.gap_cv):
        items.append((f"{found.gap_cv:.2f}", "variation of gaps (Poisson 1)"))
    if found.prefix_hit_ratio is not None:
        items.append((f"{100 * found.prefix_hit_ratio:.0f} %", "of input seen before"))
    return Tiles(items)


def arrivals(trace: Trace) -> Lines:
    """Arrivals per second over the span."""
    times, rates = rate_over_time(trace)
    caption = "Arrivals per second in sixty intervals."
    series = [("arrivals", np.asarray(times).tolist(), np.asarray(rates).tolist())]
    return Lines("Arrivals", series, Axis("seconds"), Axis("requests/s"), is_step=True, caption=caption)


def lengths(trace: Trace) -> Lines:
    """Lengths of inputs and outputs."""
    series = [(name, *curve(getattr(trace, f"{name}_tokens").astype(float))) for name in ("input", "output")]
    return Lines("Lengths", series, Axis("tokens", True), Axis("share of requests below"))


def gaps(trace: Trace) -> list[Lines]:
    """Gaps between arrivals beside those of a Poisson process of the same rate."""
    between_s = np.sort(np.diff(trace.arrival_s))
    if not len(between_s) or between_s[-1] <= 0:
        return []
    at = np.unique(np.linspace(0, len(between_s) - 1, MOST_POINTS).round().astype(int))
    line = np.linspace(0.0, between_s[-1], MOST_POINTS)
    least = 0.5 / len(between_s)
    poisson = np.exp(-line / between_s.mean())
    series = [
        ("this trace", between_s[at].tolist(), (1.0 - (at + 0.5) / len(between_s)).tolist()),
        ("Poisson", line[poisson > least].tolist(), poisson[poisson > least].tolist()),
    ]
    caption = "Gaps between arrivals beside those of a Poisson process of the same rate."
    return [
        Lines(
            "Burstiness", series, Axis("seconds between arrivals"), Axis("share of gaps above", True), caption=caption
        )
    ]


def seen_before(trace: Trace) -> list[Lines]:
    """The share of input tokens that an unbounded cache would hold, where prompts have hashes."""
    hits = prefix_hits(trace)
    if hits is None:
        return []
    ratio = np.cumsum(hits) / np.cumsum(trace.input_tokens)
    at = np.unique(np.linspace(0, len(ratio) - 1, MOST_POINTS).round().astype(int))
    caption = "The share of input tokens that an unbounded cache would hold, as requests come."
    series = [("seen before", at.tolist(), ratio[at].tolist())]
    return [Lines("Seen before", series, Axis("requests"), Axis("share of input tokens"), caption=caption)]
