"""A number format as a scenario names it: shipped, a file of one's own, or its table in place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scenarios.catalogue import own_file
from scenarios.names import is_path
from simcore.errors import InputError
from simcore.spec.formats import INLINE, format_text, number_format
from simcore.spec.load import read_file


def format_named(value: str | dict[str, Any], file: str, key: str) -> str:
    """The text by which a plan names it; paths are relative to the scenario. Raises InputError, with file and key."""
    try:
        text = _text(value, Path(file).parent)
        if text.startswith(INLINE):
            number_format(text)
    except InputError as error:
        if isinstance(value, dict) or error.file is None:
            error.file, error.key = file, f"{key}.{error.key}" if error.key else key
        raise
    return text


def _text(value: str | dict[str, Any], folder: Path) -> str:
    if isinstance(value, dict):
        return format_text(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{value!r} is no format", fix="give a name, a path or a table")
    own = folder / os.path.expanduser(value) if is_path(value) else own_file("format", value)
    if own is None:
        return value
    raw = read_file(own, "format")
    if raw.get("schema") != "format/1":
        raise InputError(f"{raw.get('schema')!r} is no format", file=str(own), key="schema", fix='write "format/1"')
    try:
        number_format(format_text(raw))
    except InputError as error:
        error.file = str(own)
        raise
    return format_text(raw)
