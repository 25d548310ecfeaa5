"""Hugging Face config.json to `ModelSpec`: a family per `model_type`, nothing guessed."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from simcore.errors import InputError, suggest
from simcore.spec.base import Source
from simcore.spec.model import ModelSpec
from workloads.importers.architecture import Architecture, gather
from workloads.importers.keys import Keys
from workloads.importers.quantization import formats
from workloads.importers.vision import vision_parameters

Reader = Callable[[Keys], Architecture]
TEXT = ("text_config", "llm_config", "language_config")
"""where wrappers keep their language model"""


@cache
def readers() -> dict[str, Reader]:
    """`model_type` -> reader, from every module of `families`."""
    package = importlib.import_module("workloads.importers.families")
    found: dict[str, Reader] = {}
    for info in pkgutil.iter_modules(package.__path__):
        found |= importlib.import_module(f"{package.__name__}.{info.name}").MODEL_TYPES
    return found


def import_model(raw: dict[str, Any], name: str, file: str) -> ModelSpec:
    """The model that a config.json describes.

    `name` becomes the spec's name, `file` stands in complaints. A multimodal file's `text_config` is the model; the
    vision tower is counted in `other_parameters` where the wrapper is known, else left out and noted in the sources.
    Raises InputError for an unknown architecture, a missing key, a feature or quantisation that is not modelled, and a
    key that sounds like architecture and is not understood.
    """
    keys = text_keys(raw, file)
    found = readers()[keys.family](keys)
    layers = gather(found.layers)
    facts: dict[str, Any] = {
        "hidden_size": found.rest.get("hidden_size") or keys.whole("hidden_size"),
        "vocab_size": found.rest.get("vocab_size") or keys.whole("vocab_size"),
        **found.rest,
    }
    keys.check_rest()
    spec = ModelSpec(
        name=name,
        family=keys.family,
        layers=layers,
        tied_embeddings=found.tied_embeddings,
        max_context_tokens=context(keys),
        other_parameters=vision_parameters(raw, file, facts["hidden_size"]) if raw["model_type"] in readers() else 0,
        sources=left_out(raw, name),
        **facts,
    )
    holder, where = (raw, "") if raw.get("quantization_config") else (dict(keys.raw), keys.where)
    return spec.replace(**formats(holder, file, where, spec))


def left_out(raw: dict[str, Any], name: str) -> dict[str, Source]:
    """What an unknown wrapper of a known text model has beside it, as a source with a note."""
    if raw["model_type"] in readers():
        return {}
    others = [key for key in raw if key.endswith("_config") and key not in (*TEXT, "quantization_config")]
    note = f"text model of {raw['model_type']}" + (f"; {', '.join(others)} left out" if others else "")
    return {"config": Source(kind="vendor", title=f"Hugging Face config.json of {name}", note=note)}


def text_keys(raw: dict[str, Any], file: str) -> Keys:
    """The language model's object: `text_config` where there is one, else the file itself."""
    outer = raw.get("model_type")
    if not isinstance(outer, str):
        raise InputError(
            "is missing", file=file, key="model_type", fix="a Hugging Face config.json names its model_type"
        )
    if raw.get("audio_config"):
        raise InputError(
            "audio towers are not modelled", file=file, key="audio_config", fix="remove it to import the text"
        )
    holder = next((name for name in TEXT if raw.get(name) is not None), None)
    if holder is None:
        return Keys(raw, file, known(outer, file, "model_type"))
    inner = raw[holder]
    if not isinstance(inner, dict):
        raise InputError("is not an object", file=file, key=holder)
    family = inner.get("model_type", outer)
    if not isinstance(family, str):
        raise InputError(f"{family!r} is not a name", file=file, key=f"{holder}.model_type")
    if "model_type" not in inner and outer not in readers():
        what = f"{outer!r} wraps a {holder} without a model_type"
        raise InputError(what, file=file, key=f"{holder}.model_type", fix="say which family its text model is")
    if "tie_word_embeddings" in raw:
        inner = {**inner, "tie_word_embeddings": raw["tie_word_embeddings"]}
    return Keys(inner, file, known(text_family(family), file, f"{holder}.model_type"), f"{holder}.")


def text_family(name: str) -> str:
    """The family that reads a text model of this name: itself, or without what says that it is part of a wrapper.

    >>> text_family("qwen3_vl_moe_text"), text_family("qwen2_5_vl_text"), text_family("gemma3_text")
    ('qwen3_moe', 'qwen2', 'gemma3_text')
    """
    if name in readers():
        return name
    bare = re.sub(r"(?:_?vl|v)?(_moe)?(?:_text)?$", r"\1", name)
    shorter = re.sub(r"_\d+(?=_|$)", "", bare)
    return next((found for found in (bare, shorter) if found in readers()), name)


def known(model_type: str, file: str, key: str) -> str:
    """The model_type, if a family reads it."""
    if model_type not in readers():
        raise InputError(f"unknown architecture {model_type!r}", file=file, key=key, fix=suggest(model_type, readers()))
    return model_type


def context(keys: Keys) -> int | None:
    """Longest context, where the file says it."""
    names = ("max_position_embeddings", "n_positions", "seq_length")
    return next((keys.whole(name) for name in names if keys.has(name)), None)
