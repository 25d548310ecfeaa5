"""`simcore migrate`: an old file in today's schema."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json, Quiet


def register(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate(
    file: Annotated[Path, typer.Argument(help="File of schema scenario/1, study/1 or search/1.")],
    out: Annotated[Path | None, typer.Option(help="Where to write; default standard output.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Replace the file.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rewrite an old scenario, sweep or search as schema scenario/2."""
    from commands.terminal import print_json
    from reports.files import write_text
    from scenarios.migrate import SCHEMA, migrated
    from scenarios.read import from_raw
    from scenarios.toml import dumps
    from simcore.errors import InputError
    from simcore.spec.base import name_of
    from simcore.spec.load import read_file

    raw = read_file(file, "scenario")
    if raw.get("schema") == SCHEMA:
        raise InputError(f"is {SCHEMA} already", file=str(file))
    raw.setdefault("name", name_of(str(file)))
    found = migrated(raw, str(file))
    from_raw(copy.deepcopy(found), str(file))
    text = dumps(found)
    where = file if in_place else out
    if where is not None:
        write_text(where, text)
    if as_json:
        print_json({"verb": "migrate", "scenario": found, "written": [] if where is None else [str(where)]})
    elif where is None:
        print(text, end="")
    elif not quiet:
        print(f"written: {where}")
