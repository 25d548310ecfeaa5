"""The reference of commands: every verb with its arguments and options, from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin


@cache
def tree() -> Any:
    """The command line as it runs."""
    import typer

    import cli

    return typer.main.get_command(cli.quiet_everywhere(cli.mount()))


def verbs(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(`plan power`, its command), groups before what is in them."""
    for name, one in sorted(group.commands.items()):
        full = f"{path} {name}".strip()
        yield full, one
        if hasattr(one, "commands"):
            yield from verbs(one, full)


def page() -> str:
    """Markdown of all verbs."""
    parts = ["# Commands", "Made from the command line itself; `simcore VERB --help` says the same in a terminal."]
    for name, one in verbs(tree()):
        if getattr(one, "hidden", False):
            continue
        parts += [f"{'#' * (2 + name.count(' '))} simcore {name}", words(one)]
        if not hasattr(one, "commands"):
            parts.append("\n".join(table(one)))
    return "\n\n".join(part for part in parts if part) + "\n"


def words(one: Any) -> str:
    """What the command says of itself."""
    return plain("\n".join(line.strip() for line in (one.help or "").replace("\b", "").splitlines()))


def table(one: Any) -> Iterator[str]:
    """A line for every argument and option."""
    annotations = {
        name: value.annotation for name, value in inspect.signature(one.callback, eval_str=True).parameters.items()
    }
    yield "| argument or option | type | default | meaning |"
    yield "|---|---|---|---|"
    for parameter in one.params:
        if parameter.name not in annotations:
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "argument":
            names = f"`{(parameter.metavar or parameter.name).upper()}`"
        cells = (names, kind(annotations[parameter.name]), default(parameter), getattr(parameter, "help", None) or "")
        yield "| " + " | ".join(plain(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


KINDS = {int: "whole number", float: "number", str: "text", Path: "path", bool: "flag"}


def kind(annotation: Any) -> str:
    """`path`, `whole number`, `flag`, with bounds; repeatable where it may be given more than once."""
    held, *more = get_args(annotation)
    inner = (
        next((one for one in get_args(held) if one is not type(None)), held) if get_origin(held) is not list else held
    )
    many = get_origin(inner) is list
    name = KINDS.get(get_args(inner)[0] if many else inner, "text")
    low, high = (
        next((getattr(m, key) for m in more if getattr(m, key, None) is not None), None) for key in ("min", "max")
    )
    name += f", at least {low:g}" if low is not None else ""
    name += f", at most {high:g}" if high is not None else ""
    return name + (", repeatable" if many else "")


def default(parameter: Any) -> str:
    """As it would be typed."""
    if parameter.required:
        return "required"
    value = parameter.default
    return "" if value in (None, False, (), []) or callable(value) or "UNSET" in str(value) else f"`{value}`"


def plain(text: str) -> str:
    """Words as Markdown: nothing in them is HTML."""
    return text.replace("<", "&lt;")
