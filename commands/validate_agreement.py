"""`simcore validate agreement`: the same measured rows asked of `validate serving`, `simulate` and `estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `agreement` to the group `simcore validate`."""
    validate_app.command("agreement")(agreement)


def agreement(
    table: Annotated[Path, typer.Option(help="Serving measurements, CSV.")],
    ids: Annotated[Path | None, typer.Option(help="File with the ids of some rows, one per line.")] = None,
    as_json: Json = False,
) -> None:
    """Whether validate, simulate and estimate tell the same of the same rows, and how far each is off."""
    import numpy as np

    from commands.terminal import print_json, print_table
    from simcore.errors import InputError
    from simcore.spec.load import read_text
    from validation.serving.agreement import agreement as compared
    from validation.serving.inputs import read_frame, read_questions

    frame = read_frame(table)
    wanted = set(read_text(ids).split()) if ids is not None else None
    rows = read_questions(frame)
    kept = [
        at
        for at, row in enumerate(rows)
        if row.question is not None and row.question.prefill is None and (wanted is None or row.id in wanted)
    ]
    if not kept:
        raise InputError("holds none of these rows", file=str(table), key="ids")
    measured = None
    if {"silicon_tpot_ms", "silicon_ttft_ms"} <= set(frame.columns):
        measured = frame.iloc[kept][["silicon_tpot_ms", "silicon_ttft_ms"]].to_numpy(float) / 1e3
    found = compared([rows[at] for at in kept], measured if measured is None else np.asarray(measured))
    if as_json:
        print_json(found)
        return
    cells = [
        [name.replace("_", " "), *(f"{100 * told[m][s]:.1f}" for m in ("tpot", "ttft") for s in ("median", "p90"))]
        for name, told in found.items()
        if isinstance(told, dict)
    ]
    header = ["difference, %", "TPOT median", "TPOT P90", "TTFT median", "TTFT P90"]
    print_table(header, cells, f"{found['rows']} rows", ("difference, %",))
