"""`simcore sweep` and `simcore report`: many plans, ranked and plotted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command()(sweep)
    app.command()(report)


def sweep(
    study: Annotated[Path, typer.Argument(help="Study file (TOML); see examples/.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the results; default out/NAME.")] = None,
    top: Annotated[int, typer.Option(help="Rows to print.", min=1)] = 20,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the ranked rows as JSON.")] = False,
) -> None:
    """Evaluate every plan of a study and write a report.

    Writes results.parquet, frontier.csv, plots and report.html.
    """
    import simcore
    from commands.terminal import print_json, progress
    from planners.study import read_study

    read = read_study(study)
    folder = out or Path("out") / read.name
    with progress(quiet or as_json, read.name) as update:
        outcome = simcore.sweep(read, folder, update)
    if as_json:
        best = outcome.summary.best
        print_json({"folder": str(folder), "best": [dict(r.values) for r in best.rows()] if best is not None else []})
    elif not quiet:
        show(outcome.summary, read.hardware.stack, top)
        print(f"report: {folder / 'report.html'}")


def show(summary: Any, stack: str, top: int) -> None:
    """The ranked table."""
    from commands.terminal import print_table
    from reports.tables import brief, ranked, smallest_first

    print(f"{summary.evaluated:,} plans, {summary.feasible:,} fit, {summary.on_target:,} meet the targets")
    rows = summary.best if summary.best is not None else summary.nearest
    if rows is None:
        print("no plan fits in memory: allow more chips or smaller formats")
        return
    if summary.best is None:
        print("no plan meets the targets; nearest:")
    rank_by = summary.study.objective.rank_by
    header, cells = brief(*ranked(smallest_first(list(rows.rows()), rank_by)[:top], stack))
    print_table(
        header, cells, f"best plan of each system and weight format by {rank_by}", ("system", "weights", "KV", "stack")
    )
    for note in summary.notes:
        print(f"note: {note}")


def report(folder: Annotated[Path, typer.Argument(help="Folder of a finished sweep.")]) -> None:
    """Draw a finished sweep's plots and report again."""
    import simcore

    print(f"report: {simcore.report(folder)}")
