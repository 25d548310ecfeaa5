"""`simcore new`: a file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json, Quiet

KINDS = {"scenario": ".toml", "chip": ".toml", "model": ".toml", "scheduler": ".py", "study": ".toml"}
NEXT = {
    "scenario": "simcore explain {file}, simcore simulate {file}",
    "chip": "simcore estimate --model llama-3.1-8b --chip {file}",
    "model": "simcore estimate --model {file} --chip h100-sxm",
    "scheduler": 'simcore.register("scheduler", {stem}) in Python; docs/own.md',
    "study": "simcore study check {file}",
}
"""kind -> what to do with it"""
EXAMPLES = "examples"


def register(app: typer.Typer) -> None:
    app.command()(new)


def new(
    kind: Annotated[
        str, typer.Argument(help="scenario, chip, model, scheduler, study; or examples, a folder of them.")
    ],
    file: Annotated[
        Path | None, typer.Argument(help="File to write; its name becomes the thing's. Of examples: a folder.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """A file to start from: it works as it is, its comments say what to change. Never overwrites."""
    from commands.terminal import print_json
    from reports.files import write_text
    from simcore.errors import InputError, suggest

    if kind == EXAMPLES:
        return write_examples(file or Path(EXAMPLES), quiet, as_json)
    if kind not in KINDS:
        raise InputError(f"no kind {kind!r}", key="new", fix=suggest(kind, (*KINDS, EXAMPLES)))
    if file is None:
        raise InputError("no file to write is named", key="new", fix=f"simcore new {kind} my-{kind}")
    if not file.name or file.is_dir():
        raise InputError("is no file", file=str(file), key="new", fix=f"write for example my-{kind}")
    path = file if file.suffix == KINDS[kind] else file.with_name(file.name + KINDS[kind])
    text = template(kind).replace("NAME", named(path, kind))
    if path.exists() or path.is_symlink():
        raise InputError("is there already", file=str(path), fix="give another name")
    write_text(path, text)
    shown = str(path) if "/" in str(path) else f"./{path}"
    next_step = NEXT[kind].format(file=shown, stem=path.stem)
    if as_json:
        print_json({"verb": "new", "kind": kind, "written": [shown], "next": next_step})
    elif not quiet:
        print(f"{shown}\nnext: {next_step}")


def write_examples(folder: Path, quiet: bool, as_json: bool) -> None:
    """Every shipped example below `folder`, which must not be there. Raises InputError."""
    from commands.terminal import print_json
    from reports.output import output_folder
    from simcore.errors import InputError

    if folder.exists() or folder.is_symlink():
        raise InputError("is there already", file=str(folder), fix="give another name")
    shipped = Path(__file__).parent / EXAMPLES
    paths = sorted(path for ending in ("toml", "py") for path in shipped.rglob(f"*.{ending}"))
    with output_folder(folder, "new examples") as stage:
        for path in paths:
            (stage / path.relative_to(shipped)).parent.mkdir(parents=True, exist_ok=True)
            (stage / path.relative_to(shipped)).write_bytes(path.read_bytes())
    next_step = f"simcore explain {folder}/chat-70b.toml"
    if as_json:
        print_json({"verb": "new", "kind": EXAMPLES, "written": str(folder), "files": len(paths), "next": next_step})
    elif not quiet:
        print(f"{len(paths)} files in {folder}\nnext: {next_step}")


def named(path: Path, kind: str) -> str:
    """The name in the file; of a scheduler, one that Python can import. Raises InputError."""
    from simcore.errors import InputError
    from simcore.spec.base import name_of

    if kind == "scheduler" and not path.stem.isidentifier():
        fix = "letters, digits and '_', such as my_scheduler.py"
        raise InputError(f"{path.stem!r} is no name of a Python module", file=str(path), fix=fix)
    return name_of(path)


def template(kind: str) -> str:
    """The text of a kind, its name as NAME."""
    return (Path(__file__).parent / "templates" / f"{kind}{KINDS[kind]}").read_text(encoding="utf-8")
