"""Names to things. A new chip, model or policy is one new file in the right folder; nothing else is edited."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

from simcore.errors import InputError, UnknownName, suggest
from simcore.kept.lazy import dataclass
from simcore.unit_text import found_text

T = TypeVar("T")
REQUIRED: Any = object()
GROUPS = {
    "chip": "simcore.chips",
    "node": "simcore.nodes",
    "cluster": "simcore.clusters",
    "model": "simcore.models",
    "traffic": "simcore.traffic",
    "block": "simcore.blocks",
    "stack": "simcore.stacks",
    "cost model": "simcore.cost_models",
    "collective": "simcore.collectives",
    "scheduler": "simcore.schedulers",
    "router": "simcore.routers",
    "cache": "simcore.caches",
    "offload": "simcore.offloads",
    "power policy": "simcore.power_policies",
    "role policy": "simcore.role_policies",
    "trace": "simcore.traces",
    "engine": "simcore.engines",
    "schedule": "simcore.schedules",
    "method": "simcore.methods",
    "planner": "simcore.planners",
    "study": "simcore.studies",
}
"""kind -> group of entry points under which installed packages offer more of it"""


def normal(name: str) -> str:
    """The canonical spelling of a name: lower case, hyphens, no vendor prefix of a data set.

    >>> normal("H200_SXM"), normal("meta-llama/Llama-3.1-8B")
    ('h200-sxm', 'meta-llama/llama-3.1-8b')
    """
    if not isinstance(name, str):
        raise InputError(f"{found_text(name)} is no name")
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
            text = path.read_text(encoding="utf-8")
            try:
                raw = tomllib.loads(text.partition("\n[")[0])  # the name stands before the first table
            except tomllib.TOMLDecodeError:
                try:
                    raw = tomllib.loads(text)
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
    """Modules of one package, each holding one implementation under a fixed attribute name.

    With a `group`, implementations of one's own are found before them: what `register` was given, then entry points of
    installed packages in that group. Such an implementation is a module like the shipped ones, or any object with the
    same attributes.
    """

    kind: str
    package: str
    attribute: str
    group: str = ""

    @cached_property
    def modules(self) -> dict[str, str]:
        package = importlib.import_module(self.package)
        found = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
        return {normal(name): f"{self.package}.{name}" for name in found}

    def names(self) -> list[str]:
        return sorted({*self.modules, *own_names(self.group)})

    def part(self, name: str, attribute: str, default: Any = REQUIRED) -> Any:
        """An attribute of the implementation of that name. Raises UnknownName, InputError where it lacks it."""
        found = self.implementation(name)
        if default is REQUIRED and not hasattr(found, attribute):
            raise InputError(f"{self.kind} {name!r} has no {attribute!r}", fix=f"a {self.kind} defines it")
        return getattr(found, attribute, None if default is REQUIRED else default)

    def file_of(self, name: str) -> str | None:
        """The source file of a shipped one, which is not imported; None for one's own. Raises UnknownName."""
        key = normal(name)
        if own_thing(self.group, key) is not None:
            return None
        if key not in self.modules:
            raise UnknownName(self.kind, name, self.names())
        return self._files[key]

    @cached_property
    def _files(self) -> dict[str, str]:
        folder = Path(str(importlib.import_module(self.package).__file__)).parent
        return {name: str(folder / f"{module.rpartition('.')[2]}.py") for name, module in self.modules.items()}

    def implementation(self, name: str) -> Any:
        """The module (or object) of that name. Raises UnknownName."""
        key = normal(name)
        own = own_thing(self.group, key)
        if own is not None:
            return own
        if key not in self.modules:
            raise UnknownName(self.kind, name, self.names())
        return importlib.import_module(self.modules[key])

    def hides(self, name: str) -> str:
        """What to tell about a name of one's own that a shipped implementation also has; else empty."""
        both = normal(name) in self.modules and own_thing(self.group, normal(name)) is not None
        return f"{self.kind} {name!r} is one of your own and hides the shipped one" if both else ""

    def __call__(self, name: str) -> Any:
        found = getattr(self.implementation(name), self.attribute, None)
        if found is None and own_thing(self.group, normal(name)) is not None:
            return self.part(name, self.attribute)
        if found is None:  # a module that others of the package share
            raise UnknownName(self.kind, name, (other for other in self.names() if other != normal(name)))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())


_REGISTERED: dict[str, dict[str, Any]] = {}


def register(kind: str, thing: Any, name: str = "") -> None:
    """Make `thing` known under its name: a spec (chip, node, cluster, model, traffic), or a policy as a module.

    The name is `name`, else the thing's `name`, else the last part of a module's. It goes before entry points and
    shipped things of that name, in this process. Raises InputError for an unknown kind or a thing without a name.
    """
    if not isinstance(kind, str) or kind not in GROUPS:
        raise InputError(f"unknown kind {found_text(kind)}", fix=suggest(str(kind), GROUPS))
    called = name or getattr(thing, "name", "") or getattr(thing, "__name__", "").rpartition(".")[2]
    if not called:
        raise InputError(f"a {kind} without a name", fix="give register(kind, thing, name)")
    _REGISTERED.setdefault(GROUPS[kind], {})[normal(str(called))] = thing


def unregister(kind: str, name: str) -> None:
    """Forget what `register` was given; an unknown name is no error."""
    _REGISTERED.get(GROUPS.get(kind, ""), {}).pop(normal(name), None)


def _offered() -> bool:
    """Whether an installed package may have such a group: a look into the folders that Python's own search reads one
    by one, at a tenth of its cost."""
    finders = [
        type(f).__name__ if not isinstance(f, type) else f.__name__
        for f in sys.meta_path
        if hasattr(f, "find_distributions")
    ]
    if finders != ["PathFinder"]:
        return True
    for place in {*map(Path, sys.path)}:
        if place.is_file():
            return True
        for file in place.glob("*.*-info/entry_points.txt"):
            if "[simcore." in file.read_text(encoding="utf-8", errors="replace"):
                return True
    return False


@cache
def entry_points() -> dict[str, dict[str, Any]]:
    """group -> name -> entry point, of every group of installed packages that starts with "simcore."."""
    if not _offered():
        return {}
    from importlib import metadata

    points = metadata.entry_points()
    ours = sorted(group for group in points.groups if group.startswith("simcore."))
    return {group: {normal(point.name): point for point in points.select(group=group)} for group in ours}


def own_names(group: str) -> list[str]:
    """Names that were registered or that installed packages offer in a group."""
    return sorted({*_REGISTERED.get(group, {}), *entry_points().get(group, {})}) if group else []


def own_thing(group: str, name: str) -> Any:
    """What was registered, else the loaded entry point, under a normal name; None if there is neither.

    Raises InputError for an entry point that cannot be loaded.
    """
    if not group:
        return None
    if name in _REGISTERED.get(group, {}):
        return _REGISTERED[group][name]
    point = entry_points().get(group, {}).get(name)
    if point is None:
        return None
    try:
        return point.load()
    except Exception as error:
        what = f"entry point {point.name!r} = {point.value!r} of {group} cannot be loaded: {error}"
        raise InputError(what, fix="mend or remove the package that offers it") from None
