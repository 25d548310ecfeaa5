"""`simcore sweep` and `simcore report`: many plans, ranked and plotted."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, File, Json, Launch, Pictures, Quiet, Set, Vary, asked


def register(app: typer.Typer) -> None:
    app.command()(sweep)
    app.command()(report)


def sweep(
    scenario: File,
    changes: Set = None,
    launch: Launch = None,
    vary: Vary = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; default out/NAME, none with --json.")
    ] = None,
    top: Annotated[int, typer.Option(help="Rows to print.", min=1)] = 20,
    calibration: Calibration = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Evaluate every plan of a scenario's [vary] and write a report.

    Writes results.parquet, frontier.csv and report.html.
    """
    from commands.terminal import print_json, progress

    read = asked(scenario, changes, vary, launch=launch)
    folder = out if out is not None or as_json else Path("out") / read.name
    with ExitStack() as bar:

        def answered(summary: Any) -> None:
            """The table comes before the pictures."""
            bar.close()
            if not (quiet or as_json):
                show(summary, summary.study.stack, top)
                sys.stdout.flush()

        update = bar.enter_context(progress(quiet or as_json, read.name))
        summary = swept(read, folder, update, answered, pictures)
    if as_json:
        best = [flat_row(row) for row in summary.best.rows()] if summary.best is not None else []
        print_json(
            {
                "folder": None if folder is None else str(folder),
                **counts(summary),
                "best": best,
                "notes": list(summary.notes),
            }
        )
    elif not quiet and folder is not None:
        print(f"report: {folder / 'report.html'}")
    if summary.best is None:
        raise typer.Exit(1)


def swept(question: Any, folder: Path | None, update: Any, answered: Any, pictures: bool = False) -> Any:
    """The summary; pages are drawn and rows kept only where a folder is wanted. `answered` is told before that."""
    if folder is None:
        from planners.sweep import prepare

        return prepare(question).run(lambda rows: None, update)
    import simcore

    return simcore.sweep(question, out=folder, progress=update, answered=answered, pictures=pictures).summary


def counts(summary: Any) -> dict[str, Any]:
    """How many plans there were, and whether one meets the targets."""
    reason = None if summary.best is not None else "no plan meets the targets"
    found = {"evaluated": summary.evaluated, "fit": summary.feasible, "on_target": summary.on_target}
    return {"feasible": summary.best is not None, "reason": reason, **found}


def flat_row(row: Any) -> dict[str, Any]:
    """A row under the names of every verb, beside its own."""
    from scenarios.answer import flat, named

    own = dict(row.values)
    return flat(named(own)) | own


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


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished sweep.")],
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a finished sweep's page again."""
    import simcore
    from commands.terminal import print_json

    written = simcore.report(folder, pictures)
    if as_json:
        print_json({"verb": "report", "written": [str(written)]})
    elif not quiet:
        print(f"report: {written}")
