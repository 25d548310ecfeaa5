"""Pages of `validate`: predictions against measurements, the errors by whatever tells rows apart, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.page import Axis, Lines, Notes, Page, Points, Ranges, Table, Tiles
from reports.page.blocks import Block
from reports.serving import curve
from simcore.unit_text import seconds

MOST_POINTS = 2500
CLOSE = "Dots on the line are right; the axes can be changed to the error against whatever tells rows apart."
BENCH = "Predicted over measured; the bar is the told 80 % interval, 1 is right."


def against(title: str, columns: Mapping[str, Sequence[Any]], unit: str, colour: str, filters: Sequence[str]) -> Points:
    """Predicted against measured; `columns` have both, in `unit`, and what tells rows apart."""
    measured = np.asarray(columns["measured"], float)
    predicted = np.asarray(columns["predicted"], float)
    good = np.flatnonzero(np.isfinite(measured) & np.isfinite(predicted) & (measured > 0) & (predicted > 0))
    if len(good) > MOST_POINTS:
        good = good[np.linspace(0, len(good) - 1, MOST_POINTS).round().astype(int)]
    data: dict[str, Sequence[Any]] = {name: [values[int(i)] for i in good] for name, values in columns.items()}
    data["error, %"] = (100.0 * (predicted[good] / measured[good] - 1.0)).tolist()
    axes = {
        "measured": Axis(f"measured, {unit}", True),
        "predicted": Axis(f"predicted, {unit}", True),
        "error, %": Axis("error, %"),
    }
    numbers = [name for name, values in data.items() if name not in axes and values and isinstance(values[0], int)]
    axes |= {name: Axis(name, min(data[name]) > 0) for name in numbers}
    ends = [float(measured[good].min()), float(measured[good].max())] if len(good) else [1.0, 1.0]
    shown = [name for name in filters if 1 < len(set(data[name])) <= 40]
    return Points(
        title,
        data,
        axes,
        "measured",
        "predicted",
        colour=colour,
        filters=shown,
        curves=[("", ends, ends)],
        caption=CLOSE,
    )


def operators_page(summary: Mapping[str, Any], scored: Any) -> Page:
    """The page of `validate operators`."""
    title = f"{summary['operation']} on {summary['chip']}"
    coverage = f"{summary['rows']:,} rows, {100 * summary['coverage']:.1f} % predicted"
    if "groups" not in summary:
        return Page("validate operators", title, f"No prediction can be judged: {coverage}.", (), (), is_no=True)
    known = summary.get("newest") or summary["groups"][0]
    off = f"{100 * known['median']:.1f} % off in the median, {100 * known['p90']:.1f} % at the 90th percentile"
    first = f"Predictions are {off}."
    inside = (
        f"{100 * summary['within_interval']:.0f} % of the measurements lie within the stated interval (80 % expected)"
    )
    labels = [scored.label[g] if g >= 0 else ("", "", "", "") for g in scored.group]
    columns = {
        "measured": (scored.measured_s * 1e6).tolist(),
        "predicted": (scored.predicted_s * 1e6).tolist(),
        **{name: [label[at] for label in labels] for at, name in enumerate(("stack", "version", "format", "kernel"))},
        "how": [str(reason) or "calibrated" for reason in scored.reason],
        "row": list(range(len(labels))),
    }
    header = ["stack", "version", "format", "kernel", "by", "rows", "median %", "mean %", "P90 %", "bias %"]
    cells = [
        [
            *(str(one[name]) for name in ("stack", "version", "format", "kernel", "source")),
            str(one["rows"]),
            *errors(one),
        ]
        for one in summary["groups"]
    ]
    bands = [[one["stack"], one["band"], str(one["rows"]), *errors(one)] for one in summary["bands"]]
    blocks: list[Block] = [
        Tiles([(f"{100 * known[name]:.1f} %", name) for name in ("median", "mean", "p90", "bias")]),
        against("Predicted against measured", columns, "us", "stack", ("version", "format", "kernel", "how")),
        Table("Errors", header, cells, header[:5]),
        Table("By size", ["stack", "measured time", "rows", *header[6:]], bands, ("stack", "measured time")),
    ]
    return Page("validate operators", title, first, [f"{coverage}; {inside}."], blocks)


def errors(one: Mapping[str, float]) -> list[str]:
    """Cells of an entry of errors."""
    return [f"{100 * one[name]:.1f}" for name in ("median", "mean", "p90", "bias")]


def serving_page(summary: Mapping[str, Any], scored: Mapping[str, Any]) -> Page:
    """The page of `validate serving`."""
    told = []
    for mode in ("agg", "disagg"):
        if mode in summary:
            whole = summary[mode]["all"]
            parts = [
                f"{name.upper()} {whole[name]['median']:.1f} / {whole[name]['p90']:.1f} %" for name in ("tpot", "ttft")
            ]
            told.append(
                f"{mode}: {', '.join(parts)} off (median / P90), {100 * summary[mode]['coverage']:.1f} % predicted"
            )
    rows = scored["rows"]
    apart: dict[str, Sequence[Any]] = {
        "stack": [str(row.question.stack) for row in rows],
        "model": [str(row.question.model) for row in rows],
        "system": [str(row.question.system) for row in rows],
        "mode": [str(row.question.mode) for row in rows],
        "users": [int(row.question.users) for row in rows],
    }
    figures = [
        against(
            f"{name.removesuffix('_s').upper()}, predicted against measured",
            {
                "measured": [1e3 * getattr(row, name) for row in rows],
                "predicted": (1e3 * scored[name]).tolist(),
                **apart,
            },
            "ms",
            "stack",
            ("model", "system", "mode"),
        )
        for name in ("tpot_s", "ttft_s")
    ]
    refused = [f"{count} rows refused: {reason}" for reason, count in summary.get("refused", {}).items()]
    notes = [Notes("What is not predicted", refused)] if refused else []
    first = told[0][0].upper() + told[0][1:] + "." if told else "No row can be judged."
    counts = Tiles([(f"{summary[name]:,}", name) for name in ("rows", "predicted", "distinct") if name in summary])
    return Page(
        "validate serving", "Measured serving", first, [f"{one}." for one in told[1:]], [counts, *figures, *notes]
    )


def requests_page(report: Mapping[str, Any], recorded: Any, predicted: Mapping[str, Any]) -> Page:
    """The page of `validate requests`; `predicted` latencies by name, `[requests]`."""
    off = report["error_percent"]
    names = {"ttft_s": "TTFT", "tpot_s": "TPOT", "e2e_s": "end to end"}
    told = ", ".join(f"{label} {off[name]['mean']:+.1f} %" for name, label in names.items())
    keys = ("mean", "p50", "p90", "p99")
    cells = [[label, *(f"{off[name][key]:+.2f}" for key in keys)] for name, label in names.items()]
    both = [("measured", recorded.measured), ("predicted", None)]
    figures = [
        Lines(
            label,
            [
                (who, *curve(np.asarray(predicted[name] if of is None else getattr(of, name), float)))
                for who, of in both
            ],
            Axis("seconds", True),
            Axis("share of requests below"),
        )
        for name, label in names.items()
    ]
    queue = report["queue"]
    if queue:
        spans = list(range(len(queue["predicted"])))
        series = [(who, spans, queue[who]) for who in ("measured", "predicted") if who in queue]
        figures.append(Lines("Queue", series, Axis("seconds"), Axis("requests that wait"), is_step=True))
    notes = [Notes("Assumed", list(report["assumed"]))] if report["assumed"] else []
    table = Table("Errors, %", ["latency", *keys], cells, ("latency",))
    return Page(
        "validate requests",
        f"{report['run']}, {report['profile']}",
        f"Off in the mean: {told}.",
        (),
        [*figures, table, *notes],
    )


def bench_page(found: Sequence[Mapping[str, Any]]) -> Page:
    """The page of `validate bench`."""
    blocks: list[Any] = []
    for one in found:
        metrics = one["metrics"]
        rows = [(m["name"], m["predicted"] / m["measured"], *over(m), one["load"]) for m in metrics]
        cells = [
            [
                m["name"],
                shown(m["name"], m["measured"]),
                shown(m["name"], m["predicted"]),
                f"{m['error_percent']:+.1f}",
                m["inside"] or "-",
            ]
            for m in metrics
        ]
        blocks.append(
            Ranges(f"Predicted over measured: {one['load']}", rows, Axis("predicted / measured", True), 1.0, BENCH)
        )
        header = ["figure", "measured", "predicted", "error, %", "80 % interval"]
        blocks.append(Table(one["load"], header, cells, ("figure", "80 % interval")))
    worst = max((m for one in found for m in one["metrics"]), key=lambda m: abs(m["error_percent"]))
    middle = float(np.median([abs(m["error_percent"]) for one in found for m in one["metrics"]]))
    most = f"the worst is {worst['name']}, {worst['error_percent']:+.1f} %"
    first = f"Predictions are {middle:.1f} % off in the median; {most}."
    notes = list(dict.fromkeys(note for one in found for note in one["notes"]))
    return Page("validate bench", found[0]["load"], first, (), [*blocks, Notes("Notes", notes)] if notes else blocks)


def over(metric: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The told interval over the measurement."""
    low, high = metric.get("interval") or (None, None)
    return (None, None) if low is None else (low / metric["measured"], high / metric["measured"])


def shown(name: str, value: float) -> tuple[str, float]:
    """A figure with its unit."""
    is_time = name.endswith("_s") and "per_s" not in name
    return (seconds(value) if is_time else f"{value:.4g}"), float(value)
