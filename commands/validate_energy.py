"""`simcore validate energy` and `fit-energy`: throughput and board power of measured servers, through `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `energy` and `fit-energy` to the group `simcore validate`."""
    validate_app.command("energy")(energy)
    validate_app.command("fit-energy")(fit_energy)


Table = Annotated[Path, typer.Option(help="Measurements, CSV: task, model, chip, chips, tp, ep, dp, max_num_seqs, ...")]
Folder = Annotated[Path | None, typer.Option(help="Folder of config.json files, ORG--NAME.json, asked first.")]


def energy(
    table: Table,
    out: Annotated[
        Path | None, typer.Option(help="Write row, itl_median_ms, output_tokens_per_s, chip_power_w, reason (CSV).")
    ] = None,
    models: Folder = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Predict each architecture with numbers fitted without it.")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write the table of errors (Markdown).")] = None,
    as_json: Json = False,
) -> None:
    """Predict tokens per second and board power of every row of a table, each through `simulate`."""
    from commands.terminal import print_json, print_table
    from reports.files import write_rows, write_text
    from validation.energy.page import cells
    from validation.energy.page import page as text_of
    from validation.energy.proof import answers, scored
    from validation.energy.rows import read_rows
    from validation.models import Models
    from validation.serving.inputs import read_frame

    frame = read_frame(table)
    rows = read_rows(frame, Models(models))
    found = answers(rows, held_out, lambda text: typer.echo(text, err=True))
    if out is not None:
        write_rows(out, COLUMNS, lines_of(found), (table,))
    if not {"output_tokens_per_s", "chip_power_w", "itl_median_ms"} <= set(frame.columns):
        return
    report = scored(rows, found, frame)
    if page is not None:
        write_text(page, text_of(report, held_out))
    if as_json:
        print_json(report)
        return
    header = ["group", "rows", *(f"{name} {part}" for name in ("tokens/s", "W") for part in PARTS)]
    print_table(header, [[name, str(one["rows"]), *cells(one)] for name, one in report.items()], "error, %", ("group",))


PARTS = ("median", "P90", "signed by load")
COLUMNS = ("row", "itl_median_ms", "output_tokens_per_s", "chip_power_w", "reason")


def lines_of(found: Any) -> list[list[str]]:
    """The predictions, one line per data line of the table."""
    lines = []
    for at, one in enumerate(found):
        numbers = (one.itl_median_s * 1e3, one.output_tokens_per_s, one.chip_power_w)
        lines.append([str(at), *("" if one.reason else f"{value:.6g}" for value in numbers), one.reason])
    return lines


def fit_energy(
    table: Table,
    out: Annotated[Path, typer.Option(help="Folder for serving/vllm-0.11.toml and board_power.toml.")] = Path(
        "hardware_specs/calibration"
    ),
    models: Folder = None,
    as_json: Json = False,
) -> None:
    """Fit what vLLM 0.11 servers add to a step, and the law of board power, with and without each architecture."""
    from commands.terminal import print_written
    from reports.files import write_text
    from validation.energy.proof import fitted
    from validation.energy.rows import read_rows
    from validation.models import Models
    from validation.serving.inputs import read_frame

    frame = read_frame(table)
    rows = read_rows(frame, Models(models))
    found = fitted(rows, frame, table.name, lambda text: typer.echo(text, err=True))
    for name, text in found.items():
        write_text(out / name, text)
    print_written("validate fit-energy", [out / name for name in found], as_json)
