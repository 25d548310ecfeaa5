"""Contracts that every model file must pass: whole counts, and work that agrees with a count by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from simcore.cost import memory
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.spec.formats import number_format
from simcore.spec.model import Attention, LinearAttention, Mamba2, Mla, ModelSpec

KNOWN = Attention | Mla | LinearAttention | Mamba2
"""mixers whose work is counted by hand here"""
STEPS = {
    "prefill": StepColumns(prefill_sequences=2.0, prefill_tokens=512.0),
    "chunk": StepColumns(prefill_sequences=1.0, prefill_tokens=512.0, past_tokens=4096.0),
    "decode": StepColumns(decode_sequences=8.0, kv_tokens=2000.0),
    "mixed": StepColumns(prefill_sequences=1.0, prefill_tokens=512.0, decode_sequences=8.0, kv_tokens=2000.0),
}


def plan_of(tp: float = 1.0, attention_dp: float = 1.0, ep: float = 1.0, cp: float = 1.0) -> PlanColumns:
    """One plan in bf16."""
    return PlanColumns(tp, 1.0, 1.0, attention_dp, ep, cp, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0)


def check_model(model: ModelSpec) -> None:
    """Raise AssertionError with everything about the model that contradicts itself or cannot be lowered."""
    found = [*_facts(model), *_weights(model), *_steps(model), *_prefill_work(model), *_cache(model)]
    assert not found, f"{model.name}: " + "; ".join(found)


def plans_for(model: ModelSpec) -> dict[str, PlanColumns]:
    """Plans that every such model can run."""
    tp = float(max(d for d in (1, 2, 4, 8) if model.min_heads % d == 0))
    plans = {"tp1": plan_of(), "tp": plan_of(tp), "cp": plan_of(tp, cp=2.0)}
    if model.is_moe:
        plans |= {"ep": plan_of(tp, ep=tp), "attention_dp": plan_of(1.0, attention_dp=8.0, ep=8.0)}
        plans["moe_tp"] = plan_of(1.0, attention_dp=2.0)
    return plans


def _facts(model: ModelSpec) -> Iterator[str]:
    if not model.sources:
        yield "no source says where its numbers come from"
    for name in (model.native_format, model.expert_format or "bf16", model.kv_format):
        number_format(name)
    if not 0 < model.active_parameters <= model.parameters:
        yield f"{model.active_parameters} active of {model.parameters} parameters"
    for group in model.layers:
        mixer = group.mixer
        if isinstance(mixer, Attention) and mixer.heads % mixer.kv_heads:
            yield f"{mixer.kv_heads} KV heads do not divide {mixer.heads} heads"
        if isinstance(mixer, Attention) and mixer.window_tokens and mixer.chunk_tokens:
            yield "an attention has a window and chunks"
        if mixer is None and not group.ffn:
            yield "a layer is empty"


def _weights(model: ModelSpec) -> Iterator[str]:
    """One chip in bf16 holds every parameter once, an untied table aside."""
    held = float(memory.weight_bytes(model, plan_of()))
    if abs(held / (2.0 * model.parameters) - 1.0) > 0.005:
        yield f"{held / 1e9:.3f} GB of weights for {model.parameters / 1e9:.3f} B parameters in bf16"
    for name, plan in plans_for(model).items():
        share = float(memory.weight_bytes(model, plan)) * float(plan.replica_chips)
        if share < 0.999 * held:
            yield f"plan {name} holds fewer weights than the model has"


def _steps(model: ModelSpec) -> Iterator[str]:
    """Every step lowers under every plan to finite work, and ranks together do no less than one chip alone."""
    for step_name, step in STEPS.items():
        alone = work_flop(lower(model, plan_of(), step))
        for plan_name, plan in plans_for(model).items():
            ops = lower(model, plan, step)
            columns = [getattr(op, c) for op in ops for c in ("count", "flop", "stream_bytes", "cache_bytes")]
            if not all(np.all(np.isfinite(c)) and np.all(np.asarray(c) >= 0) for c in columns):
                yield f"{step_name} under {plan_name}: work that is negative or not finite"
            together = work_flop(ops) * float(plan.replica_chips) / float(plan.attention_dp)
            if together < 0.999 * alone:
                yield f"{step_name} under {plan_name}: ranks together do {together / alone:.3f} of the work"


def work_flop(ops: list[Op]) -> float:
    """FLOP of matrices, experts and attention (vector work aside)."""
    return float(sum(np.max(op.count * op.flop) for op in ops if op.role in ("matrix", "expert", "attention")))


def _prefill_work(model: ModelSpec) -> Iterator[str]:
    """2 FLOP per weight and token, plus attention counted query by query, plus the head for one token.

    Mixers of one's own have no count by hand here: `check_block` holds their matrices against their shapes.
    """
    if not all(isinstance(g.mixer, KNOWN | None) for g in model.layers):
        return
    tokens = 3000
    step = StepColumns(prefill_sequences=1.0, prefill_tokens=float(tokens))
    expected = 2.0 * (model.layer_matrix_elements * tokens + model.head_elements)
    expected += sum(g.count * attention_flop(g.mixer, tokens) for g in model.layers if g.mixer is not None)
    found = work_flop(lower(model, plan_of(), step))
    if abs(found / expected - 1.0) > 0.002:
        yield f"a prefill of {tokens} tokens is {found:.5g} FLOP, by hand {expected:.5g}"


def attention_flop(mixer: Attention | Mla | LinearAttention | Mamba2, tokens: int) -> float:
    """FLOP of mixing a prompt, counted query by query."""
    seen = np.arange(1.0, tokens + 1.0)
    if isinstance(mixer, Attention):
        if mixer.window_tokens:
            seen = np.minimum(seen, mixer.window_tokens)
        if mixer.chunk_tokens:
            seen = np.mod(seen - 1.0, mixer.chunk_tokens) + 1.0
        return float(4.0 * mixer.heads * mixer.head_dim * seen.sum())
    if isinstance(mixer, Mla):
        return _latent_flop(mixer, seen)
    width = mixer.value_heads * mixer.value_dim if isinstance(mixer, LinearAttention) else mixer.inner_size
    return tokens * (4.0 * mixer.state_elements + 128.0 * width)


def _latent_flop(mixer: Mla, seen: np.ndarray) -> float:
    expanded = (mixer.qk_nope_head_dim + mixer.qk_rope_head_dim + mixer.v_head_dim) * seen.sum()
    if mixer.indexer is None:
        return float(2.0 * mixer.heads * expanded)
    latent = 2 * mixer.kv_lora_rank + mixer.qk_rope_head_dim
    chosen = latent * np.minimum(seen, mixer.indexer.topk).sum()
    index = mixer.indexer.heads * mixer.indexer.head_dim * seen.sum()
    return float(2.0 * (mixer.heads * min(expanded, chosen) + index))


def _cache(model: ModelSpec) -> Iterator[str]:
    """Cache grows with context, at most linearly, and never grows with tp."""
    plan = plan_of()
    short, long = (float(memory.kv_bytes_per_sequence(model, plan, float(n))) for n in (1000, 100_000))
    if not short <= long <= 100.0 * short:
        yield f"cache of {short:.4g} bytes at 1,000 tokens and {long:.4g} at 100,000"
    limit = 2.0 * model.kv_elements_per_token() * 100_000
    state = float(memory.kv_bytes_per_sequence(model, plan, 0.0))
    if long > limit * (1 + 1e-9) + state:
        yield "cache exceeds its elements per token"
    for name, split in plans_for(model).items():
        if float(memory.kv_bytes_per_sequence(model, split, 1000.0)) > short * (1 + 1e-9):
            yield f"plan {name} holds more cache per chip than one chip alone"
