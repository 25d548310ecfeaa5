"""What a scenario's names stand for: `resolve("system", "./my-chip.toml", folder)` gives the spec and what to tell.

A value is a path if it starts with `./`, `../`, `/` or `~` or ends in `.toml` or `.json`: relative to the folder of
the file that says it; for a model it may be a Hugging Face config.json, or a folder that holds one. Else it is a name,
found in `$SIMCORE_PATH` (see `scenarios.catalogue`), then in what `simcore.register` and installed packages offer, then
among what is shipped. A table is a spec written in place, with the keys of its file. Nothing is ever downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import hardware_specs
import workloads
from scenarios.catalogue import SCHEMAS, VARIABLE, folders, own_file, own_file_names
from scenarios.variants import candidates, formats_of
from simcore.errors import InputError, UnknownName, suggest
from simcore.kept.lazy import dataclass
from simcore.registry import GROUPS, DataRegistry, normal, own_names, own_thing
from simcore.spec import arguments
from simcore.spec.base import Spec
from simcore.spec.demand import Demand
from simcore.spec.hardware import Chip, Cluster, NamedLink, Node
from simcore.spec.links import resolve_links
from simcore.spec.load import build_from_file, merge, read_file, read_toml
from simcore.spec.model import ModelSpec
from simcore.spec.stack import Stack
from simcore.spec.system import System
from simcore.unit_text import found_text

Raw = dict[str, Any]
CLASSES: dict[str, type[Spec]] = {
    "chip": Chip,
    "node": Node,
    "cluster": Cluster,
    "model": ModelSpec,
    "traffic": Demand,
    "link": NamedLink,
    "stack": Stack,
}
SHIPPED: dict[str, DataRegistry[Any]] = {
    "chip": hardware_specs.chip,
    "node": hardware_specs.node,
    "cluster": hardware_specs.cluster,
    "model": workloads.model,
    "traffic": workloads.traffic,
    "link": hardware_specs.link,
    "stack": hardware_specs.stack,
}
OF_SYSTEM = ("chip", "node", "cluster")
INLINE = "inline table"
MOST_NAME = 200
"""characters of a name that may be a file's"""
NEEDED_IN_PLACE = {"schema", "family", "layers"}
"""keys that only a whole spec in place has: beside none of them a shipped name is meant"""


