"""Recipes of training: `recipe("pretrain-bf16")`, TOML files in `workloads/recipes` of keys of [training]."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

from simcore.errors import UnknownName
from simcore.registry import normal


def names() -> list[str]:
    """Of the recipes."""
    folder = resources.files("workloads") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def recipe(name: str) -> dict[str, Any]:
    """The keys of a recipe. Raises UnknownName."""
    if normal(name) not in names():
        raise UnknownName("recipe", name, names(), key="training.recipe")
    path = resources.files("workloads") / "recipes" / f"{normal(name)}.toml"
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in found.items() if key not in ("schema", "name", "title", "source")}
