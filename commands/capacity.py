"""`simcore capacity`: the highest rate, or the fewest replicas, within the SLO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Calibration, File, Json, Launch, Pictures, Quiet, Set, asked


def register(app: typer.Typer) -> None:
    app.command()(capacity)


def capacity(
    scenario: File,
    changes: Set = None,
    launch: Launch = None,
    find: Annotated[str, typer.Option(help="`rate`: highest rate; `replicas`: fewest replicas at the rate.")] = "rate",
    tolerance: Annotated[float, typer.Option(help="Relative width at which the search stops.", min=1e-4)] = 0.01,
    most: Annotated[int, typer.Option(help="Largest number of replicas tried.", min=1)] = 1024,
    calibration: Calibration = None,
    out: Annotated[Path | None, typer.Option(help="Folder for capacity.html.")] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The highest rate, or fewest replicas, within the SLO.

    A share `slo.attainment` of all requests must meet it.
    """
    from commands.terminal import print_json
    from reports.capacity import NAMES, in_words, is_found, write_capacity
    from reports.output import claim
    from scenarios.capacity import capacity as found_for

    claim(out, NAMES)
    question = asked(scenario, changes, launch=launch)
    report = found_for(question, find, tolerance, most)
    if out is not None:
        write_capacity(out, question, report, pictures)
    if as_json:
        print_json(report)
    elif not quiet:
        print(in_words(report))
        if out is not None:
            print(f"page: {out / 'capacity.html'}")
    if not is_found(report):
        raise typer.Exit(1)
