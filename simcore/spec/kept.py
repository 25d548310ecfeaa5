"""Specs kept between processes: what was checked once need not be checked again, nor its schema built for it.

A spec follows from its class, the tables of its file and the code of this package alone, unless blocks of one's own are
known: then nothing is kept. What is refused is never kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from simcore.kept.values import keep_value, kept_value, state_of
from simcore.registry import GROUPS, own_names
from simcore.spec.base import Spec

S = TypeVar("S", bound=Spec)
KEPT = 512
"""specs"""


def once(kind: type[S], raw: Mapping[str, Any], make: Callable[[], S]) -> S:
    """The spec of these tables from an earlier process, else the one that `make` makes, kept from then on."""
    key = _key(kind, raw)
    found = None if key is None else kept_value("specs", key, _classes(kind))
    if isinstance(found, kind):
        return found
    made = make()
    if key is not None:
        keep_value("specs", key, made, KEPT)
    return made


def _key(kind: type[Spec], raw: Mapping[str, Any]) -> str | None:
    """None for tables that are no plain text and numbers, and where the code of others decides."""
    if own_names(GROUPS["block"]) or not _is_ours(kind):
        return None
    try:
        return f"{kind.__module__}.{kind.__name__} {json.dumps(raw)} {state_of('simcore/spec')}"
    except (TypeError, ValueError, RecursionError):
        return None


def _classes(kind: type[Spec]) -> list[type[Spec]]:
    """All specs of this package by which others are made; of the packages above only `kind` itself."""
    found: list[type[Spec]] = []
    todo: list[type[Spec]] = [Spec]
    while todo:
        here = todo.pop()
        found += [here] if _is_ours(here) else []
        todo += here.__subclasses__()
    return [*found, kind]


def _is_ours(kind: type[Spec]) -> bool:
    return kind.__module__.startswith("simcore.spec.")
