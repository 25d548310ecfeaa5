"""Where calibrations are looked for: folders of one's own, then the package's.

A folder of one's own has the form that `simcore calibrate --out` and `simcore calibrate-across --out` write:
`<chip>/<stack>.npz` beside `datasheet.npz`, each with its TOML; `serving/<stack>.toml` is what `validate fit-serving`
writes. `without.toml` names chips whose tables took no part in it: those of the package are not asked either, so that a
chip left out is one that nobody has measured. The folders in use stand in an environment variable, which workers of a
search inherit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.spec.load import read_text, read_toml

Place = Any
"""a folder: a path, or what stands for one inside the package"""
VARIABLE = "SIMCORE_CALIBRATION"
WITHOUT = "without.toml"


def own() -> tuple[Path, ...]:
    """Folders of one's own, the first asked first."""
    return tuple(Path(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text)


def use(folders: Sequence[Path]) -> None:
    """From now on, here and in processes started from here. Raises InputError for what is no folder of calibrations."""
    for folder in folders:
        fits = any(folder.rglob("*.npz")) or any(folder.glob("serving/*.toml")) if folder.is_dir() else False
        if not fits:
            fix = "give a folder that simcore calibrate, calibrate-across or validate fit-serving wrote"
            raise InputError("holds no calibrations", file=str(folder), key="calibration", fix=fix)
        without(folder)
    if folders:
        os.environ[VARIABLE] = os.pathsep.join(str(folder.resolve()) for folder in folders)
    else:
        os.environ.pop(VARIABLE, None)


@contextmanager
def using(folders: Sequence[Path]) -> Iterator[None]:
    """As `use`, for a while."""
    before = own()
    use(folders)
    try:
        yield
    finally:
        use(before)


@cache
def without(folder: Path) -> dict[str, Any]:
    """What took no part in a folder's fits: chips under `chips`, models (their four numbers) under `models`."""
    path = folder / WITHOUT
    if not path.is_file():
        return {"chips": [], "models": []}
    found = read_toml(read_text(path, "write the folder again"), str(path))
    parts = {name: found.get(name, []) for name in ("chips", "models")}
    if not all(isinstance(part, list) for part in parts.values()):
        raise InputError("says no lists of chips and models", file=str(path), fix="write the folder again")
    return parts


def place(folder: str) -> tuple[Place, ...]:
    """Where files of a chip (or, of `""`, of all chips) may lie, the first asked first."""
    mine: list[Place] = []
    for one in own():
        mine.append(one / folder if folder else one)
        if folder and folder in without(one)["chips"]:
            return tuple(mine)
    base = resources.files("hardware_specs") / "calibration"
    return (*mine, base / folder if folder else base)


@cache
def _stamp(folders: tuple[Path, ...]) -> str:
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return " ".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files)


def state() -> str:
    """What kept values that follow from calibrations are known by, beside the package's own files."""
    return _stamp(own())
