"""What pydantic complains of, in the words of a file: which key, what was found, what belongs there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simcore.spec.base import NO_NUMBER
from simcore.unit_text import found_text

Complaint = Mapping[str, Any]
TAG = re.compile(r"constrained-\w+|int|float|str|bool|none|(tuple|list|dict|literal|function|model)[-\[].*")
"""what pydantic adds to a place to tell the choices of a union apart"""
NOUNS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("string_type", "string_sub_type"), "a text in quotes"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("tuple_type", "list_type", "iterable_type"), "a list in brackets"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "a table"),
}
"""type of a complaint -> what belongs at the place"""
BOUNDS = {
    "greater_than": ("is not above", "gt"),
    "greater_than_equal": ("is not at least", "ge"),
    "less_than": ("is not below", "lt"),
    "less_than_equal": ("is not at most", "le"),
}


def place_of(one: Complaint, raw: Any) -> tuple[str, ...]:
    """The keys of `raw` that lead to what is complained of; choices of a union, which pydantic names by their class or
    their `kind`, are none."""
    found: list[str] = []
    for part in map(str, one["loc"]):
        held = raw.get(part) if isinstance(raw, dict) else raw[int(part)] if listed(raw, part) else None
        inside = part in raw if isinstance(raw, dict) else listed(raw, part)
        strange = not inside and (part[:1].isupper() or (isinstance(raw, dict) and part == raw.get("kind")))
        if TAG.fullmatch(part) or strange:
            continue
        found.append(part)
        raw = held
    return tuple(found)


def listed(raw: Any, part: str) -> bool:
    """Whether `raw` is a list with such an entry."""
    return isinstance(raw, list | tuple) and part.isdecimal() and int(part) < len(raw)


def told(complaints: Sequence[Complaint], raw: Any) -> tuple[str, str, str]:
    """(the type of complaint, the key, what is wrong there) of the first, or of what is wrong deeper below its key: of
    a union's choices, the one that came furthest counts.

    >>> one = {"loc": ("plan", "tp"), "type": "greater_than_equal", "ctx": {"ge": 1}, "input": 0, "msg": ""}
    >>> told([one], {"plan": {"tp": 0}})
    ('greater_than_equal', 'plan.tp', '0 is not at least 1')
    """
    placed = [(place_of(one, raw), one) for one in complaints]
    first = placed[0][0]
    place = max((at for at, _ in placed if at[: len(first)] == first), key=len)
    here = [one for at, one in placed if at == place]
    one = next((each for each in here if each["type"] not in NOUNS), here[0])
    if one["type"].startswith("union_tag"):
        place = (*place, str(one["ctx"]["discriminator"]).strip("'"))
    if one["type"] == NO_NUMBER:
        place = (*place, one["ctx"]["key"])
    return one["type"], ".".join(place), problem(one, [each["type"] for each in here])


def problem(one: Complaint, kinds: Sequence[str]) -> str:
    """What is wrong, where the choices of a union complained of `kinds`."""
    kind, context, found = one["type"], one.get("ctx", {}), found_text(one.get("input"))
    if kind in NOUNS:
        return f"{found} is not {' or '.join(dict.fromkeys(NOUNS[each] for each in kinds))}"
    if kind in BOUNDS:
        words, key = BOUNDS[kind]
        return f"{found} {words} {context[key]:,}"
    if kind in ("literal_error", "enum"):
        choices = str(context["expected"]).replace(" or ", ", ")
        return f"{found} is none of {'true, false, ' if 'bool_parsing' in kinds else ''}{choices}"
    if kind == "union_tag_not_found":
        return "is missing"
    if kind == "union_tag_invalid":
        return f"{context['tag']!r} is none of {context['expected_tags']}"
    if kind in ("int_parsing_size", "finite_number"):
        return f"{found} is {'not finite' if kind == 'finite_number' else 'too large'}"
    if kind in ("too_short", "too_long"):
        words, key = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
        return f"has {context['actual_length']} entries; give {words} {context[key]:,}"
    said = str(one["msg"]).removeprefix("Value error, ")
    plain = isinstance(one.get("input"), str | int | float) and repr(one["input"]) not in said and found not in said
    return f"{found}: {said}" if plain else said
