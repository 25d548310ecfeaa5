"""JSON Schema of a spec kind, for editors that check TOML while it is written."""

from __future__ import annotations

from typing import Any

from simcore.spec.base import Sourced


def json_schema(kind: type[Sourced]) -> dict[str, Any]:
    """The schema of the file: keys as written in TOML, links by name allowed, computed fields left out.

    >>> from simcore.spec.hardware import Chip
    >>> sorted(json_schema(Chip)["required"])[:3]
    ['architecture', 'compute', 'issue']
    """
    schema = kind.model_json_schema(by_alias=True)
    schema["properties"].pop("citations", None)
    schema["properties"] |= {
        "schema": {"type": "string", "description": "kind and version, for example chip/1"},
        "extends": {"type": "string", "description": "the spec that this one is laid over"},
    }
    link = schema.get("$defs", {}).get("Link")
    if link is not None:
        schema["$defs"]["Link"] = {"anyOf": [link, {"type": "string", "description": "name of a link file"}]}
    schema.get("$defs", {}).pop("Citation", None)
    return schema
