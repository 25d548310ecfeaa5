"""Formats of single layers (`[[plan.layers]]`) put into a model."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from scenarios.formats import format_named
from simcore.errors import InputError
from simcore.spec.formats import number_format
from simcore.spec.layer_formats import LayerFormats
from simcore.spec.load import build
from simcore.spec.model import ModelSpec
from simcore.spec.plan_part import PlanPart


def with_layers(model: ModelSpec, part: PlanPart, file: str) -> ModelSpec:
    """The model whose layers have the formats that the plan gives them; a later line adds to an earlier one. Raises
    InputError for a layer that is not there and for what is no format."""
    if not part.layers:
        return model
    own: list[dict[str, str]] = [{} for _ in range(model.layer_count)]
    for place, row in enumerate(part.layers):
        key = f"plan.layers.{place}"
        formats = {name: _known(value, file, f"{key}.{name}") for name, value in row.formats.items()}
        if max(row.numbers) >= model.layer_count:
            what = f"there is no layer {max(row.numbers)}"
            raise InputError(what, file=file, key=f"{key}.layers", fix=f"the last one is {model.layer_count - 1}")
        for number in row.numbers:
            own[number] = {**own[number], **formats}
    groups, first = [], 0
    for group in model.layers:
        rows = own[first : first + group.count]
        for formats, same in groupby(rows):
            before = {} if group.formats is None else group.formats.model_dump(exclude_none=True)
            merged = build(LayerFormats, {**before, **formats}, file) if {**before, **formats} else None
            groups.append(group.replace(count=len(list(same)), formats=merged))
        first += group.count
    return model.replace(layers=tuple(groups))


def _known(value: Any, file: str, key: str) -> str:
    text = format_named(value, file, key)
    try:
        number_format(text)
    except InputError as error:
        error.file, error.key = error.file or file, key
        raise
    return text
