"""Files of a simulated run: the page, requests.parquet, series.csv, summary.json, asked.json, a trace for Perfetto."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.files import write_text
from reports.output import output_folder
from reports.page import Axis, Bars, Lines, Notes, Page, Table, Tiles, write_page
from reports.page.blocks import Block
from simcore.spec.scenario import Scenario
from simcore.spec.version import VERSION
from simcore.unit_text import seconds

if TYPE_CHECKING:
    from planners.whatif.assumed import Moved

NAMES = ("requests.parquet", "series.csv", "simulate.html", "summary.json", "asked.json")
MOST_POINTS = 400
MOST_REPLICAS = 64
"""of which a page shows curves"""
MOST_BINS = 6000
"""of the curves of all replicas together"""
METRICS = (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("e2e_s", "end to end"), ("itl_s", "ITL"), ("queue_s", "queue"))
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "p99.9")
SERIES = (
    ("waiting", "Queue", "requests that wait"),
    ("running", "Running", "requests that run"),
    ("kv_ratio", "KV cache", "share of the KV blocks in use"),
    ("power_w", "Power", "W of a replica's chips while steps run"),
)


def write_run(
    folder: Path,
    found: Any,
    asked: Scenario,
    window: tuple[float, float] | None = None,
    pictures: bool = False,
) -> None:
    """Write a run's files to `folder` as one set, the question among them; see `reports.output`."""
    from reports.perfetto import of_run, write_trace

    run = found.run
    with output_folder(folder, "simulate", NAMES) as stage:
        write_requests(stage / "requests.parquet", run)
        write_series(stage / "series.csv", run)
        write_page(stage, "simulate.html", page_of(found), pictures)
        if window is not None:
            write_trace(stage / "timeline.json", of_run(run, window))
        told = {"simcore": VERSION, "scenario": asked.tables()}
        for name, what in (("summary.json", plain(found.report)), ("asked.json", told)):
            write_text(stage / name, json.dumps(what, indent=1) + "\n")


