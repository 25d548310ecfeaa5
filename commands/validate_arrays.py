"""`simcore validate arrays`: compute cycles of products on spatial arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `arrays` to the group `simcore validate`."""
    validate_app.command("arrays")(arrays)


def arrays(
    table: Annotated[
        Path, typer.Option(help="Products on arrays, CSV: dataflow (output, weight, input), height, width, m, n, k")
    ],
    out: Annotated[Path | None, typer.Option(help="Write row, cycles (CSV).")] = None,
    as_json: Json = False,
) -> None:
    """Predict the compute cycles of every row, no memory stalls; with a column `cycles`, compare with it."""
    from commands.terminal import print_json, print_table
    from reports.files import write_rows
    from simcore.calibration.tables import read_table
    from validation.arrays.rows import cycles_of

    frame = read_table(str(table))
    found = cycles_of(frame, str(table))
    if out is not None:
        write_rows(out, ("row", "cycles"), [[str(at), f"{value:.0f}"] for at, value in enumerate(found)], (table,))
    if "cycles" not in frame.columns:
        return
    told = errors(frame, found, str(table))
    if as_json:
        print_json({"dataflows": told})
        return
    body = [[one["dataflow"], str(one["rows"]), f"{one['median']:.3%}", f"{one['worst']:.3%}"] for one in told]
    print_table(["dataflow", "rows", "median", "worst"], body, "error of cycles", ("dataflow",))


def errors(frame: Any, found: Any, file: str) -> list[dict[str, Any]]:
    """Median and worst error of each dataflow."""
    import numpy as np

    from simcore.calibration.tables import numbers

    size = np.abs(found / np.maximum(numbers(frame, "cycles", file), 1.0) - 1.0)
    names = np.array(list(map(str, frame["dataflow"])))
    lines = []
    for name in dict.fromkeys(names.tolist()):
        mine = size[names == name]
        lines.append(
            {"dataflow": name, "rows": len(mine), "median": float(np.median(mine)), "worst": float(mine.max())}
        )
    return lines
