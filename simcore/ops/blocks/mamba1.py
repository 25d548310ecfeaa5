"""State-space layers of Mamba-1: a diagonal state of state_size numbers per channel.

    state per sequence   inner_size x state_size, in fp32, and the window of a short convolution
    read per step        all of it, once a sequence

Source: Gu and Dao, Mamba (2023), section 3. The scan runs on the vector unit in one pass over the tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from simcore.ops.blocks._state import state_mixing
from simcore.ops.build import projected
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.spec.base import Count
from simcore.spec.block_kinds import Matrix, MixerBlock, Part
from simcore.spec.model import ModelSpec


class Mamba1(MixerBlock):
    """Selective state space: x -> two branches, convolution, scan, gate."""

    kind: Literal["mamba1"] = "mamba1"
    inner_size: Count
    state_size: Count
    step_rank: Count
    """of the low-rank projection to the step sizes"""
    conv_width: Count = 4

    @property
    def split_heads(self) -> int:
        return self.inner_size

    @property
    def state_elements(self) -> int:
        return self.inner_size * self.state_size

    @property
    def conv_elements(self) -> int:
        return (self.conv_width - 1) * self.inner_size

    def matrices(self, hidden_size: int) -> tuple[Matrix, ...]:
        inner = self.inner_size
        return (
            Matrix("mamba_in", hidden_size, (Part(2 * inner, inner),), "column"),
            Matrix("scan_inputs", inner, (Part(self.step_rank + 2 * self.state_size, 1),), "row"),
            Matrix("step_up", self.step_rank, (Part(inner, inner),), "column"),
            Matrix("attention_out", inner, (Part(hidden_size, inner),), "row"),
        )

    def small_elements(self) -> int:
        return (self.conv_width + self.state_size + 3) * self.inner_size


SPEC = Mamba1


def lower(model: ModelSpec, mixer: Mamba1, count: int, plan: PlanColumns, step: StepColumns) -> list[Op]:
    """Projections around the scan, `count` times."""
    mixing = [replace(op, role="vector") for op in state_mixing(mixer, "elementwise", count, plan, step, {})]
    return projected(model, mixer, count, plan, step, mixing)