def plain(value: Any) -> Any:
    """NaN and infinity as null, numpy numbers as Python's."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_requests(path: Path, run: Any) -> None:
    """One row per request: what it asked, when things happened, the metrics, where it ran."""
    import pyarrow
    import pyarrow.parquet

    from simcore.engine.metrics import request_metrics

    rows = run.requests
    names = (
        "arrival_s",
        "input_tokens",
        "output_tokens",
        "scheduled_s",
        "first_token_s",
        "done_s",
        "cached_tokens",
        "preemptions",
        "replica",
        "session",
        "tenant",
        "slo_class",
        "state",
    )
    columns = {name: np.ascontiguousarray(rows[name]) for name in names} | request_metrics(run)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd")


def write_series(path: Path, run: Any) -> None:
    """Time series of every replica."""
    from simcore.engine.metrics import series

    with path.open("w", encoding="utf-8") as stream:
        for number in range(len(run.replicas)):
            columns = series(run, number)
            if number == 0:
                stream.write(",".join(["replica", *columns]) + "\n")
            for values in zip(*columns.values(), strict=True):
                stream.write(",".join([str(number), *(f"{v:.6g}" for v in values)]) + "\n")


def page_of(found: Any) -> Page:
    """The page from top to bottom."""
    from planners.whatif.assumed import assumed

    report, ready, flat = found.report, found.ready, found.flat
    told, is_no = answer(report, ready)
    blocks: list[Block] = [
        tiles(flat),
        *distributions(found),
        *breakdown(found),
        *over_time(found.run),
        latencies(report),
    ]
    if "by_class" in report:
        blocks.append(classes(report["by_class"]))
    blocks += basis(flat, assumed(ready.scenario))
    return Page("simulate", ready.scenario.title or ready.scenario.name, told[0], told[1:], blocks, is_no=is_no)


def answer(report: dict[str, Any], ready: Any) -> tuple[list[str], bool]:
    """(what came out, whether the SLO is missed)."""
    served = f"{report['served']:,} of {report['requests']:,} requests served"
    ttft, tpot = ({s: seconds(number(report[key][s])) for s in ("p50", "p99")} for key in ("ttft_s", "tpot_s"))
    times = f"TTFT {ttft['p50']} median, {ttft['p99']} p99; TPOT {tpot['p50']} median, {tpot['p99']} p99"
    rate = f"{report['throughput_tokens_per_s']:,.0f} output tokens/s"
    more = f"{served}: {times}; {rate}."
    if not ready.has_bounds:
        return [f"{served} at {rate}; no SLO is stated.", more], False
    kept = judged(report, ready)
    is_met = all(good for _, good in kept)
    verdict = "The SLO is met" if is_met else "The SLO is missed"
    return [f"{verdict}: {'; '.join(text for text, _ in kept)}.", more], not is_met


def judged(report: dict[str, Any], ready: Any) -> list[tuple[str, bool]]:
    """(what was asked and found, whether that is enough) of every part of the SLO."""
    slo, found = ready.scenario.slo, []
    share = report.get("attainment_ratio")
    if share is not None:
        asked = f"{100 * share:.1f} % of requests keep {bounds(ready)}, {100 * slo.attainment:.3g} % are asked"
        found.append((asked, share >= slo.attainment))
    for name, key, statistic, most in (
        ("ITL", "itl_s", "p99", slo.itl_p99_s),
        ("queue", "queue_s", "p50", slo.queue_p50_s),
    ):
        if most is not None:
            value = number(report[key][statistic])
            text = f"{name} {statistic} {seconds(value)}, at most {seconds(most)} is asked"
            found.append((text, value is not None and value <= most))
    return found


def bounds(ready: Any) -> str:
    """The bounds of the scenario in words."""
    if len(ready.slos) != 1:
        return "the bounds of their class"
    return " and ".join(f"{name} {seconds(value)}" for name, value in bounds_of(ready.slos[0]))


def bounds_of(slo: Any) -> list[tuple[str, float]]:
    """(metric, seconds) of what is bounded."""
    pairs = (("TTFT", slo.ttft_s), ("TPOT", slo.tpot_s), ("end to end", slo.e2e_s))
    return [(name, float(value)) for name, value in pairs if np.isfinite(value)]


def number(value: Any) -> float | None:
    """A finite number, or None."""
    return None if value is None or not np.isfinite(value) else float(value)


def tiles(flat: dict[str, Any]) -> Tiles:
    """The main figures of an answer, those that there are."""
    items = [
        (seconds(flat.get("ttft_p50_s")), "TTFT median"),
        (seconds(flat.get("tpot_p50_s")), "TPOT median"),
        (short(flat.get("throughput_tokens_per_s")), "output tokens/s"),
        (short(flat.get("throughput_per_chip_tokens_per_s")), "output tokens/s per chip"),
        (short(flat.get("goodput_requests_per_s")), "requests/s within the SLO"),
        (short(flat.get("usd_per_million_tokens")), "USD per million tokens"),
        (short(flat.get("energy_j_per_token")), "J per token"),
        (short(flat.get("chip_power_w")), "W per chip"),
        (short(flat.get("preemptions")), "preemptions"),
    ]
    return Tiles([(value, what) for value, what in items if value != "-"])


def short(value: Any) -> str:
    """A number in four digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def distributions(found: Any) -> list[Lines]:
    """Share of requests below each latency as clients see it, one curve per SLO class, with the bounds."""
    from scenarios.report import seen_by_clients
    from simcore.engine.metrics import request_metrics

    run, ready = found.run, found.ready
    columns = request_metrics(run) | seen_by_clients(run, ready)
    names = ready.trace.slo_names if ready.trace.slo_class is not None else ()
    groups = [(names[k], run.requests["slo_class"] == k) for k in range(len(names))] or [("all requests", slice(None))]
    drawn = []
    for key, name in METRICS:
        series = [(group, *curve(columns[key][mask])) for group, mask in groups if key in columns]
        rules = [(value, f"{seconds(value)}") for slo in ready.slos for what, value in bounds_of(slo) if what == name]
        if any(len(xs) for _, xs, _ in series):
            drawn.append(
                Lines(
                    name,
                    series,
                    Axis("seconds", True),
                    Axis("share of requests below"),
                    along=sorted(set(rules)),
                    caption="" if not rules else "Dashed: the bound.",
                )
            )
    return drawn


def curve(values: np.ndarray) -> tuple[Sequence[float], Sequence[float]]:
    """(sorted positive values, share at or below), thinned."""
    found = np.sort(values[np.isfinite(values)])
    if not len(found):
        return [], []
    at = np.unique(np.linspace(0, len(found) - 1, MOST_POINTS).round().astype(int))
    return np.maximum(found[at], 1e-5).tolist(), ((at + 1.0) / len(values)).tolist()


