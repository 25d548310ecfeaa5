"""`simcore capacity`: the highest rate, or the fewest replicas, within the SLO."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.asked import Calibration, File, Json, Launch, Quiet, Set, asked


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
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """The highest rate, or fewest replicas, within the SLO.

    A share `slo.attainment` of all requests must meet it.
    """
    from commands.terminal import print_json
    from scenarios.capacity import capacity as found_for

    report = found_for(asked(scenario, changes, launch=launch), find, tolerance, most)
    if as_json:
        print_json(report)
    elif not quiet:
        print(report["infeasible"] if "infeasible" in report else in_words(report))
    if "infeasible" in report or not report.get("rate_requests_per_s", report.get("replicas")):
        raise typer.Exit(1)


def in_words(report: dict[str, Any]) -> str:
    """One line for a person about what `capacity` found."""
    share = f"{100 * report['attainment_ratio']:.1f} % of requests meet the SLO ({report['runs']} runs)"
    if not report.get("rate_requests_per_s", report.get("replicas")):
        tried = "any rate" if "rate_requests_per_s" in report else "as many replicas as --most allows"
        return f"the SLO is not met at {tried}: {share}"
    if "rate_requests_per_s" in report:
        what = f"{report['rate_requests_per_s']:.4g} requests/s, {report['rate_ratio']:.4g} times the scenario's rate,"
    else:
        pools = ", ".join(f"{count} {name}" for name, count in (report.get("pools") or {}).items())
        what = f"{report['replicas']} replicas{f' ({pools})' if pools else ''}"
    return f"{what} on {report['chips']} chips: {share}"
