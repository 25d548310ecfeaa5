"""What a compiled kernel was made from: a digest of its own code and of all that it reaches, wording left out.

A kernel is named by a source file and a name in it. Its digest covers the syntax tree of its definition, without
docstrings, comments and positions, and of every name that the definition uses, across imports inside the same folder
of packages. So a changed comment leaves it as it was, and a changed constant two files further does not. Digests of
single definitions are kept by size and times of their file, because parsing costs more than all else.

Wrong for a name that is made at run time (`globals()[...] = `, star imports): kernels have none.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from simcore.kept.files import home, read_json, write_aside

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("simcore", "planners")
"""followed from import to import; what else is imported enters by its version only, if at all"""
EVERY = "*"
"""statements that bind no name: they count for every name of their file"""
KNOWN_FILES = "sources.json"

File = dict[str, Any]
"""name -> [digest, names used]; for an imported name [None, [file, name]]"""


@cache
def digest_of(file: str, name: str) -> str:
    """A digest of what `name` of a source file, and everything that it reaches, says. Raises OSError, SyntaxError."""
    table, seen, todo = _known(), set[tuple[str, str]](), [(file, name), (file, EVERY)]
    parts = []
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        names = table.of(place[0])
        found = names.get(place[1])
        if found is None:
            continue
        own, uses = found
        if own is None:
            there = table.of(uses[0])
            wanted = [uses[1]] if uses[1] in there or uses[1] == EVERY else list(there)  # made at run time: all counts
            todo += [(uses[0], one) for one in (*wanted, EVERY)]
        else:
            parts.append(f"{Path(place[0]).name}:{place[1]}:{own}")
            todo += [_place(place[0], names, use) for use in uses]
    table.keep()
    whole = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for part in sorted(parts):
        whole.update(part.encode())
    return whole.hexdigest()[:16]


def origin(file: str, name: str) -> tuple[str, str]:
    """(file, name) of the definition, where a name is imported from another file. Raises OSError, SyntaxError."""
    found = _known().of(file).get(name)
    return origin(*found[1]) if found is not None and found[0] is None else (file, name)


def defines(file: str, name: str) -> bool:
    """Whether a file binds a name at its top. Raises OSError, SyntaxError."""
    return name in _known().of(file)


def literal(file: str, name: str) -> Any:
    """The value of a name that a file binds to a literal. Raises LookupError where it does not."""
    for statement in ast.parse(Path(file).read_bytes()).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(t) for t in statement.targets] == [name]:
            return ast.literal_eval(statement.value)
    raise LookupError(name)


def _place(file: str, names: File, use: str) -> tuple[str, str]:
    """Where a used name is defined; `module.name` leads into that module."""
    base, _, inner = use.partition(".")
    found = names.get(base)
    if inner and found is not None and found[0] is None and found[1][1] == EVERY:
        return found[1][0], inner
    return file, base


class _Known:
    """Digests of definitions by file, kept on disk between processes."""

    def __init__(self) -> None:
        self.kept = home() / KNOWN_FILES
        self.files: dict[str, list[Any]] = read_json(self.kept)
        self.fresh: dict[str, File] = {}
        self.changed = False

    def of(self, file: str) -> File:
        """The table of one file, parsed again where its size or times are others."""
        if file not in self.fresh:
            state = Path(file).stat()
            stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, sys.version_info[1]]
            found = self.files.get(file, [])
            if not _sound(found) or found[0] != stamp:
                found = [stamp, definitions(Path(file).read_bytes(), Path(file))]
                self.files[file] = found
                self.changed = True
            self.fresh[file] = found[1]
        return self.fresh[file]

    def keep(self) -> None:
        """Write what was parsed anew."""
        if self.changed:
            write_aside(self.kept, json.dumps(self.files).encode())
            self.changed = False


def _sound(found: Any) -> bool:
    """Whether a kept entry has the shape of one."""
    shaped = isinstance(found, list) and len(found) == 2 and isinstance(found[1], dict)
    return shaped and all(isinstance(one, list) and len(one) == 2 for one in found[1].values())


@cache
def _known() -> _Known:
    return _Known()


def reaches_packages(file: str) -> bool:
    """Whether a file is one of the followed packages, or imports from them. Raises OSError, SyntaxError."""
    own = any(Path(file).is_relative_to(ROOT / package) for package in PACKAGES)
    return own or any(found[0] is None for found in _known().of(file).values())


def definitions(source: bytes, file: Path) -> File:
    """Every top-level name of a source text: digest of the statements that bind it, and the names these use."""
    found: dict[str, tuple[list[str], set[str]]] = {}
    imported: File = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom | ast.Import):
            imported |= _imports(statement, file)
            continue
        bare = _without_wording(statement)
        if bare is None:
            continue
        uses = _uses(bare)
        for name in _binds(bare) or [EVERY]:
            texts, known = found.setdefault(name, ([], set()))
            texts.append(ast.dump(bare))
            known |= uses
    own = {
        name: [hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16], sorted(uses)]
        for name, (texts, uses) in found.items()
    }
    return imported | own


def _without_wording(statement: ast.stmt) -> ast.stmt | None:
    """The statement without docstrings; None for a text that stands alone, and for a list of public names."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return None
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
        return None
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            kept = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return statement


def _uses(statement: ast.stmt) -> set[str]:
    found = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
    return found


def _binds(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _imports(statement: ast.ImportFrom | ast.Import, file: Path) -> File:
    """Names imported from files that are followed: name -> [None, [file, name there]]."""
    if isinstance(statement, ast.Import) or not statement.module or statement.level:
        return {}
    if statement.module.split(".")[0] not in PACKAGES:
        return {}
    found: File = {}
    for one in statement.names:
        name, inner = one.asname or one.name, _file(f"{statement.module}.{one.name}")
        outer = _file(statement.module)
        if inner is not None:
            found[name] = [None, [inner, EVERY]]
        elif outer is not None:
            found[name] = [None, [outer, one.name]]
    return found


@cache
def _file(module: str) -> str | None:
    """The source file of a module of the followed packages."""
    place = ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return str(file)
    return None
