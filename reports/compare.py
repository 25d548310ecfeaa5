"""The page of `compare`: what differed, what moved, and the latencies of every side over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planners.comparing.words import HEADER, in_words, row, text
from reports import html
from reports.files import write_text
from reports.output import output_folder
from reports.plots import colours_for
from reports.style import figure, plain_numbers, save

NAMES = ("compare.html",)
SHOWN = (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("e2e_s", "whole answer"))
RATIOS = (
    ("throughput_per_chip_tokens_per_s", "tokens/s per chip"),
    ("goodput_requests_per_s", "goodput"),
    ("attainment_ratio", "within the bounds"),
    ("ttft_p50_s", "TTFT median"),
    ("ttft_p99_s", "TTFT p99"),
    ("tpot_p50_s", "TPOT median"),
    ("tpot_p99_s", "TPOT p99"),
    ("usd_per_million_tokens", "USD per token"),
    ("energy_j_per_token", "J per token"),
    ("chip_power_w", "W per chip"),
    ("step_time_s", "training step"),
    ("mfu_ratio", "MFU"),
)
CAPTION = "Share of requests below a latency, every side; further left is better."
OVER = "Every side over the first, of figures that both have; 1 is no change."


def write_compare(out: Path, found: Sequence[Any]) -> None:
    """`compare.html`, with its figures as PNG and SVG."""
    with output_folder(out, "compare", NAMES) as folder:
        write_text(folder / "compare.html", html.page("Comparison", body(folder, found)))


def body(folder: Path, found: Sequence[Any]) -> list[str]:
    """The page from top to bottom."""
    sides = [found[0].base, *(one.other for one in found)]
    parts = [html.heading("What differs, and what it moves", 1)]
    for one in found:
        first, *rest = in_words(one)
        parts += [html.heading(first), *(html.paragraph(line) for line in rest)]
    if any(side.samples for side in sides):
        parts += [html.heading("Latencies"), html.figure(save(latencies(sides), folder, "latencies"), CAPTION)]
    if any(one.moves for one in found):
        parts += [html.heading("Figures"), html.figure(save(ratios(found), folder, "ratios"), OVER)]
    for one in found:
        inputs = [[each.key, text(each.before), text(each.after)] for each in one.differences]
        if inputs:
            parts += [html.heading(f"Inputs of {one.other.name}", 3)]
            parts += [html.table(["input", "before", "after"], inputs, ["input", "before", "after"])]
        rows = [row(move) for move in one.moves]
        parts += [html.details(f"all figures of {one.other.name}", html.table(list(HEADER), rows, HEADER[:1]))]
    notes = dict.fromkeys(f"{side.name}: {note}" for side in sides for note in side.notes)
    return parts + ([html.heading("Notes"), *map(html.paragraph, notes)] if notes else [])


def latencies(sides: Sequence[Any]) -> Any:
    """Distributions of every side that has requests."""
    shown = [(key, name) for key, name in SHOWN if any(len(side.samples.get(key, ())) for side in sides)]
    fig, axes = figure(4.2 * len(shown), 4.0, columns=len(shown))
    colours = colours_for([side.name for side in sides])
    for ax, (key, name) in zip(axes[0], shown, strict=True):
        for side in sides:
            values = np.sort(side.samples.get(key, np.empty(0)))
            if len(values):
                share = np.arange(1, len(values) + 1) / len(values)
                ax.plot(np.maximum(values, 1e-6), share, color=colours[side.name], label=side.name)
        ax.set(xscale="log", xlabel="seconds", ylabel="share of requests", title=name)
        plain_numbers(ax.xaxis)
    axes[0][0].legend(frameon=False, fontsize=8.5)
    return fig


def ratios(found: Sequence[Any]) -> Any:
    """Figures of every side over the first, as dots on a log axis."""
    names = [(key, name) for key, name in RATIOS if any(at(one, key) is not None for one in found)]
    fig, axes = figure(9.0, 1.2 + 0.34 * max(len(names), 1))
    ax = axes[0][0]
    colours = colours_for([one.other.name for one in found])
    for one in found:
        pairs = [(at(one, key), place) for place, (key, _) in enumerate(names) if at(one, key) is not None]
        if pairs:
            values, places = zip(*pairs, strict=True)
            ax.plot(values, places, "o", color=colours[one.other.name], label=one.other.name)
    ax.axvline(1.0, color="#566270", linewidth=1)
    ax.set(xscale="log", xlabel=f"over {found[0].base.name}", yticks=range(len(names)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    ax.xaxis.set_minor_formatter(lambda value, _: f"{value:.2g}")
    ax.set_yticklabels([name for _, name in names])
    ax.invert_yaxis()
    ax.legend(frameon=False, fontsize=8.5)
    return fig


def at(one: Any, key: str) -> float | None:
    """The ratio of a figure; None where there is none that a log axis can show."""
    found = next((move.ratio for move in one.moves if move.name == key), None)
    return found if found is not None and 0.0 < found < float("inf") else None