@dataclass(frozen=True)
class Found:
    """A spec, and notes for whoever reads the answer (a name of one's own that hides a shipped one)."""

    value: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A spec before it is validated: parsed keys, or the finished value of one that is no file of ours."""

    kind: str
    raw: Raw
    file: str
    folder: Path
    """paths inside are relative to it"""
    value: Any = None


def is_path(value: str) -> bool:
    """Whether a text names a file rather than a thing.

    >>> is_path("./h200.toml"), is_path("config.json"), is_path("h200-sxm"), is_path("Qwen/Qwen3-8B")
    (True, True, False, False)
    """
    return value.startswith(("./", "../", "/", "~")) or value in (".", "..") or value.endswith((".toml", ".json"))


def resolve(kind: str, value: Any, folder: str | Path = ".", file: str | None = None, key: str | None = None) -> Found:
    """The spec that `value` (a name, a path, a table or a spec) stands for.

    `kind` is chip, node, cluster, system (any of the three, a chip in its usual home), model, traffic, link or stack;
    `file` and `key` say where `value` stands, for messages. Raises InputError and UnknownName, one line each.
    """
    look = _Look()
    try:
        found = look.anything(kind, value, arguments.path(folder, "folder"))
    except InputError as error:
        if error.file == INLINE and file is not None:
            table = (key or "").removesuffix(".name")
            error.file, error.key = file, ".".join(part for part in (table, error.key) if part)
        elif error.file is None:
            error.file, error.key = file, key if error.key is None else error.key
        raise
    return Found(found, tuple(dict.fromkeys(look.notes)))


@dataclass
class _Look:
    """One resolution: what was noted on the way."""

    notes: list[str] = field(default_factory=list)

    def anything(self, kind: str, value: Any, folder: Path) -> Any:
        if kind == "stack" and isinstance(value, str) and not is_path(value):
            return self.stack(value, folder)
        if kind == "system":
            return value if isinstance(value, System) else self.system(value, folder)
        if not isinstance(kind, str) or kind not in CLASSES:
            raise InputError(f"unknown kind {found_text(kind)}", fix=suggest(str(kind), [*CLASSES, "system"]))
        return self.built(self.source((kind,), value, folder))

    def stack(self, value: str, folder: Path) -> Stack:
        """A stack by name, a release after "@" left out; a cost model's name is that model under the defaults of
        `datasheet`."""
        name = value.partition("@")[0].strip()
        models = own_names(GROUPS["cost model"])
        if normal(name) in models and not own_names(GROUPS["stack"]).count(normal(name)):
            return hardware_specs.stack("datasheet").replace(name=normal(name), kernels=normal(name))
        found: Stack = self.built(self.source(("stack",), name, folder))
        return found

    def system(self, value: Any, folder: Path) -> System:
        """A chip in its usual home, a node, or a cluster."""
        source = self.source(OF_SYSTEM, value, folder)
        spec = self.built(source)
        if isinstance(spec, Chip):
            return System.of(spec) if spec.home is None else self.system(spec.home, source.folder).replace(chip=spec)
        cluster = spec if isinstance(spec, Cluster) else None
        inner = source if cluster is None else self.source(("node",), self.part(source, "node", cluster), source.folder)
        node = spec if cluster is None else self.built(inner)
        chip = self.built(self.source(("chip",), self.part(inner, "chip", node), inner.folder))
        return System.of(chip, node, cluster)

    def part(self, source: Source, key: str, spec: Any) -> Any:
        """What a node says of its chip, or a cluster of its node: as written (a name, a path, a table)."""
        return source.raw.get(key, getattr(spec, key))

    def built(self, source: Source) -> Any:
        """The validated spec."""
        if source.value is not None:
            return source.value
        raw = dict(source.raw)
        for key in ("chip", "node"):
            inner = raw.get(key)
            if source.kind in ("node", "cluster") and (isinstance(inner, dict) or (inner and is_path(str(inner)))):
                raw[key] = self.built(self.source((key,), inner, source.folder)).name
        if source.kind in OF_SYSTEM:
            raw = resolve_links(raw, self.link_text)
        return build_from_file(CLASSES[source.kind], raw, source.file)

    def link_text(self, name: str) -> tuple[str, str]:
        path = own_file("link", name)
        return (path.read_text(encoding="utf-8"), str(path)) if path else hardware_specs.link.text(name)

    def source(self, kinds: tuple[str, ...], value: Any, folder: Path, chain: tuple[str, ...] = ()) -> Source:
        """Where a value leads, `extends` resolved; `chain` are the files that were extended on the way here."""
        if isinstance(value, Spec):
            kind = next((k for k in kinds if isinstance(value, CLASSES[k])), None)
            if kind is None:
                raise InputError(f"a {type(value).__name__} is no {_or(kinds)}")
            return Source(kind, {}, "", folder, value)
        if isinstance(value, Mapping):
            return self.table(kinds, dict(value), folder, chain)
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{found_text(value)} is no {_or(kinds)}", fix="give a name, a path or a table")
        return self.path(kinds, value, folder, chain) if is_path(value) else self.named(kinds, value, folder, chain)

    def path(self, kinds: tuple[str, ...], value: str, folder: Path, chain: tuple[str, ...]) -> Source:
        path = folder / os.path.expanduser(value)
        if kinds == ("model",) and (path.is_dir() or path.suffix == ".json"):
            held = path / "config.json" if path.is_dir() else path
            if not held.is_file():
                what = "holds no config.json" if path.is_dir() else "is no file"
                raise InputError(f"{value!r} {what}", fix=f"looked for a model at {_full(path)}")
            if "schema" not in read_file(held, "model"):
                return Source("model", {}, str(held), held.parent, workloads.read_model(held))
            path = held
        if path.is_dir() or not path.exists():
            what = "is a folder" if path.is_dir() else "is no file"
            raise InputError(f"{value!r} {what}", fix=f"looked for a {_or(kinds)} at {_full(path)}")
        if str(path.resolve()) in chain:
            raise InputError("extends itself", file=str(path), key="extends", fix="extend another spec")
        return self.keys(kinds, read_file(path, kinds[0]), str(path), path.parent, (*chain, str(path.resolve())))

    def table(self, kinds: tuple[str, ...], raw: Raw, folder: Path, chain: tuple[str, ...]) -> Source:
        """A spec in place; without a name it is called after what it extends."""
        if kinds == ("model",) and "schema" not in raw and ("model_type" in raw or "architectures" in raw):
            from workloads.importers.huggingface import import_model

            return Source("model", {}, INLINE, folder, import_model(raw, str(raw.get("name", "inline")), INLINE))
        parent = raw.get("extends")
        if (
            parent is None
            and len(kinds) == 1
            and not set(raw) & NEEDED_IN_PLACE
            and _is_shipped(kinds[0], str(raw.get("name")))
        ):
            strange = min(set(raw) - {"name"}, default="name")
            fix = f'leave it out, or write extends = "{raw["name"]}" and what is to change'
            raise InputError("unknown key beside a name", file=INLINE, key=strange, fix=fix)
        if "name" not in raw:
            raw["name"] = f"{Path(parent).stem}-inline" if isinstance(parent, str) else "inline"
        return self.keys(kinds, raw, INLINE, folder, chain)

    def named(self, kinds: tuple[str, ...], name: str, folder: Path, chain: tuple[str, ...]) -> Source:
        for kind in kinds:
            found = self.own(kind, name, folder, chain)
            if found is not None:
                if _is_shipped(kind, name):
                    self.notes.append(f"{kind} {name!r} of {found.file} hides the shipped one")
                return found
        for kind in kinds:
            if _is_shipped(kind, name):
                return Source(kind, *_shipped(kind, name), folder, SHIPPED[kind](name))
        if kinds == ("model",):
            if (folder / name / "config.json").is_file():
                return self.path(kinds, f"./{name}", folder, chain)
            if (variant := self.variant(name, folder, chain)) is not None:
                return variant
        raise _unknown(kinds, name, folder)

    def variant(self, name: str, folder: Path, chain: tuple[str, ...]) -> Source | None:
        """A known model behind a name with suffixes; None where there is none."""
        for base, number in candidates(name):
            if not (_is_shipped("model", base) or own_file("model", base) or own_thing(GROUPS["model"], normal(base))):
                continue
            found = self.named(("model",), base, folder, chain)
            if not number:
                return found
            spec = self.built(found)
            own = formats_of(spec, number, name)
            if own:
                self.notes.append(f"{name} is read as {base} with weights in {', '.join(own.values())}")
            return Source("model", found.raw and {**found.raw, **own}, found.file, folder, spec.replace(**own))
        return None

    def own(self, kind: str, name: str, folder: Path, chain: tuple[str, ...]) -> Source | None:
        """A spec of one's own by name; one that extends the shipped spec of its own name is not its own parent."""
        path = own_file(kind, name)
        if path is not None and str(path.resolve()) not in chain:
            return self.path((kind,), str(path.resolve()), folder, chain)
        thing = own_thing(GROUPS[kind], normal(name)) if kind in GROUPS else None
        origin = f"{GROUPS.get(kind)} {name}"
        if thing is None or origin in chain:
            return None
        if isinstance(thing, Path):
            return self.path((kind,), str(thing), folder, (*chain, origin))
        found = self.source((kind,), thing, folder, (*chain, origin))
        return Source(kind, found.raw, origin if found.file in ("", INLINE) else found.file, folder, found.value)

    def keys(self, kinds: tuple[str, ...], raw: Raw, file: str, folder: Path, chain: tuple[str, ...]) -> Source:
        """Parsed keys as a source of the kind that their schema names."""
        kind = _kind_of(kinds, raw, file)
        raw = dict(raw)
        parent = raw.pop("extends", None)
        if parent is not None:
            if not isinstance(parent, str) or not parent.strip():
                raise InputError(f"{parent!r} is no {kind}", file=file, key="extends", fix="give its name or path")
            base = self.base(kind, parent, file, folder, chain)
            raw = merge({k: v for k, v in base.items() if k not in ("aliases", "schema")}, raw)
        return Source(kind, raw, file, folder)

    def base(self, kind: str, parent: str, file: str, folder: Path, chain: tuple[str, ...]) -> Raw:
        try:
            found = self.source((kind,), parent, folder, chain or (file,))
        except InputError as error:
            if error.file is None:
                error.file, error.key = file, "extends"
            raise
        if not found.raw:
            raise InputError(f"{parent!r} is no file of ours", file=file, key="extends", fix="extend a TOML spec")
        return found.raw


