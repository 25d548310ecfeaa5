"""How a model is spread over chips, and in which formats."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from typing import Any

from simcore.spec.base import Count, Spec
from simcore.spec.formats import canonical
from simcore.spec.model import ModelSpec


def checkpoint_formats(model: ModelSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` plan fields, with the checkpoint's own formats for what is not given.

    Named weights without named experts hold for the experts too.

    >>> from simcore.spec.model import LayerGroup
    >>> model = ModelSpec(
    ...     name="m", family="f", hidden_size=8, vocab_size=8, layers=(LayerGroup(count=1),), expert_format="mxfp4"
    ... )
    >>> checkpoint_formats(model, {"tp": 2})
    {'kv': 'bf16', 'weights': 'bf16', 'experts': 'mxfp4', 'tp': 2}
    >>> checkpoint_formats(model, {"weights": "fp8"})["experts"] is None
    True
    """
    experts = None if given.get("weights") else model.expert_format
    return {"kv": model.kv_format, "weights": model.native_format, "experts": experts, **given}


class ParallelPlan(Spec):
    """Degrees of parallelism. A replica has tp x attention_dp x cp x pp chips; dp replicas serve side by side.

    tp splits matrices and heads; pp splits layers; attention_dp gives each group of tp ranks its own sequences while
    they share the experts; ep spreads experts over tp x attention_dp x cp ranks, the rest of which split each expert
    (moe_tp); cp splits the context; sp shards norms and turns all-reduce into reduce-scatter and all-gather.
    """

    tp: Count = 1
    """ranks that split matrices and heads"""
    pp: Count = 1
    """stages that split the layers"""
    dp: Count = 1
    """replicas side by side"""
    attention_dp: Count = 1
    """groups of tp ranks with sequences of their own"""
    ep: Count = 1
    """ranks over which routed experts are spread"""
    cp: Count = 1
    """ranks that split the context of a sequence"""
    sp: bool = False
    """norms are sharded over tp"""
    weights: str = "bf16"
    """format of weights"""
    experts: str | None = None
    """format of the routed experts; None: as the weights"""
    activations: str = "bf16"
    """format of activations"""
    kv: str = "bf16"
    """format of the KV cache"""
    collective: str = "auto"
    """algorithm of collectives, a file of `simcore.cost.collectives`; auto: the fastest of those that libraries have"""

    @property
    def replica_chips(self) -> int:
        return self.tp * self.attention_dp * self.cp * self.pp

    @property
    def chips(self) -> int:
        return self.replica_chips * self.dp

    def problem(self, model: ModelSpec) -> str | None:
        """Why this plan cannot run this model, in words with a way out; None if it can.

        >>> from simcore.spec.model import Attention, LayerGroup, ModelSpec
        >>> layer = LayerGroup(count=2, mixer=Attention(heads=6, kv_heads=2, head_dim=64))
        >>> model = ModelSpec(name="m", family="f", hidden_size=384, vocab_size=100, layers=(layer,))
        >>> ParallelPlan(tp=4).problem(model)
        'tp = 4 does not divide the 6 attention heads (possible: 1, 2, 3, 6)'
        """
        heads = model.min_heads
        if heads % self.tp:
            low = [d for d in range(1, isqrt(heads) + 1) if heads % d == 0]
            divisors = ", ".join(str(d) for d in sorted({*low, *(heads // d for d in low)}))
            return f"tp = {self.tp} does not divide the {heads} attention heads (possible: {divisors})"
        if self.pp > model.layer_count:
            return f"pp = {self.pp} exceeds the {model.layer_count} layers"
        ranks = self.tp * self.attention_dp * self.cp
        if self.ep > 1 and not model.is_moe:
            return f"ep = {self.ep}: {model.name} has no experts (use ep = 1)"
        if self.attention_dp > 1 and not model.is_moe:
            return f"attention_dp = {self.attention_dp}: {model.name} has no experts that ranks could share (use dp)"
        if self.ep > 1 and (ranks % self.ep or model.experts % self.ep):
            return f"ep = {self.ep} must divide tp x attention_dp x cp = {ranks} and the {model.experts} experts"
        return None

    def formats(self) -> tuple[str, str, str, str]:
        """Canonical names of weight, expert, activation and KV formats; raises UnknownName."""
        named = (self.weights, self.experts or self.weights, self.activations, self.kv)
        weights, experts, activations, kv = (canonical(name) for name in named)
        return weights, experts, activations, kv
