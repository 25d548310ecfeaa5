"""Number formats of weights, activations and KV: bits per element including scales, and what computes them."""

from __future__ import annotations

from simcore.errors import UnknownName
from simcore.kept.lazy import dataclass


@dataclass(frozen=True)
class NumberFormat:
    """How one tensor element is stored.

    `bits_per_element` counts the scales: payload + scale_bits / scale_block. `compute` is the chip format whose peak a
    matrix unit reaches when both operands have this format; weight-only formats compute in bf16.
    """

    name: str
    payload_bits: float
    scale_bits: float
    scale_block: float
    compute: str

    @property
    def bytes_per_element(self) -> float:
        return (self.payload_bits + self.scale_bits / self.scale_block) / 8

    @property
    def weight_only(self) -> bool:
        return self.compute == "bf16" and self.payload_bits < 16


FORMATS = {
    f.name: f
    for f in (
        NumberFormat("fp32", 32, 0, 1, "fp32"),
        NumberFormat("bf16", 16, 0, 1, "bf16"),
        NumberFormat("fp16", 16, 0, 1, "fp16"),
        NumberFormat("fp8", 8, 32, 4096, "fp8"),  # one fp32 scale per output channel of a few thousand inputs
        NumberFormat(
            "fp8-block", 8, 32, 128 * 128, "fp8"
        ),  # DeepSeek-V3 technical report: 128 x 128 blocks, fp32 scale
        NumberFormat("int8", 8, 32, 4096, "int8"),
        NumberFormat("int8-weight", 8, 16, 4096, "bf16"),
        NumberFormat("int4", 4, 16 + 4, 128, "bf16"),  # AWQ/GPTQ: group 128, fp16 scale and 4-bit zero, weight-only
        NumberFormat("int4-g32", 4, 16, 32, "bf16"),  # compressed-tensors, symmetric: one bf16 scale per 32 weights
        NumberFormat("fp4", 4, 8, 16, "fp4"),  # NVFP4: one fp8 scale per 16 elements (NVIDIA Blackwell documentation)
        NumberFormat("mxfp4", 4, 8, 32, "fp4"),  # OCP microscaling: one e8m0 scale per 32 elements
    )
}
ALIASES = {"bfloat16": "bf16", "float16": "fp16", "nvfp4": "fp4", "fp8-blockwise": "fp8-block", "int4-wo": "int4"}


def number_format(name: str) -> NumberFormat:
    """The format of that name.

    >>> number_format("fp4").bytes_per_element
    0.5625
    """
    key = name.lower().replace("_", "-")
    key = ALIASES.get(key, key)
    if key not in FORMATS:
        raise UnknownName("number format", name, [*FORMATS, *ALIASES])
    return FORMATS[key]
