"""Number formats of weights, activations and KV: what an element takes, what computes it, what unpacks it.

One file each in `hardware_specs/formats`; a plan names one of them, a file of one's own (`./my-format.toml`), or holds
its table. Inside a plan a format of one's own travels as the JSON text of its table, so that it means the same in every
process.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simcore.registry import DataRegistry, normal
from simcore.spec.base import Count, Sourced, Whole
from simcore.spec.load import build_from_file, derive, read_toml

Bits = Annotated[float, Field(ge=0, le=64)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1)]


class NumberFormat(Sourced):
    """How one tensor element is stored, and what a product with it takes.

    `bytes_per_element` counts scales, indices and outliers. `compute` is the chip format whose peak a matrix unit
    reaches when both operands have this format; weight-only formats compute in bf16.

        t = max(bytes / bandwidth, FLOP / peak(compute), weights x unpack_flop / vector peak) + outlier product

    Wrong where a kernel unpacks before it multiplies, one after the other.
    """

    payload_bits: float = Field(gt=0, le=64)
    """of one stored element, scales and indices aside"""
    scale_bits: Bits = 0.0
    """of everything that a group shares: scale, zero point"""
    scale_block: Count = 1
    """elements of a group"""
    compute: str = "bf16"
    """the chip's number format in which a product of two such operands runs; bf16 with fewer bits stored: weights are
    unpacked first"""
    other_compute: str | None = None
    """of the groups that are multiplied in another format"""
    other_ratio: Ratio = 0.0
    """of the work, what runs in `other_compute`"""
    products: Count = 1
    """of `compute` for one multiplication: bit planes of one operand times those of the other"""
    kept_ratio: Positive = 1.0
    """of the elements, those that are stored: the others are zero"""
    index_bits: Bits = 0.0
    """per stored element, where it stands"""
    skips: Literal["nothing", "pairs", "zeros"] = "nothing"
    """zeros that are not multiplied: none (stored sparse, multiplied dense), two of four at the unit's sparse peak, or
    all"""
    unpack_flop: float = Field(default=0.0, ge=0, le=1000)
    """operations of the vector unit per stored element before it can be multiplied"""
    outlier_ratio: Ratio = 0.0
    """of the elements, those that are stored a second way and multiplied by a product of their own in bf16"""
    outlier_bits: Bits = 16.0
    """of one of them, its index included"""
    extra_kernels: Whole = 0
    """beside each product, launched one by one: quantising its input, gathering outliers, adding their product"""
    extra_passes: Whole = 0
    """reads or writes of the product's activations that those make"""
    kernel: str = "bf16"
    """format of measured kernels whose efficiencies hold (`simcore.cost.facts`)"""
    lent: bool = True
    """they are another format's: its times are scaled by the ratio of the two rooflines; false where these very kernels
    were measured"""

    @model_validator(mode="after")
    def _agrees(self) -> NumberFormat:
        if (self.other_compute is None) != (self.other_ratio == 0.0):
            raise ValueError("other_compute and other_ratio go together: give both or none")
        return self

    @cached_property
    def bytes_per_element(self) -> float:
        """With scales, indices and outliers."""
        stored = self.kept_ratio * (self.payload_bits + self.index_bits) + self.scale_bits / self.scale_block
        return (stored + self.outlier_ratio * self.outlier_bits) / 8

    @property
    def weight_only(self) -> bool:
        """Whether it is unpacked before it is multiplied."""
        return self.compute == "bf16" and self.payload_bits < 16

    @cached_property
    def is_plain(self) -> bool:
        """Whether a product takes its bytes and its operations and nothing else."""
        return not (self.unpack_flop or self.outlier_ratio or self.extra_kernels or self.extra_passes or self.lent)


def _parse(text: str, file: str) -> NumberFormat:
    return build_from_file(NumberFormat, derive(read_toml(text, file), file, FORMATS.text), file)


FORMATS: DataRegistry[NumberFormat] = DataRegistry("number format", "hardware_specs/formats", _parse)
INLINE = "{"
"""how the text of a format of one's own begins"""
INLINE_FILE = "inline table"
_KNOWN: dict[str, NumberFormat] = {}


def number_format(name: str) -> NumberFormat:
    """The format of that name, or of a table's JSON text. Raises UnknownName.

    >>> number_format("fp4").bytes_per_element
    0.5625
    >>> number_format(format_text({"extends": "int4", "payload_bits": 3})).bytes_per_element
    0.39453125
    """
    found = _KNOWN.get(name)
    if found is None:
        found = _inline(name) if name.startswith(INLINE) else FORMATS(normal(name))
        _KNOWN[name] = found
    return found


def _inline(text: str) -> NumberFormat:
    raw: dict[str, Any] = json.loads(text)
    parent = raw.get("extends")
    raw = {"name": f"{parent}-changed" if parent else "inline", "lent": True, **raw}
    return build_from_file(NumberFormat, derive(raw, INLINE_FILE, FORMATS.text), INLINE_FILE)


def format_text(table: dict[str, Any]) -> str:
    """A format's table as a plan holds it."""
    return json.dumps({k: v for k, v in table.items() if k != "schema"}, sort_keys=True)


def canonical(name: str) -> str:
    """The spelling by which a plan names a format. Raises UnknownName."""
    found = number_format(name)
    return name if name.startswith(INLINE) else found.name
