"""Spec files of one's own: every `*.toml` below the folders of `$SIMCORE_PATH`, by its schema and name.

A folder named first goes before those after it. Files are read again when their time or size has changed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.registry import normal
from simcore.spec.load import read_file

VARIABLE = "SIMCORE_PATH"
SCHEMAS = {
    "chip": "chip/1",
    "node": "node/1",
    "cluster": "cluster/1",
    "model": "model/1",
    "traffic": "demand/1",
    "link": "link/1",
    "stack": "stack/1",
    "format": "format/1",
}
"""kind -> what its file says at `schema`"""


@dataclass(frozen=True)
class OwnFile:
    """What a file of one's own says of itself."""

    path: Path
    schema: str
    names: tuple[str, ...]
    """its name and aliases, normal; the file's stem where it says none"""


def folders() -> list[Path]:
    """The folders of `$SIMCORE_PATH`. Raises InputError for one that does not exist."""
    found = [Path(os.path.expanduser(part)) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    for folder in found:
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder", file=f"${VARIABLE}", fix="mend the variable")
    return found


def own_file(kind: str, name: str) -> Path | None:
    """The file of one's own that holds the spec of that kind and name; None if there is none.

    Raises InputError for two in one folder, and for a file of that very stem that is not valid TOML.
    """
    for folder in folders():
        found = [f.path for f in _files(folder) if f.schema == SCHEMAS[kind] and normal(name) in f.names]
        if len(found) > 1:
            what = f"{kind} {name!r} is also in {found[0]}"
            raise InputError(what, file=str(found[1]), key="name", fix="rename one")
        if found:
            return found[0]
        for broken in (f for f in _files(folder) if not f.schema and normal(name) in f.names):
            read_file(broken.path, kind)
    return None


def own_file_names(kind: str) -> list[str]:
    """Names and aliases of every file of a kind, normal."""
    return sorted({n for folder in folders() for f in _files(folder) if f.schema == SCHEMAS[kind] for n in f.names})


def _files(folder: Path) -> Iterator[OwnFile]:
    for path in sorted(folder.rglob("*.toml")):
        state = path.stat()
        yield _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _read(path: Path, _time_ns: int, _size_bytes: int) -> OwnFile:
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return OwnFile(path, "", (normal(path.stem),))
    aliases = raw.get("aliases", [])
    names = [raw.get("name", path.stem), *(aliases if isinstance(aliases, list) else [])]
    return OwnFile(path, str(raw.get("schema", "")), tuple(normal(str(name)) for name in names))
