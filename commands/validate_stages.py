"""`simcore validate stages`: load stages of measured servers, through `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `stages` to the group `simcore validate`."""
    validate_app.command("stages")(stages)


def stages(
    table: Annotated[Path, typer.Option(help="Load stages, CSV: model, chip, tp, rate_per_s, requests, lengths, ...")],
    out: Annotated[
        Path | None, typer.Option(help="Write row, ttft_mean_s, tpot_mean_s, e2e_mean_s, e2e_p99_s, reason (CSV).")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of config.json files, ORG--NAME.json, asked first.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write the table of errors (Markdown).")] = None,
    as_json: Json = False,
) -> None:
    """Predict the mean TTFT, TPOT and end-to-end time of every load stage, each through `simulate`."""
    from commands.terminal import print_json, print_table
    from reports.files import write_rows, write_text
    from validation.models import Models
    from validation.serving.inputs import read_frame
    from validation.stages.proof import answer, errors, means
    from validation.stages.rows import read_stages

    frame = read_frame(table)
    rows = read_stages(frame, Models(models))
    found = [answer(stage) for stage in rows]
    if out is not None:
        write_rows(out, COLUMNS, lines_of(found), (table,))
    if not {"ttft_s_mean", "e2e_s_mean"} <= set(frame.columns):
        return
    told = errors(rows, found, frame)
    if not told:
        return
    mean = means(told)
    if page is not None:
        from validation.stages.page import page as text_of

        write_text(page, text_of(told, mean))
    if as_json:
        print_json({"stages": told, "mean": mean})
        return
    body = [[row["stage"], *(f"{100 * row[name]:+.1f}" for name in mean)] for row in told]
    body.append(["mean size", *(f"{100 * value:.1f}" for value in mean.values())])
    print_table(["stage", *(name.upper() for name in mean)], body, "error of the mean, %", ("stage",))


COLUMNS = ("row", "ttft_mean_s", "tpot_mean_s", "e2e_mean_s", "e2e_p99_s", "reason")


def lines_of(found: Any) -> list[list[str]]:
    """The predictions, one line per data line of the table."""
    lines = []
    for at, one in enumerate(found):
        numbers = (one.ttft_mean_s, one.tpot_mean_s, one.e2e_mean_s, one.e2e_p99_s)
        lines.append([str(at), *("" if one.reason else f"{value:.6g}" for value in numbers), one.reason])
    return lines
