"""Models and traffic: `model("llama-3.1-70b")`, TOML files in `workloads/models`.

`model_or_file` also takes the path of a Hugging Face config.json or of a model file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.registry import DataRegistry
from simcore.spec.base import name_of
from simcore.spec.demand import Demand
from simcore.spec.load import build_from_file, derive, in_words, read_json, read_text, read_toml
from simcore.spec.model import ModelSpec
from workloads.importers.keys import HARMLESS


def _parse_model(text: str, file: str) -> ModelSpec:
    raw = read_toml(text, file)
    if raw.get("schema", "model/1") != "model/1":
        raise InputError(f"{raw['schema']!r} is no model", file=file, key="schema", fix='write schema = "model/1"')
    return build_from_file(ModelSpec, derive(raw, file, model.text), file)


model: DataRegistry[ModelSpec] = DataRegistry("model", "workloads/models", _parse_model)


def model_or_file(name_or_path: str) -> ModelSpec:
    """A model by name, or from a file: a config.json (or a folder that holds one) or a model TOML.

    A text that ends in .json or .toml, or names something on disk with a slash, is a path. Raises InputError for a
    missing file and for what the importer refuses, UnknownName for an unknown name.
    """
    path = Path(name_or_path)
    if path.is_dir() and (path / "config.json").is_file():
        path = path / "config.json"
    is_path = path.suffix in (".json", ".toml") or (path.is_file() and "/" in name_or_path)
    return read_model(path) if is_path else model(name_or_path)


def read_model(path: Path) -> ModelSpec:
    """The model in a file; a config.json takes its name from the file or, if that says nothing, from its folder."""
    if path.suffix == ".toml":
        return _parse_model(read_text(path), str(path))
    from workloads.importers.huggingface import import_model

    stem = path.stem if path.stem != "config" else path.resolve().parent.name
    raw = _with_quantization(path)
    try:
        check_config(raw, str(path))
        return import_model(raw, name_of(f"{stem.split('--')[-1].lower()}.json"), str(path))
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError, RecursionError) as error:
        what = f"is not a config.json that can be read: {in_words(error)}"
        raise InputError(what, file=str(path), fix="look for a value of the wrong kind") from None


def check_config(raw: dict[str, Any], file: str, prefix: str = "") -> None:
    """Raise InputError for what no config.json holds: a value in place of an object, a layer count beyond reason, a
    number below zero, and Infinity or NaN under a key that may be read (`time_step_limit = [0, Infinity]` is not)."""
    for key, value in raw.items():
        if key in TABLES and value is not None and not isinstance(value, dict):
            raise InputError(f"{value!r} is not an object", file=file, key=prefix + key)
        if LAYERS.search(key) and isinstance(value, int) and abs(value) > MOST_LAYERS:
            raise InputError(f"{value} layers are too many", file=file, key=prefix + key)
        if isinstance(value, dict):
            check_config(value, file, f"{prefix}{key}.")
        for inner in value if isinstance(value, list) else ():
            if isinstance(inner, dict):
                check_config(inner, file, f"{prefix}{key}.")
        for number in _numbers(value):
            if number < 0 and not SIGNED.search(key):
                raise InputError(f"{number!r} is below zero", file=file, key=prefix + key)
            if not abs(number) < inf and not HARMLESS.search(key):
                raise InputError(f"{number!r} is not finite", file=file, key=prefix + key)


def _numbers(value: Any) -> Iterator[float]:
    """A number, or those of a list and of the lists in it."""
    if isinstance(value, int | float):
        yield value
    for inner in value if isinstance(value, list) else ():
        yield from _numbers(inner)


LAYERS = re.compile(r"(^|_)n?_?layers?$")
SIGNED = re.compile(
    r"token_id|(^|_)ids?$|index$|feature_layers?$|select_layer$|penalty|bias|offset|label|alpha|beta|mean$"
)
"""keys of a config.json that may hold a number below zero: names of tokens, places from the end, what is added"""
MOST_LAYERS = 100_000
TABLES = ("quantization_config", "text_config", "language_config", "llm_config", "vision_config", "rope_scaling")
"""keys of a config.json that hold an object or nothing"""


def _with_quantization(path: Path) -> dict[str, Any]:
    """A config.json with the quantisation that a `hf_quant_config.json` beside it states, where it has none itself."""
    from workloads.importers.quantization import beside

    raw, file = read_json(path, infinite=True), path.with_name("hf_quant_config.json")
    if path.name == "config.json" and file.is_file() and not raw.get("quantization_config"):
        return {**raw, "quantization_config": beside(read_json(file))}
    return raw


def _parse_demand(text: str, file: str) -> Demand:
    return build_from_file(Demand, derive(read_toml(text, file), file, traffic.text), file)


traffic: DataRegistry[Demand] = DataRegistry("traffic", "workloads/traffic", _parse_demand)
