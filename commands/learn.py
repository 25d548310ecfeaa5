"""`simcore learn`: a predictor from a table of one's own, with its error on rows that took no part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json


def register(app: typer.Typer) -> None:
    app.command()(learn)


def learn(
    table: Annotated[Path, typer.Argument(help="Measurements, CSV or parquet: a row each, numbers in columns.")],
    target: Annotated[str, typer.Option(help="Column to predict: a runtime, a power.")],
    inputs: Annotated[str, typer.Option(help="Columns to predict it from: tile sizes, counters; by commas.")],
    groups: Annotated[str, typer.Option(help="Column whose values are left out in turn: a device, a program.")] = "",
    where: Annotated[str, typer.Option(help="Only rows with COLUMN=VALUE; several by commas.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the predictor (npz).")] = None,
    predict: Annotated[Path | None, typer.Option(help="Another table to predict.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write its predictions: row, predicted, outside (CSV).")] = None,
    as_json: Json = False,
) -> None:
    """Learn a column of a table from others: a power law, and trees on what it leaves if they are worth it.

    The error is told on a fifth of the distinct inputs, or on each group by the others.
    """
    from dataclasses import asdict

    from commands.terminal import print_json, print_table
    from reports.files import write_own, write_rows
    from simcore.calibration.learnt import bytes_of, chosen_rows, train
    from simcore.calibration.tables import read_table
    from simcore.errors import InputError

    if (predict is None) != (to is None):
        raise InputError("go together", key="--predict and --to", fix="give both or none")
    names = [name.strip() for name in inputs.split(",") if name.strip()]
    try:
        frame = chosen_rows(read_table(str(table)), where)
        found, told = train(frame, target, names, groups)
    except InputError as error:
        error.file = error.file or str(table)
        raise
    if out is not None:
        write_own(out, bytes_of(found), (table,))
    if predict is not None and to is not None:
        other = read_table(str(predict))
        try:
            values, far = found(other), found.outside(other)
        except InputError as error:
            error.file = error.file or str(predict)
            raise
        lines = [[str(at), f"{v:.6g}", str(int(o))] for at, (v, o) in enumerate(zip(values, far, strict=True))]
        write_rows(to, ("row", "predicted", "outside"), lines, (table, predict))
    if as_json:
        print_json({"verb": "learn", "target": target, "inputs": names, "ways": [asdict(one) for one in told]})
        return
    body = [[one.way, str(one.rows), *(f"{v:.1%}" for v in (one.median, one.mean, one.p90))] for one in told]
    title = f"{target} of rows that took no part, the first way is taken"
    print_table(["way", "rows", "median", "mean", "P90"], body, title=title, left=("way",))
