"""The reference of files: every key of every kind, from the classes that read them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin, get_type_hints

Table = dict[str, Any]
ROW = "| {key} | {type} | {default} | {says} |"
LEADS = {
    "training": "[recipe](recipe.md)",
    "economics": "[economics](economics.md)",
    "laws": "[what if](../../what-if.md)",
}
"""keys of a scenario -> the page that says more"""
WRITTEN = {
    "float": "number",
    "int": "whole number",
    "str": "text",
    "bool": "true or false",
    "Number": "number or arithmetic",
    "Numbers": "table of name to number or arithmetic",
    "Settings": "table of key to value",
    "Seconds": "quantity in s",
    "Bytes": "quantity in byte",
    "tuple[str, ...]": "list of text",
    "Mapping[str, Any]": "table",
    "Mapping[str, Settings]": "table of tables",
    "Mapping[str, Mapping[str, Any]]": "table of tables",
    "Mapping[str, tuple[Any, ...]]": "table of key to a list of values",
    "tuple[float, float]": "list of two numbers",
    "tuple[str | dict[str, Any], ...]": "list of text or tables",
    "tuple[Any, Any]": "list of two",
    "Any": "any",
}
"""a dataclass's annotation -> what stands in the file"""
UNWRITTEN = ("ask", "file", "tables")
"""fields of dataclasses that no file says"""
SPELT = {"work": "tasks"}
"""field of a dataclass -> its key in the file, where they differ"""
REFUSED_WITHOUT = ("formats", "work", "claims", "variants", "scenario")
"""lists and tables without a default that their readers insist on; all others may be left out"""
HEAD = ("| key | type | default | meaning |", "|---|---|---|---|")


def specs() -> dict[str, tuple[type[Any], str]]:
    """kind -> the pydantic class of its file, and where such files are used."""
    from commands.schema import kinds
    from planners.experts.question import ExpertQuestion
    from planners.power.problem import PowerProblem
    from planners.search.study import SearchStudy
    from simcore.spec.formats import NumberFormat
    from simcore.spec.recipe import Recipe

    words = {
        "scenario": 'the one question of every verb, `schema = "scenario/2"`',
        "chip": '`schema = "chip/1"`; `simcore list chips`',
        "node": '`schema = "node/1"`; `simcore list nodes`',
        "cluster": '`schema = "cluster/1"`; `simcore list clusters`',
        "link": '`schema = "link/1"`; a link that nodes name',
        "model": '`schema = "model/1"`; `simcore list models`, `simcore import-model`',
        "traffic": '`schema = "demand/1"`; `simcore list traffic`',
        "economics": '`schema = "economics/1"`; prices and what the grid emits',
        "stack": '`schema = "stack/1"`; a server\'s documented defaults; `simcore list stacks`',
    }
    more: dict[str, tuple[type, str]] = {
        "recipe": (Recipe, '`schema = "recipe/1"`; how a training framework works, named by `[training]`'),
        "format": (NumberFormat, '`schema = "format/1"`; a number format that a plan names'),
        "power": (PowerProblem, "the problem of `simcore plan power`"),
        "experts": (ExpertQuestion, "the problem of `simcore plan experts`"),
        "search": (SearchStudy, '`schema = "search/1"`; a search of another evaluator than a scenario'),
    }
    return {kind: (found, words[kind]) for kind, found in kinds().items()} | more


