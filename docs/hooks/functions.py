"""The reference of Python: public functions with their signatures and docstrings, and what their answers hold."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

MODULES = {
    "simcore": "The face: everything that the commands do.",
    "simcore.policy.verbs": "What a scheduler of your own is written with.",
    "simcore.testing.schedulers": "What every scheduler must keep.",
    "simcore.testing.methods": "What every search method must keep.",
}
ANSWERS = (
    ("simcore.spec.scenario", "Scenario"),
    ("simcore.result", "Result"),
    ("simcore.result", "ResultTable"),
    ("simcore.api", "SweepOutcome"),
    ("scenarios.simulate", "Simulated"),
    ("scenarios.train", "Trained"),
    ("planners.sizing", "Sized"),
    ("planners.comparing", "Compared"),
    ("planners.search.run", "SearchResult"),
    ("planners.evaluate", "Evaluator"),
)
"""(where, class) of what the functions of `simcore` give back"""


class Plain(str):
    """An annotation that is shown as it is written."""

    __repr__ = str.__str__


def public() -> Iterator[tuple[str, str, Any]]:
    """(module, name, what it is) of every public function."""
    for module in MODULES:
        found = importlib.import_module(module)
        own = [n for n, o in vars(found).items() if getattr(o, "__module__", None) == module and n[0] != "_"]
        for name in getattr(found, "__all__", own):
            one = getattr(found, name)
            if callable(one) and inspect.getdoc(one) and not inspect.isclass(one):
                yield module, name, one


def page() -> str:
    """Markdown of all public functions and their answers."""
    parts = ["# Python", "Made from the docstrings."]
    last = ""
    for module, name, one in public():
        if module != last:
            parts += [f"## {module}", MODULES[module]]
            last = module
        parts += [f"### {module.rpartition('.')[2]}.{name}", signed(name, one), words(inspect.getdoc(one) or "")]
    parts += ["## Questions and answers", "What the functions of `simcore` take and give back."]
    for module, name in ANSWERS:
        parts += answer(getattr(importlib.import_module(module), name))
    return "\n\n".join(part for part in parts if part) + "\n"


def answer(kind: type) -> Iterator[str]:
    """A class with its public methods and properties; fields of a file's class stand in the reference of files."""
    yield f"### {kind.__name__}"
    yield words(inspect.cleandoc(kind.__dict__.get("__doc__") or ""))
    rows = []
    if dataclasses.is_dataclass(kind):
        rows += [f"| `{one.name}` | {cell(str(one.type))} |" for one in dataclasses.fields(kind) if one.name[0] != "_"]
    for name, one in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(one, property | cached_property):
            rows.append(f"| `.{name}` | {cell(inspect.getdoc(one) or '')} |")
        elif inspect.isfunction(one) or isinstance(one, classmethod):
            says = (inspect.getdoc(getattr(kind, name)) or "").partition("\n\n")[0]
            if says:
                rows.append(f"| `.{name}()` | {cell(says)} |")
    if rows:
        yield "\n".join(["| field, property, method | type or meaning |", "|---|---|", *rows])


def cell(text: str) -> str:
    """Words as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def signed(name: str, one: Any) -> str:
    """How it is called."""
    try:
        found = inspect.signature(one)
    except (TypeError, ValueError):
        return ""
    parameters = [p.replace(annotation=shown(p.annotation)) for p in found.parameters.values()]
    whole = found.replace(parameters=parameters, return_annotation=shown(found.return_annotation))
    return f"```python\n{name}{whole}\n```"


def shown(annotation: Any) -> Any:
    """Text of an annotation that is text."""
    return Plain(annotation) if isinstance(annotation, str) else annotation


def words(text: str) -> str:
    """A docstring as Markdown, its examples as code."""
    found, code = [], False
    for line in text.splitlines():
        if line.startswith(">>>") and not code:
            found += ["", "```pycon"]
            code = True
        elif code and not line.strip():
            found.append("```")
            code = False
        found.append(line if code else line.replace("<", "&lt;"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join([*found, *(["```"] if code else [])]))