def breakdown(found: Any) -> list[Bars]:
    """Where TTFT and TPOT go in the mean."""
    from scenarios.parts import time_parts

    told = time_parts(found.run, found.ready)
    captions = {
        "ttft": "Mean over served requests; front end: what the server adds before the scheduler and after the token.",
        "tpot": "Mean over tokens after the first; between steps: stalled by steps that only prefill, or preempted.",
    }
    return [
        Bars(
            f"Where {name.upper()} goes",
            [(name.upper(), {part: 1e3 * s for part, s in parts.items()})],
            "ms",
            caption=captions[name],
        )
        for name, parts in told.items()
        if parts
    ]


def over_time(run: Any) -> list[Lines]:
    """Queue, running, KV and power of all replicas."""
    from simcore.engine.metrics import series

    count = len(run.replicas)
    shown = np.unique(np.linspace(0, count - 1, min(count, MOST_REPLICAS)).round().astype(int)).tolist()
    bins = int(np.clip(MOST_BINS // len(shown), 60, MOST_POINTS))
    columns = {at: merged(series(run, at), bins) for at in shown}
    caption = "" if len(shown) == count else f"{len(shown)} of {count} replicas, evenly chosen."
    return [
        Lines(
            title,
            [(f"replica {at}", one["start_s"].tolist(), one[key].tolist()) for at, one in columns.items()],
            Axis("seconds"),
            Axis(label),
            is_step=True,
            caption=caption,
        )
        for key, title, label in SERIES
        if any(one[key].any() for one in columns.values())
    ]


def merged(columns: dict[str, np.ndarray], bins: int) -> dict[str, np.ndarray]:
    """Series with at most so many bins, each the mean of those that it takes the place of."""
    count = len(columns["start_s"])
    width = -(-count // bins)
    starts = np.arange(0, count, width)
    sizes = np.diff([*starts, count])
    return {
        key: values[starts] if key == "start_s" else np.add.reduceat(values, starts) / sizes
        for key, values in columns.items()
    }


def latencies(report: dict[str, Any]) -> Table:
    """Statistics of every latency."""
    rows: list[list[Any]] = [
        [name, *((seconds(number(report[key].get(s))), number(report[key].get(s)) or 0.0) for s in STATISTICS)]
        for key, name in METRICS
        if key in report
    ]
    return Table("Latencies", ["latency", *STATISTICS], rows, left=("latency",))


def classes(groups: dict[str, Any]) -> Table:
    """Figures of every SLO class."""
    rows = [
        [
            name,
            f"{one['requests']:,}",
            f"{100 * one['attainment_ratio']:.1f}",
            *(seconds(number(one[key][s])) for key in ("ttft_s", "tpot_s") for s in ("p50", "p99")),
        ]
        for name, one in groups.items()
    ]
    header = ["class", "requests", "within bounds, %", "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99"]
    return Table("By class", header, rows, left=("class",))


def basis(flat: dict[str, Any], moved: Sequence[Moved] = ()) -> list[Notes]:
    """Formats, stack, notes and assumptions of an answer, those that move it most first where that is known."""
    lines = list(flat.get("notes") or ())
    if flat.get("formats"):
        formats = ", ".join(f"{name} {form}" for name, form in flat["formats"].items())
        lines.insert(0, f"Formats: {formats}; stack {flat['stack']}.")
    for name, ends in (flat.get("intervals") or {}).items():
        metric, _, statistic = name.removesuffix("_s").partition("_")
        if ends:
            between = f"{seconds(ends[0])} to {seconds(ends[1])}"
            lines.append(
                f"Four of five such predictions of the {statistic} {metric.upper()} were measured within {between}."
            )
    found = [Notes("What this rests on", lines, is_open=True)] if lines else []
    return [*found, *assumptions(flat, moved)]


def assumptions(flat: Mapping[str, Any], moved: Sequence[Moved]) -> list[Notes]:
    """Assumed numbers, folded, those that move the answer most first where that is known."""
    from planners.whatif.assumed import FACTOR, lines

    told = lines(list(flat.get("assumptions") or ()), moved)
    if not told:
        return []
    how = f", first what moves most over and times {FACTOR}" if moved else ""
    return [Notes(f"Assumed numbers ({len(told)}){how}", told)]