def forms() -> dict[str, tuple[tuple[type, ...], str]]:
    """kind -> the dataclasses that hold the tables of its file, the whole one last."""
    from planners.precision.table import PrecisionTable
    from planners.tasks import form as tasks
    from scenarios import asked
    from scenarios.one_step import AskedStep
    from scenarios.overlap import AskedStreams
    from simcore.cost.tiles import DecodeSchedule, DecodeWork, TiledProduct
    from studies import form as studies

    step = "`[asked]` of a scenario for `simcore step` and `plan precision`; see [kernels](../../kernels.md)"
    kernels = (TiledProduct, DecodeSchedule, DecodeWork)
    precision = "`[precision]` beside a scenario and its [`[asked]`](step.md), for `simcore plan precision`"
    study = (
        studies.Question,
        studies.Paper,
        studies.Variant,
        studies.Input,
        studies.Placebo,
        studies.Claim,
        studies.Tried,
    )
    return {
        "step": ((*kernels, asked.AskedHost, asked.AskedTables, AskedStreams, AskedStep), step),
        "precision": ((PrecisionTable,), precision),
        "tasks": ((tasks.Work, tasks.Hold, tasks.Schedule), '`schema = "tasks/1"`; `simcore tasks`, docs/tasks.md'),
        "study": ((*study, studies.Study), '`schema = "study/2"`; `simcore study run`, docs/studies-form.md'),
    }


def pages() -> Iterator[tuple[str, str]]:
    """(kind, Markdown) of every kind of file."""
    for kind, (spec, where) in specs().items():
        yield kind, page_of_spec(kind, spec, where)
    for kind, (tables, where) in forms().items():
        parts = [f"# File: {kind}", where[:1].upper() + where[1:] + "."]
        for table in reversed(tables):
            parts += [f"## {table.__name__}", said(table), *HEAD, *rows_of_dataclass(table), ""]
        yield kind, "\n\n".join(parts[:2]) + "\n\n" + lines(parts[2:])