def _kind_of(kinds: tuple[str, ...], raw: Raw, file: str) -> str:
    said = raw.get("schema")
    if said is None and len(kinds) == 1:
        return kinds[0]
    for kind in kinds:
        if SCHEMAS[kind] == said:
            return kind
    what = "is missing" if said is None else f"{said!r} is no {_or(kinds)}"
    wanted = " or ".join(f'"{SCHEMAS[kind]}"' for kind in kinds)
    raise InputError(what, file=file, key="schema", fix=f"write schema = {wanted}")


def _is_shipped(kind: str, name: str) -> bool:
    registry = SHIPPED[kind]
    return normal(name) in registry.files or normal(name) in registry.aliases


def _shipped(kind: str, name: str) -> tuple[Raw, str]:
    """(keys with `extends` resolved, file) of a shipped spec."""
    text: Callable[[str], tuple[str, str]] = SHIPPED[kind].text
    read, file = text(name)
    raw = read_toml(read, file)
    parent = raw.pop("extends", None)
    if parent is not None:
        base, _ = _shipped(kind, parent)
        raw = merge({k: v for k, v in base.items() if k not in ("aliases", "schema")}, raw)
    return raw, file


def _full(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _or(kinds: tuple[str, ...]) -> str:
    return ", ".join(kinds[:-1]) + " or " + kinds[-1] if len(kinds) > 1 else kinds[0]


def _unknown(kinds: tuple[str, ...], name: str, folder: Path) -> InputError:
    """Unknown name: what was looked for, where, and what is near."""
    known = {n for kind in kinds for n in (*SHIPPED[kind].files, *SHIPPED[kind].aliases, *own_file_names(kind))}
    known |= {n for kind in kinds if kind in GROUPS for n in own_names(GROUPS[kind])}
    error = UnknownName(_or(kinds), name, known)
    near = (f"{name}.toml", f"{name}.json", name) if len(name) <= MOST_NAME else ()
    beside = next((p for p in near if (folder / p).exists()), None)
    if beside is not None:
        error.fix = f"for the file write './{beside}'"
        return error
    own = ", ".join(map(str, folders())) or f"${VARIABLE} (not set)"
    error.fix = f"{error.fix} Looked in {own}, installed packages and what is shipped; a path starts with ./"
    return error
