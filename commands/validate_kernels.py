"""`simcore validate kernels` and `fit-kernels`: single kernels as a script clocks them, launch inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `kernels` and `fit-kernels` to the group `simcore validate`."""
    validate_app.command("kernels")(kernels)
    validate_app.command("fit-kernels")(fit_kernels)


Table = Annotated[
    Path, typer.Option(help="Calls, CSV: device, operator (matmul, softmax, layernorm, gelu), m, n, k; latency_us")
]


def kernels(
    table: Table,
    out: Annotated[Path | None, typer.Option(help="Write row, predicted_us, reason (CSV).")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Predict each shape by a fit of the others.")] = False,
    as_json: Json = False,
) -> None:
    """Predict every call of a table; with `latency_us`, compare."""
    from commands.terminal import print_json, print_table
    from reports.files import write_rows
    from simcore.calibration.tables import read_table
    from simcore.errors import InputError
    from validation.kernels.proof import errors, predict
    from validation.kernels.proof import held_out as without_each

    frame, file = read_table(str(table)), str(table)
    if held_out and "latency_us" not in frame.columns:
        raise InputError("has no column 'latency_us'", file=file, fix="--held-out fits the other rows of the table")
    told = without_each(frame, file) if held_out else predict(frame, file)
    if out is not None:
        pairs = zip(told.predicted_s, told.reasons, strict=True)
        lines = [[str(at), "" if why else f"{value * 1e6:.6g}", why] for at, (value, why) in enumerate(pairs)]
        write_rows(out, ("row", "predicted_us", "reason"), lines, (table,))
    if "latency_us" not in frame.columns:
        return
    report = errors(frame, told, file)
    if as_json:
        print_json({"groups": report})
        return
    body = [
        [one["device"], one["operator"], str(one["rows"]), f"{one['median']:.1%}", f"{one['worst']:.1%}"]
        for one in report
    ]
    title = "errors of shapes left out one by one" if held_out else "errors, the rows of the fit among them"
    print_table(["device", "operator", "rows", "median", "worst"], body, title, ("device", "operator"))


def fit_kernels(
    table: Table,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("hardware_specs/calibration/kernel_calls.toml"),
    as_json: Json = False,
) -> None:
    """Fit the numbers of every chip and kind in a table."""
    from commands.terminal import print_written
    from reports.files import write_text
    from simcore.calibration.tables import read_table
    from validation.kernels.proof import fitted_file

    write_text(out, fitted_file(read_table(str(table)), str(table), table.name))
    print_written("validate fit-kernels", [out], as_json)