def lines(parts: list[str]) -> str:
    """Headings and tables with the empty lines that Markdown needs around them."""
    found = []
    for part in parts:
        found.append(part if part.startswith("|") else f"\n{part}\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(found))


def page_of_spec(kind: str, spec: type[Any], where: str) -> str:
    """One page: the file's own keys, then every table that they lead to."""
    from simcore.spec.schema import json_schema

    schema = json_schema(spec)
    parts = [f"## {kind}", said(spec), *HEAD, *rows(schema, schema.get("$defs", {}))]
    for name, table in sorted(schema.get("$defs", {}).items()):
        bodies = [one for one in (table, *table.get("anyOf", [])) if "properties" in one]
        for body in bodies:
            parts += [f"## {name}", paragraph(body.get("description", "")), *HEAD, *rows(body, schema["$defs"])]
        if not bodies and "enum" in table:
            parts += [f"## {name}", "One of " + ", ".join(f"`{one}`" for one in table["enum"])]
    title = f"# File: {kind}\n\n{where[:1].upper()}{where[1:]}. Its JSON Schema for editors: `simcore schema {kind}`.\n"
    if kind not in ("recipe", "format", "power", "experts", "search"):
        return title + lines(parts)
    return title.replace(f" Its JSON Schema for editors: `simcore schema {kind}`.", "") + lines(parts)


def rows(table: Table, tables: Table) -> Iterator[str]:
    """A line for every key of a table; `tables` are those that it may lead to."""
    required = set(table.get("required", []))
    for key, one in table.get("properties", {}).items():
        says = words_of(one, tables)
        if key in LEADS and "ResidencyPart" in tables:
            says = f"{says} (see {LEADS[key]})"
        shown, kind = "required" if key in required else default_of(one), typed(one) + measured(one)
        yield ROW.format(key=f"`{key}`", type=escaped(kind), default=escaped(shown), says=escaped(says))


def words_of(one: Table, tables: Table) -> str:
    """What is said of a key, else of the table that it leads to."""
    from simcore.spec.schema import unit_and_words

    words = unit_and_words(one)[1]
    named = [i["$ref"].rpartition("/")[2] for i in (one, *one.get("anyOf", []), one.get("items") or {}) if "$ref" in i]
    return words or (str(tables.get(named[0], {}).get("description", "")).partition("\n\n")[0] if named else "")


def measured(one: Table) -> str:
    """The unit of a quantity behind its type."""
    from simcore.spec.schema import unit_and_words

    unit = unit_and_words(one)[0]
    return f" in {unit}" if unit else ""


def default_of(one: Table) -> str:
    """As it would be written."""
    if "default" not in one:
        return (
            "its own defaults" if "$ref" in one else "empty" if one.get("type") in ("array", "object") else "left out"
        )
    value = one["default"]
    if isinstance(value, dict) and value:
        return "its own defaults"
    return "left out" if value is None else f"`{json.dumps(value)}`" if value not in ({}, []) else "empty"


def typed(one: Table) -> str:
    """A type in words, with bounds: `whole number, 1 to 16`."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in one:
        return "one of " + ", ".join(f"`{value}`" for value in one["enum"])
    if "const" in one:
        return f"`{one['const']}`"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in one:
            return " or ".join(dict.fromkeys(typed(i) for i in one[key] if i.get("type") != "null"))
    if str(one.get("description", "")).startswith("quantity in ") or one.get("type") == ["object", "string"]:
        return "quantity"
    kind = one.get("type", "any")
    if kind == "array":
        inner = one.get("items") or {}
        many = one.get("prefixItems")
        return "list of " + (", ".join(typed(i) for i in many) if many else typed(inner)) + sizes(one)
    if kind == "object" and isinstance(one.get("additionalProperties"), dict):
        return "table of name to " + typed(one["additionalProperties"]) + measured(one["additionalProperties"])
    words = {"integer": "whole number", "string": "text", "boolean": "true or false", "object": "table"}
    return str(words.get(kind, kind) if isinstance(kind, str) else " or ".join(kind)) + bounds(one)


def sizes(one: Table) -> str:
    """How many entries."""
    return f", at least {one['minItems']}" if "minItems" in one and one.get("minItems") != one.get("maxItems") else ""


def bounds(one: Table) -> str:
    """The least and the most."""
    said = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    ends = {key: int(one[key]) if one[key] == int(one[key]) else one[key] for key in said if key in one}
    found = [f"{said[key]} {end:,}" for key, end in ends.items() if abs(end) < 2**31 - 1]
    return "".join(f", {text}" for text in found)


def rows_of_dataclass(table: type) -> Iterator[str]:
    """A line for every field of a dataclass that a file says, with what stands below it."""
    words, hints = docstrings(table), get_type_hints(table)
    for one in dataclasses.fields(table):
        if one.name not in UNWRITTEN:
            says, kind = words.get(one.name, ""), written(str(one.type), hints[one.name])
            yield ROW.format(key=f"`{SPELT.get(one.name, one.name)}`", type=kind, default=default_field(one), says=says)


def default_field(one: dataclasses.Field[Any]) -> str:
    """Of a dataclass."""
    if one.default is None:
        return "left out"
    if one.default is not dataclasses.MISSING and one.default != ():
        return escaped(f"`{json.dumps(one.default)}`")
    held = one.default_factory is not dataclasses.MISSING or one.default == ()
    many = re.match("tuple|Mapping|Numbers|Settings", str(one.type)) and one.name not in REFUSED_WITHOUT
    return "empty" if held or many else "required"


def written(annotation: str, hint: Any) -> str:
    """A type of Python in the words of a file: `float | None` is a number."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(hint) if value)
    found = []
    whole = annotation.removesuffix(" | None")
    for part in [whole] if whole in WRITTEN else whole.split(" | "):
        named = re.fullmatch(r"tuple\[([A-Z]\w+), \.\.\.\]|([A-Z]\w+)", part)
        if part in WRITTEN:
            found.append(WRITTEN[part])
        elif named:
            name = named[1] or named[2]
            found.append(("list of " if named[1] else "") + f"[{name}](#{name.lower()})")
        else:
            found.append(f"`{part}`")
    return escaped(" or ".join(found))


def docstrings(table: type) -> dict[str, str]:
    """field -> the text below it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(table))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in pairwise(tree.body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(field.target)] = escaped(" ".join(str(text.value.value).split()))
    return found


def said(table: type) -> str:
    """What a class says of itself, not of what it is built on."""
    return paragraph(inspect.cleandoc(table.__dict__.get("__doc__") or ""))


def paragraph(text: str) -> str:
    """Words as Markdown: nothing in them is HTML."""
    return text.replace("<", "&lt;")


def escaped(text: str) -> str:
    """Words as a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
