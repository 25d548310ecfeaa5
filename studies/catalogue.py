"""Which studies there are: shipped files by name, files of one's own by path."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

from scenarios.names import is_path
from simcore.errors import InputError, UnknownName
from simcore.registry import DataRegistry
from simcore.spec.load import read_text, read_toml
from studies.form import GROUPS, Study, study_of
from studies.rules import check


def parse(text: str, file: str) -> Study:
    """A study that keeps the rules. Raises InputError."""
    found = study_of(read_toml(text, file), file)
    check(found)
    return found


SHIPPED: DataRegistry[Study] = DataRegistry("study", "studies", parse)


def study(name: str) -> Study:
    """By name or path. Raises InputError and UnknownName."""
    return parse(read_text(name), name) if is_path(name) else SHIPPED(name)


def text_of(name: str) -> str:
    """The file of a study as written. Raises InputError and UnknownName."""
    return read_text(name) if is_path(name) else SHIPPED.text(name)[0]


def names(group: str | None = None) -> list[str]:
    """Shipped studies, in the order of groups and names. Raises InputError for an unknown group."""
    if group is not None and group not in GROUPS:
        raise InputError(f"unknown group {group!r}", key="--group", fix=f"use one of {', '.join(GROUPS)}")
    found = sorted(SHIPPED, key=lambda name: (GROUPS.index(SHIPPED(name).group), name))
    return [name for name in found if group in (None, SHIPPED(name).group)]


def chosen(name: str) -> list[str]:
    """`all`, or one. Raises UnknownName."""
    if name == "all":
        return names()
    if not is_path(name) and name not in SHIPPED.files:
        raise UnknownName("study", name, [*SHIPPED.files, "all"])
    return [name]


@cache
def recorded() -> dict[str, dict[str, float | None]]:
    """What every claim of every study was answered when docs/studies.md was written: name -> says -> ours."""
    from simcore.spec.load import read_json

    path = Path(str(resources.files("studies"))) / "answers.json"
    return read_json(path) if path.is_file() else {}
