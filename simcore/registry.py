"""Names to things. A new chip, model or policy is one new file in the right folder; nothing else is edited."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import Any, Generic, TypeVar

from simcore.errors import UnknownName

T = TypeVar("T")


def normal(name: str) -> str:
    """The canonical spelling of a name: lower case, hyphens, no vendor prefix of a data set.

    >>> normal("H200_SXM"), normal("meta-llama/Llama-3.1-8B")
    ('h200-sxm', 'meta-llama/llama-3.1-8b')
    """
    return name.strip().lower().replace("_", "-").replace(" ", "-")


@dataclass(frozen=True)
class DataRegistry(Generic[T]):
    """Spec files (`*.toml`) of one kind inside a package folder, parsed when asked for, cached by name."""

    kind: str
    folder: str
    """package and folder inside it, as in "hardware_specs/chips" """
    parse: Callable[[str, str], T]
    """(text, file name) -> spec with `.name` and `.aliases`"""
    _cache: dict[str, T] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def files(self) -> dict[str, Any]:
        package, _, inside = self.folder.partition("/")
        folder = resources.files(package).joinpath(inside)
        return {normal(p.name.removesuffix(".toml")): p for p in folder.iterdir() if p.name.endswith(".toml")}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """alias -> file stem, read from the `aliases = [...]` line of each file without validating it."""
        import tomllib

        found: dict[str, str] = {}
        for stem, path in self.files.items():
            try:
                raw = tomllib.loads(path.read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError:
                continue
            for alias in [raw.get("name", stem), *raw.get("aliases", [])]:
                found[normal(str(alias))] = stem
        return found

    def names(self) -> list[str]:
        return sorted(self.files)

    def text(self, name: str) -> tuple[str, str]:
        """(TOML text, file name) of a spec; raises UnknownName with the nearest names."""
        stem = normal(name)
        if stem not in self.files:
            stem = self.aliases.get(stem, stem)
        if stem not in self.files:
            raise UnknownName(self.kind, name, [*self.files, *self.aliases])
        path = self.files[stem]
        return path.read_text(encoding="utf-8"), f"{self.folder}/{path.name}"

    def __call__(self, name: str) -> T:
        key = normal(name)
        if key not in self._cache:
            self._cache[key] = self.parse(*self.text(name))
        return self._cache[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())


@dataclass(frozen=True)
class PluginRegistry:
    """Modules of one package, each holding one implementation under a fixed attribute name."""

    kind: str
    package: str
    attribute: str

    @cached_property
    def modules(self) -> dict[str, str]:
        package = importlib.import_module(self.package)
        found = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
        return {normal(name): f"{self.package}.{name}" for name in found}

    def names(self) -> list[str]:
        return sorted(self.modules)

    def __call__(self, name: str) -> Any:
        key = normal(name)
        if key not in self.modules:
            raise UnknownName(self.kind, name, self.modules)
        found = getattr(importlib.import_module(self.modules[key]), self.attribute, None)
        if found is None:  # a module that others of the package share
            raise UnknownName(self.kind, name, (other for other in self.modules if other != key))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())
