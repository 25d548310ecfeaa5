"""A convolution as long as the sequence, between gates (Hyena, M2): by FFT on the vector unit, or as matrix products.

    fft      5 L log2 L FLOP a channel and transform, three transforms; every radix pass reads and writes the sequence
             unless it is fused
    matrix   the transform as `order` products with L^(1/order) wide DFT matrices on the matrix unit, fused: the
             sequence is read and written once
    state    the last filter_tokens inputs of a sequence (in decode one dot product over them)

Source: FlashFFTConv (Fu et al., 2023), sections 2 and 3. Complex arithmetic counts four real products; two real
sequences share one complex transform.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from simcore.ops.build import projected
from simcore.ops.op import Column, Op, PlanColumns, StepColumns
from simcore.spec.base import Count
from simcore.spec.block_kinds import Matrix, MixerBlock, Part
from simcore.spec.model import ModelSpec

PASSES = 10.0
"""reads and writes of a padded fp32 sequence when transforms, product and gates are kernels of their own: pad, two
passes of each of three transforms, product, crop, gates"""


class LongConv(MixerBlock):
    """y = gate * conv(filter, gate * x), a filter as long as the sequence per channel."""

    kind: Literal["long_conv"] = "long_conv"
    channels: Count
    filter_tokens: Count
    """of the filter: the longest sequence"""
    kernel: Literal["fft", "matrix"] = "fft"
    order: Count = 2
    """of the decomposition into matrix products"""

    @property
    def split_heads(self) -> int:
        return self.channels

    @property
    def conv_elements(self) -> int:
        return self.channels * self.filter_tokens

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        up = Matrix("conv_in", hidden_size, (Part(3 * self.channels, self.channels),), "column")
        return up, Matrix("attention_out", self.channels, (Part(hidden_size, self.channels),), "row")

    def small_elements(self) -> int:
        return 4 * self.channels


SPEC = LongConv


def lower(model: ModelSpec, mixer: LongConv, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the convolution, `count` times."""
    mixing = []
    if step.prefills:
        mixing.append(_transform(mixer, count, plan, step))
    if step.decodes:
        rows, width = step.decode_sequences, mixer.channels / plan.tp
        held = rows * width * mixer.filter_tokens
        mixing.append(
            Op(
                "conv_decode",
                "elementwise",
                "vector",
                count,
                flop=2.0 * held,
                stream_bytes=held * plan.activation_bytes,
                part="attention",
            )
        )
    return projected(model, mixer, count, plan, step, mixing)


def _transform(mixer: LongConv, count: int, plan: PlanColumns, step: StepColumns) -> Op:
    """Forward transform, product with the filter's, inverse: of sequences padded to twice their length."""
    padded = 2.0 * np.maximum(step.prefill_tokens + step.past_tokens, 1.0)
    rows = step.prefill_sequences * mixer.channels / plan.tp / plan.cp
    points: Column = rows * padded
    if mixer.kernel == "matrix":
        flop = 2.0 * points * mixer.order * 8.0 * padded ** (1.0 / mixer.order) / 2.0
        moved = points / 2.0 * 4.0 * plan.activation_bytes
    else:
        flop = 3.0 * 5.0 * points * np.log2(padded) / 2.0
        moved = PASSES * points * 4.0
    return Op(
        "long_conv",
        "elementwise",
        "attention" if mixer.kernel == "matrix" else "vector",
        count,
        flop=flop,
        stream_bytes=2.0 * step.prefill_sequences * mixer.conv_elements / plan.tp * plan.activation_bytes,
        cache_bytes=moved,
        kernels=1 if mixer.kernel == "matrix" else 8,
        part="attention",
    )
