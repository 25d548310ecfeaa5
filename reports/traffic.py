"""The page of `traffic`: a trace in words and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reports import html
from reports.files import write_text
from reports.output import output_folder
from reports.style import PALETTE, figure, save
from simcore.spec.traffic import Trace
from workloads.describe import Described, prefix_hits, rate_over_time
from workloads.described import in_words, length

NAMES = ("traffic.html",)
CAPTION = (
    "Arrivals per second over the span (sixty intervals); lengths of inputs and outputs; gaps between arrivals beside "
    "those of a Poisson process of the same rate. Where prompts have hashes, a fourth: the share of input tokens that "
    "an unbounded cache would hold, as requests come."
)


def write_traffic(out: Path, name: str, trace: Trace, found: Described) -> None:
    """`traffic.html`, with its figure as PNG and SVG."""
    with output_folder(out, "traffic", NAMES) as folder:
        svg = save(drawn(trace), folder, "traffic")
        first, *rest = in_words(found)
        parts = [html.heading(name, 1), html.paragraph(first, "lead"), html.tiles(tiles(found))]
        parts += [*map(html.paragraph, rest), html.figure(svg, CAPTION)]
        parts += [html.paragraph(line) for line in found.reading]
        write_text(folder / "traffic.html", html.page(name, parts))


def tiles(found: Described) -> list[tuple[str, str]]:
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
    return items


def drawn(trace: Trace) -> Any:
    """Rate, lengths, gaps, prefixes."""
    hits = prefix_hits(trace)
    columns = 3 if hits is None else 4
    fig, axes = figure(4.0 * columns, 3.6, columns=columns)
    rate, lengths, gaps = axes[0][:3]
    rate.step(*rate_over_time(trace), where="mid", color=PALETTE[0])
    rate.set(xlabel="seconds", ylabel="requests/s", title="Arrivals", ylim=(0, None))
    for colour, name in zip(PALETTE, ("input", "output"), strict=False):
        lengths.plot(*shares(getattr(trace, f"{name}_tokens").astype(float)), color=colour, label=name)
    lengths.set(xscale="log", xlabel="tokens", ylabel="share of requests below", title="Lengths")
    lengths.legend(frameon=False, fontsize=8.5)
    between_s = np.diff(trace.arrival_s)
    if len(between_s) and between_s.max() > 0:
        values, share = shares(between_s)
        gaps.plot(values, 1.0 - share, color=PALETTE[0], label="this trace")
        line = np.linspace(0.0, values[-1], 200)
        gaps.plot(line, np.exp(-line / between_s.mean()), color=PALETTE[7], linestyle=":", label="Poisson")
        gaps.set(yscale="log", ylim=(0.5 / len(between_s), 1.2))
        gaps.legend(frameon=False, fontsize=8.5)
    gaps.set(xlabel="seconds between arrivals", ylabel="share of gaps above", title="Burstiness")
    if hits is not None:
        ratio = np.cumsum(hits) / np.cumsum(trace.input_tokens)
        axes[0][3].plot(np.arange(len(ratio)), ratio, color=PALETTE[0])
        axes[0][3].set(xlabel="requests", ylabel="share of input tokens", title="Seen before", ylim=(0, 1))
    return fig


def shares(values: Any) -> tuple[Any, Any]:
    """(sorted values, share of values at or below), thinned to a thousand points."""
    found = np.sort(values)
    at = np.unique(np.linspace(0, len(found) - 1, 1000).astype(int))
    return found[at], (at + 1.0) / len(found)
