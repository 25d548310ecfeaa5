"""What a training framework adds to the operators of a chip: fitted constants and documented defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simcore.ops.op import Column


@dataclass(frozen=True)
class Framework:
    """Constants of one generation of a framework on one chip; the defaults are physics without a fit.

    A pass of a layer takes (gpu^p + host^p)^(1/p): kernels wait for the host that launches them, softly.
    """

    matrix_ratio: float = 1.0
    """of the time that the operator laws give dense matrices"""
    expert_ratio: float = 1.0
    weight_ratio: float = 1.0
    """more of matrices and experts in gradients of weights that add up in fp32 outside the tensor cores"""
    unit_share: float = 1.0
    """of the chip's matrix units that compute while the others send"""
    attention_ratio: float = 1.0
    state_ratio: float = 1.0
    """of recurrent layers (Mamba, linear attention)"""
    product_ratio: float = 0.6
    """share of the bf16 peak that the products of unfused attention reach"""
    memory_ratio: float = 0.75
    """share of the main tier's bandwidth that elementwise kernels reach"""
    link_ratio: float = 1.0
    """of the time that the measured law gives a collective inside a node"""
    card_ratio: float = 0.6
    """share of the network cards' bandwidth that a collective between nodes reaches"""
    exchange_ratio: float = 0.6
    """the same for all-to-all"""
    host_pass_s: float = 0.0
    """host time of a layer's forward pass at tp = 1"""
    host_tp_exponent: float = 0.0
    """it grows as tp to this power"""
    expert_pass_s: float = 0.0
    """more of it in a layer with routed experts"""
    sharpness: float = 4.0
    """p"""
    optimizer_ratio: float = 0.6
    """share of the main tier's bandwidth that the optimizer reaches"""
    send_s: float = 0.0
    """host time of handing a microbatch from one stage to the next, in each pass"""
    step_s: float = 0.0
    """once a step"""
    graph_ratio: float = 0.3
    """of the host's time that is left where kernels replay from a captured graph"""
    overlap_power: float = 4.0
    """hidden collectives: (compute^q + exchange^q)^(1/q)"""
    fragment_ratio: float = 0.05
    """of activations, lost between blocks of the allocator"""
    spread: float = 0.25
    """80 % of held-out plans of dense models lie within exp(+-spread)"""
    expert_spread: float = 0.3
    """the same of models with experts"""
    unfused: bool = False
    """attention writes its scores"""
    dropout: bool = False
    """masks are kept (2022 and before)"""
    context_skew: bool = False
    """context-parallel ranks hold neighbouring tokens, not a share of early and late ones"""
    keeps_casts: bool = False
    """inputs of eight-bit matrices are kept in eight bits"""
    cast_forward_bytes: float = 5.0
    """per element of a matrix's input that is converted to its format: read in 16 bits, written in eight, and again
    transposed"""
    cast_gradient_bytes: float = 5.0
    """the same of the gradient of its output"""
    cast_again_bytes: float = 0.0
    """the same of its input in the backward pass, where it was kept along rows and the weight gradient needs columns"""
    overlap_tp: bool = False
    overlap_dp: bool = True
    overlap_ep: bool = False
    overlap_cp: bool = True
    graphs: str = "off"

    @property
    def cast_bytes(self) -> tuple[float, float, float]:
        """The three of a conversion."""
        return self.cast_forward_bytes, self.cast_gradient_bytes, self.cast_again_bytes

    def changed(self, **constants: Any) -> Framework:
        """Some constants replaced."""
        return replace(self, **constants)

    def host_s(self, tp: Column, is_expert: bool) -> Column:
        """Host seconds of a forward pass of one layer."""
        own = self.host_pass_s + (self.expert_pass_s if is_expert else 0.0)
        return own * np.asarray(tp, float) ** self.host_tp_exponent

    def paced(self, gpu_s: Column, host_s: Column) -> Column:
        """Seconds of a pass whose kernels the host launches."""
        p = self.sharpness
        return (gpu_s**p + host_s**p) ** (1.0 / p)

    def hidden(self, compute_s: Column, exchange_s: Column) -> Column:
        """Seconds of computation and a collective beside it."""
        q = self.overlap_power
        return (compute_s**q + exchange_s**q) ** (1.0 / q)
