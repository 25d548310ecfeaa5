"""`simcore simulate`: the event engine on a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, File, HostLink, Json, Launch, Pictures, Quiet, Set, asked


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    scenario: File,
    changes: Set = None,
    launch: Launch = None,
    link: HostLink = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for simulate.html, requests.parquet, series.csv, summary.json.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs with different seeds, for confidence intervals.", min=1)] = 1,
    timeline: Annotated[
        str | None, typer.Option(help="Write a trace of START:END seconds to --out, for Perfetto.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Verify the numbered invariants.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave malformed trace rows out, counted.")] = False,
    calibration: Calibration = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Serve a scenario's traffic request by request.

    Latencies, goodput, utilisation, energy and cost; see examples/simulate-llama-70b.toml.
    """
    from commands.terminal import print_json, progress
    from reports.output import claim
    from reports.serving import NAMES, write_run
    from scenarios.simulate import simulate as served

    window = window_of(timeline, out)
    claim(out, NAMES)
    question = asked(scenario, changes, launch=launch, link=link)
    with progress(quiet or as_json, question.name) as update:
        logged = TRACED if window else DRAWN if out is not None else 0
        found = served(question, seeds, skip_bad, check, logged, update)
    if found.run is None:
        refused = found.flat | {"infeasible": found.ready.infeasible}
        print_json(refused) if as_json else print(found.ready.infeasible)
        raise typer.Exit(1)
    if out is not None:
        write_run(out, found, question, window, pictures)
    if as_json:
        print_json(found.flat | found.report)
    elif not quiet:
        show(found, out)


TRACED, DRAWN = 1_000_000, 300_000
"""steps of all replicas that a trace holds, and that the parts of TPOT on a page are read from"""


def window_of(timeline: str | None, out: Path | None) -> tuple[float, float] | None:
    """START:END of `--timeline` in seconds. Raises InputError for what is no window, and where nothing is written."""
    from simcore.errors import InputError

    if timeline is None:
        return None
    try:
        start, end = (float(part) for part in timeline.split(":"))
    except ValueError:
        start, end = 0.0, 0.0
    if not 0 <= start < end:
        raise InputError(f"{timeline!r} is no window", key="--timeline", fix="write START:END in seconds, e.g. 0:10")
    if out is None:
        raise InputError("goes into --out", key="--timeline", fix="give --out FOLDER too")
    return start, end


PLAIN = ("requests", "served", "refused", "preemptions", "skipped_rows", "role_switches")
RATES = (
    ("output tokens/s", "throughput_tokens_per_s"),
    ("requests/s", "throughput_requests_per_s"),
    ("goodput requests/s", "goodput_requests_per_s"),
    ("SLO attainment", "attainment_ratio"),
    ("utilisation", "utilisation_ratio"),
    ("KV occupancy", "kv_occupancy_ratio"),
    ("cache hits", "cache_hit_ratio"),
    ("W/chip", "chip_power_w"),
    ("energy J/token", "energy_j_per_token"),
    ("USD/M tokens", "usd_per_million_tokens"),
)


def show(found: Any, out: Path | None) -> None:
    """The table of a run, and what a reader must know of it."""
    from commands.terminal import digits, print_table

    report, ready = found.report, found.ready
    keys = ("mean", "p50", "p90", "p95", "p99", "p99.9")
    rows = [
        [metric.removesuffix("_s").upper(), *(digits(1e3 * report[metric][key]) for key in keys)]
        for metric in ("ttft_s", "tpot_s", "itl_s", "e2e_s", "queue_s")
    ]
    print_table(["ms", *keys], rows, title=ready.scenario.name, left=["ms"])
    if ready.has_bounds:
        from reports.serving import answer

        print(answer(report, ready)[0][0])
    print(", ".join(f"{key.replace('_', ' ')} {report[key]}" for key in PLAIN if key in report))
    print(", ".join(f"{label} {digits(report[key])}" for label, key in RATES if report.get(key) is not None))
    if report.get("kv_tokens") is not None:
        held = report.get("max_concurrency")
        print(f"KV pool: {report['kv_tokens']:,} tokens" + (f", {held:,} requests of the mean length" if held else ""))
    for tier, told in report.get("tiers", {}).items():
        shares = f"hits {told['hit_ratio']:.4g}, steps waited {told['waited_s']:.4g} s"
        print(f"tier {tier}: {shares}, hashes written {told['written_hashes']}, forgotten {told['forgotten_hashes']}")
    if "power" in report:
        power = report["power"]
        watts = f"mean {power['mean_power_w']:.4g} W, highest of a replica {power['peak_replica_power_w']:.4g} W"
        print(f"power: {watts}, idle energy {power['idle_energy_j']:.4g} J, clock changes {power['clock_changes']}")
    told_of(found.flat)
    if out is not None:
        print(f"page: {out / 'simulate.html'}")


def told_of(flat: dict[str, Any]) -> None:
    """Formats, stack and notes of an answer."""
    if flat["formats"]:
        print("formats: " + ", ".join(f"{k} {v}" for k, v in flat["formats"].items()) + f"; stack {flat['stack']}")
    for note in flat["notes"]:
        print(f"note: {note}")
