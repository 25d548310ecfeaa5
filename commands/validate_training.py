"""`simcore validate training` and `fit-training`: predict a table of published training runs, and learn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Quiet


def register(validate_app: typer.Typer) -> None:
    """Add `training` and `fit-training` to the group `simcore validate`."""
    validate_app.command("training")(training)
    validate_app.command("fit-training")(fit_training)


def training(
    table: Annotated[Path, typer.Option(help="Published training runs, CSV; its header tells its kind.")],
    out: Annotated[Path | None, typer.Option(help="Write the prediction of every row (CSV).")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Predict each row with constants fitted without its group.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict every row of a training table, each through the engine of `simcore train`.

    Where the table holds measurements, says how wrong the predictions are.
    """
    from commands.terminal import print_json
    from validation.training.answers import COLUMNS, answers, report
    from validation.training.tables import read_frame, read_questions
    from validation.training.trace import is_trace
    from validation.training.trace import report as trace_report

    frame = read_frame(table)
    if is_trace(frame.columns):
        show_trace(trace_report(frame), as_json, quiet)
        return
    asked = read_questions(frame, str(table))
    found = answers(asked, frame, held_out)
    if out is not None:
        from reports.files import write_own

        lines = [",".join(COLUMNS), *(",".join(cell(value) for value in a.cells) for a in found)]
        write_own(out, ("\n".join(lines) + "\n").encode("utf-8"), (table,))
    summary = {"table": str(table), "held_out": held_out, **report(asked, found, frame)}
    if as_json:
        print_json(summary)
    elif not quiet:
        show(summary)


def cell(value: Any) -> str:
    """A cell of the CSV: empty for nan, words without what would end a cell."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return str(value).replace(",", ";").replace("\n", " ").replace('"', "'")


def show_trace(found: dict[str, Any], as_json: bool, quiet: bool) -> None:
    """Parts of a chunk pair, measured and predicted."""
    from commands.terminal import print_json, print_table

    if as_json:
        print_json(found)
    elif not quiet:
        cells = []
        for row in found["parts"]:
            error = row["error_percent"]
            told = "-" if error is None else f"{error:+.1f}"
            cells.append([row["part"], f"{row['measured_ms']:.2f}", f"{row['predicted_ms']:.2f}", told])
        print_table([f"part of {found['layers']} layers", "measured ms", "predicted ms", "error %"], cells)
        print(f"kernels that wait for other ranks: {found['waiting_ms']:.1f} ms, not predicted")


def show(summary: dict[str, Any]) -> None:
    """Tables for a person."""
    from commands.terminal import print_table

    print(f"{summary['predicted']} of {summary['rows']} rows predicted")
    cells = []
    for name, score in summary["scores"].items():
        more = [f"{score[k]:.3g}" if k in score else "" for k in ("mean", "median", "covered_percent", "half_width")]
        cells.append([name, str(score["rows"]), *more])
    if cells:
        print_table(["what", "rows", "mean %", "median %", "covered %", "half width"], cells, left=("what",))
    for one in summary["missing"][:12]:
        print(f"row {one['row']}: {one['reason']}")
    for note in summary["notes"]:
        print(f"note: {note}")


def fit_training(
    folder: Annotated[Path, typer.Option(help="Folder with the tables of training runs.")],
    out: Annotated[Path, typer.Option(help="Folder for <framework>.toml.")] = Path(
        "hardware_specs/calibration/training"
    ),
    as_json: Json = False,
) -> None:
    """Fit the constants of every training framework, with and without each group of rows."""
    from commands.terminal import print_written
    from reports.files import write_text
    from validation.training.calibrate import calibrate

    written = []
    for path, text in calibrate(folder, out, lambda words: typer.echo(words, err=True)):
        write_text(path, text)
        written.append(path)
    print_written("validate fit-training", written, as_json)
