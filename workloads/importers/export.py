"""A model spec as a short TOML file: what equals a default is left out, equal layers are one table."""

from __future__ import annotations

import json
from typing import Any

from simcore.spec.base import Source, Spec
from simcore.spec.model import ModelSpec

HEAD = ("name", "aliases", "family")


def to_toml(spec: ModelSpec, sources: dict[str, Source] | None = None) -> str:
    """The text of a `workloads/models` file; reading it gives the same spec.

    `sources` (name -> source) are added to the spec's own.
    """
    facts = {name: getattr(spec, name) for name in type(spec).model_fields}
    lines = ['schema = "model/1"']
    for name, value in facts.items():
        if name in ("layers", "sources", "citations") or (name not in HEAD and _is_default(spec, name)):
            continue
        if value not in ((), None):
            lines.append(f"{name} = {value_text(value)}")
    for name, source in {**spec.sources, **(sources or {})}.items():
        lines += ["", f"[sources.{name}]"]
        lines += [f"{k} = {value_text(v)}" for k, v in source.model_dump(exclude_none=True).items()]
    for group in spec.layers:
        lines += ["", "[[layers]]"]
        lines += [f"{name} = {value_text(getattr(group, name))}" for name in _written(group)]
    return "\n".join(lines) + "\n"


def value_text(value: Any) -> str:
    """One TOML value; a spec becomes an inline table with its `kind` first.

    >>> from simcore.spec.model import Mlp
    >>> value_text((Mlp(intermediate_size=8, gated=False),))
    '[{ kind = "mlp", intermediate_size = 8, gated = false }]'
    """
    if isinstance(value, Spec):
        return "{ " + ", ".join(f"{name} = {value_text(getattr(value, name))}" for name in _written(value)) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(value_text(entry) for entry in value) + "]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _written(spec: Spec) -> list[str]:
    return [name for name in type(spec).model_fields if name == "kind" or not _is_default(spec, name)]


def _is_default(spec: Spec, name: str) -> bool:
    info = type(spec).model_fields[name]
    return not info.is_required() and getattr(spec, name) == info.get_default(call_default_factory=True)
