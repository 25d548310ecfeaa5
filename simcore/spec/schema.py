"""JSON Schema of a spec kind, for editors that check TOML while it is written."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, get_args

from simcore.spec.base import OURS, Sourced, Spec, finish

QUANTITY = "quantity in "
"""how the description of a quantity begins, its unit behind it (`simcore.units`)"""


def json_schema(kind: type[Spec]) -> dict[str, Any]:
    """The schema of the file: keys as written in TOML, links by name allowed, computed fields left out, what the code
    says of a field as its description.

    >>> from simcore.spec.hardware import Chip
    >>> sorted(json_schema(Chip)["required"])[:3]
    ['architecture', 'compute', 'issue']
    """
    finish()
    schema = kind.model_json_schema(by_alias=True)
    more = {"schema": {"type": "string", "description": "kind and version, for example chip/1"}}
    for name in OURS:
        schema["properties"].pop(name, None)
    if issubclass(kind, Sourced):
        more["extends"] = {"type": "string", "description": "the spec that this one is laid over"}
    schema["properties"] |= more
    link = schema.get("$defs", {}).get("Link")
    if link is not None:
        schema["$defs"]["Link"] = {"anyOf": [link, {"type": "string", "description": "name of a link file"}]}
    schema.get("$defs", {}).pop("Citation", None)
    for inner in parts_of(kind):
        table = schema if inner is kind else schema.get("$defs", {}).get(inner.__name__, {})
        for body in (table, *table.get("anyOf", [])):
            describe(body.get("properties", {}), inner)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def describe(properties: dict[str, Any], kind: type[Spec]) -> None:
    """Add to each property what stands below its field in the code, behind the unit of a quantity."""
    said = docstrings(kind)
    for name, info in kind.model_fields.items():
        one = properties.get(info.alias or name)
        if name in said and isinstance(one, dict):
            unit = unit_and_words(one)[0]
            one["description"] = f"{QUANTITY}{unit}: {said[name]}" if unit else said[name]


def unit_and_words(one: dict[str, Any]) -> tuple[str, str]:
    """What a property is measured in, empty if it is no quantity, and what is said of it.

    >>> unit_and_words({"description": "quantity in W: of the row"}), unit_and_words({"description": "of the row"})
    (('W', 'of the row'), ('', 'of the row'))
    """
    texts = [str(part.get("description", "")) for part in (one, *one.get("anyOf", []))]
    measured = next((text for text in texts if text.startswith(QUANTITY)), "")
    unit, _, words = measured.removeprefix(QUANTITY).partition(": ")
    return unit, texts[0] if not texts[0].startswith(QUANTITY) else words


def parts_of(kind: type[Spec]) -> Iterator[type[Spec]]:
    """A spec and all specs in its fields, each once."""
    found = {kind: None}
    waiting = [kind]
    while waiting:
        for info in waiting.pop().model_fields.values():
            for inner in specs_in(info.annotation):
                if inner not in found:
                    found[inner] = None
                    waiting.append(inner)
    yield from found


def specs_in(annotation: Any) -> Iterator[type[Spec]]:
    """The specs that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for argument in get_args(annotation):
        yield from specs_in(argument)


def docstrings(kind: type) -> dict[str, str]:
    """field -> the text below it, of a class and what it is built on."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not (isinstance(base, type) and issubclass(base, Spec)):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError):  # no source at hand
            continue
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, text in pairwise(body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if (
                isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = " ".join(text.value.value.split())
    return found
