"""The reference of Python: public functions with their signatures and docstrings."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from typing import Any

MODULES = {
    "simcore": "The face: everything that the commands do.",
    "simcore.policy.verbs": "What a scheduler of your own is written with.",
    "simcore.testing.schedulers": "What every scheduler must keep.",
    "simcore.testing.methods": "What every search method must keep.",
}
SIGNATURE = "```python\n{name}{signature}\n```"


def public() -> Iterator[tuple[str, str, Any]]:
    """(module, name, what it is) of every public function and class."""
    for module in known():
        found = importlib.import_module(module)
        own = [n for n, o in vars(found).items() if getattr(o, "__module__", None) == module and n[0] != "_"]
        for name in getattr(found, "__all__", own):
            one = getattr(found, name)
            if callable(one) and inspect.getdoc(one):
                yield module, name, one


def known() -> list[str]:
    """Modules of the reference that there are."""
    return [name for name in MODULES if importlib.util.find_spec(name) is not None]


def page() -> str:
    """Markdown of all public functions."""
    parts = ["# Python", "Made from the docstrings. Answers are `Result`-like: `.flat`, `.to_frame()`, `as_dict()`."]
    last = ""
    for module, name, one in public():
        if module != last:
            parts += [f"## {module}", MODULES[module]]
            last = module
        parts += [f"### {module.rpartition('.')[2]}.{name}", signed(name, one), words(inspect.getdoc(one) or "")]
    return "\n\n".join(parts) + "\n"


def signed(name: str, one: Any) -> str:
    """How it is called."""
    try:
        return SIGNATURE.format(name=name, signature=str(inspect.signature(one)).replace("'", ""))
    except (TypeError, ValueError):
        return ""


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
