"""`simcore compare`: what differs between scenarios or finished runs, and what that moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Pictures, Quiet


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    sides: Annotated[
        list[Path], typer.Argument(help="Scenario files, or folders that simulate, sweep or size wrote; two or more.")
    ],
    by: Annotated[str, typer.Option(help="What answers scenario files: simulate or estimate.")] = "simulate",
    seeds: Annotated[int, typer.Option(help="Runs of each scenario, to tell moves from chance.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for compare.html; default out/compare.")] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What differs in the inputs, what moves in the answers and by how much; every side against the first."""
    from commands.terminal import print_json, progress
    from planners.comparing import compare as compared
    from planners.comparing import read_side
    from planners.comparing.words import flat
    from reports.compare import NAMES, write_compare
    from reports.output import claim
    from simcore.errors import InputError, suggest

    if len(sides) < 2:
        raise InputError("one side alone", key="compare", fix="give two or more files or folders")
    if by not in ("simulate", "estimate"):
        raise InputError(f"{by!r} answers nothing", key="--by", fix=suggest(by, ("simulate", "estimate")))
    folder = out if out is not None or as_json else Path("out") / "compare"
    claim(folder, NAMES)
    read = []
    with progress(quiet or as_json, "sides") as update:
        for number, path in enumerate(sides):
            read.append(read_side(path, by, seeds))
            update(number + 1, len(sides))
    found = compared(read)
    if folder is not None:
        write_compare(folder, found, pictures)
    if as_json:
        print_json(flat(found))
    elif not quiet:
        show(found)
    if folder is not None and not (quiet or as_json):
        print(f"page: {folder / 'compare.html'}")


def show(found: Any) -> None:
    """Words, and what moved of each side against the first."""
    from commands.terminal import print_table
    from planners.comparing.words import HEADER, in_words, row

    for one in found:
        print("\n".join(in_words(one)))
        rows = [row(move) for move in one.moves if move.matters]
        if rows:
            print_table(HEADER, rows, left=("figure", ""))
        for note in dict.fromkeys((*one.base.notes, *one.other.notes)):
            print(f"note: {note}")
