"""`simcore traffic`: what a trace is like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Pictures, Quiet


def register(app: typer.Typer) -> None:
    app.command()(traffic)


def traffic(
    file: Annotated[Path, typer.Argument(help="A trace (CSV, JSON lines, JSON, parquet), or a scenario (.toml).")],
    columns: Annotated[
        str | None, typer.Option(help="arrival=when,input=prompt,output=completion; default: sniffed.")
    ] = None,
    time_unit: Annotated[str | None, typer.Option(help="Of numeric arrivals: s, ms, us, ns, min, h.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave malformed rows out, counted.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for traffic.html; default out/traffic.")] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rates, lengths, burstiness and shared prefixes of a trace, in words and on a page."""
    from commands.size import in_options
    from commands.terminal import print_json
    from reports.output import claim
    from reports.traffic import NAMES, write_traffic
    from workloads.describe import describe
    from workloads.described import flat, in_words

    folder = out if out is not None or as_json else Path("out") / "traffic"
    claim(folder, NAMES)
    with in_options():
        trace = trace_of(file, columns, time_unit, skip_bad)
    found = describe(trace)
    if folder is not None:
        write_traffic(folder, str(file), trace, found, pictures)
    if as_json:
        print_json(flat(found))
    elif not quiet:
        print("\n".join((*in_words(found), *(f"note: {line}" for line in found.reading))))
    if folder is not None and not (quiet or as_json):
        print(f"page: {folder / 'traffic.html'}")


def trace_of(file: Path, columns: str | None, time_unit: str | None, skip_bad: bool) -> Any:
    """The requests of a trace, or those that a scenario draws or reads. Raises InputError."""
    from commands.size import columns_of
    from scenarios.read import read
    from scenarios.traffic import traffic_of
    from simcore.errors import InputError
    from workloads.traces import TraceOptions, read_trace

    if file.suffix == ".toml":
        if columns or time_unit:
            raise InputError("is said in the scenario's [traffic]", key="--columns", fix="leave it out")
        return traffic_of(read(file), skip_bad)
    return read_trace(file, TraceOptions(columns=columns_of(columns), time_unit=time_unit), skip_bad)
