"""How each stack was started for a measurement: scheduler defaults and flags as data, one file per stack.

A file has a table `default` and a list `rule`; a rule's `when` names fields of the question (a value, or a list of
values; `users` and `attention_dp` take [least, most]); later rules win. Every rule says where it comes from.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from simcore.errors import UnknownName


@cache
def recipe(stack: str) -> dict[str, Any]:
    """The recipe file of a stack; raises UnknownName."""
    folder = resources.files("hardware_specs") / "calibration" / "serving" / "recipes"
    path = folder / f"{stack}.toml"
    if not path.is_file():
        known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
        raise UnknownName("recipe", stack, known)
    return tomllib.loads(path.read_text(encoding="utf-8"))


def without_models(found: dict[str, Any]) -> dict[str, Any]:
    """A recipe without the rules that name a model: what is known of a model that nobody has measured."""
    return {**found, "rule": [rule for rule in found.get("rule", ()) if "family" not in rule["when"]]}
