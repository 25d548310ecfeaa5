"""Contract of a kind of block: what it says that it stores is what its operations read, and work is never lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simcore.cost import memory
from simcore.ops.op import Op, PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.spec.model import FeedForward, LayerGroup, MixerBlock, ModelSpec
from simcore.step.price import part_of
from simcore.testing.models import STEPS, plan_of, work_flop

HIDDEN = 1024
TABLE_PARTS = ("attention", "communication")
"""parts of a step whose time the event engine looks up by more than the step's tokens"""


def check_block(block: Any) -> None:
    """Raise AssertionError with everything about a block (an instance of its spec) that contradicts itself.

    Its kind must be shipped or registered.
    """
    model = model_with(block)
    found = [*_finite(model), *_parts(model), *_weights(model, block)]
    if isinstance(block, MixerBlock):
        found += [*_cache(model, block), *_state(model, block)]
    assert not found, f"block {block.kind}: " + "; ".join(found)


def model_with(block: Any) -> ModelSpec:
    """A model whose one layer has this block. Raises AssertionError for a block that is neither mixer nor FFN."""
    assert isinstance(block, MixerBlock | FeedForward), "derives from MixerBlock or FeedForward"
    layer = LayerGroup(count=1, mixer=block) if isinstance(block, MixerBlock) else LayerGroup(count=1, ffn=(block,))
    return ModelSpec(name="one-block", family="test", hidden_size=HIDDEN, vocab_size=1000, layers=(layer,))


def plans(model: ModelSpec) -> dict[str, PlanColumns]:
    """One chip, and as many as the block divides over."""
    heads = model.min_heads or 2
    tp = float(max(d for d in (1, 2, 4) if heads % d == 0))
    return {"one chip": plan_of(), f"tp {tp:.0f}": plan_of(tp)}


def _finite(model: ModelSpec) -> Iterator[str]:
    for step_name, step in STEPS.items():
        alone = work_flop(lower(model, plan_of(), step))
        for plan_name, plan in plans(model).items():
            ops = lower(model, plan, step)
            columns = [getattr(op, c) for op in ops for c in ("count", "flop", "stream_bytes", "cache_bytes")]
            if not all(np.all(np.isfinite(c)) and np.all(np.asarray(c) >= 0) for c in columns):
                yield f"{step_name} under {plan_name}: work that is negative or not finite"
            if work_flop(ops) * float(plan.replica_chips) < 0.999 * alone:
                yield f"{step_name} under {plan_name}: ranks together do less work than one chip"


def _parts(model: ModelSpec) -> Iterator[str]:
    """Work that follows the context is attention's, so that the event engine sees it grow."""
    pairs = (
        (StepColumns(decode_sequences=4.0, kv_tokens=1000.0), StepColumns(decode_sequences=4.0, kv_tokens=9000.0)),
        (StepColumns(1.0, 512.0), StepColumns(1.0, 512.0, past_tokens=8192.0)),
    )
    for short, long in pairs:
        before, after = (_outside(lower(model, plan_of(), step)) for step in (short, long))
        for name in sorted(before.keys() | after.keys()):
            if not np.isclose(before.get(name, 0.0), after.get(name, 0.0)):
                yield f'{name} grows with the context outside of part "attention"'


def _outside(ops: list[Op]) -> dict[str, float]:
    found: dict[str, float] = {}
    for op in ops:
        if part_of(op) not in TABLE_PARTS:
            moved = op.flop + op.stream_bytes + op.cache_bytes
            found[op.name] = found.get(op.name, 0.0) + float(np.max(op.count * moved))
    return found


def _weights(model: ModelSpec, block: Any) -> Iterator[str]:
    """Memory holds what is counted, and a step multiplies tokens by the matrices that it says they pass."""
    held = float(memory.layer_weight_bytes(model, model.layers[0], plan_of())) / 2.0
    counted = sum(elements for _, elements in model.group_parameters(model.layers[0]))
    if abs(held / counted - 1.0) > 0.01:
        yield f"{held:.6g} elements in memory, {counted:.6g} counted"
    if isinstance(block, MixerBlock):
        passed = 2.0 * sum(m.inputs * m.outputs for m in block.matrices(HIDDEN)) * 512.0
    else:
        passed = 2.0 * sum(m.inputs * m.outputs for m in block.token_matrices(HIDDEN)) * 512.0
    ops = lower(model, plan_of(), StepColumns(1.0, 512.0))
    done = float(
        sum(np.max(op.count * op.flop) for op in ops if op.role in ("matrix", "expert") and op.name != "lm_head")
    )
    if abs(done / passed - 1.0) > 0.01:
        yield f"matrices do {done:.5g} FLOP for 512 tokens, by their shapes {passed:.5g}"


def _cache(model: ModelSpec, block: MixerBlock) -> Iterator[str]:
    """A decode step reads at most what is cached, and something where anything is."""
    lengths = (1000.0, 2000.0, 1.0)
    steps = [StepColumns(decode_sequences=1.0, kv_tokens=n) for n in lengths]
    read = [sum(float(np.max(op.count * op.stream_bytes)) for op in lower(model, plan_of(), s)) for s in steps]
    per_token = (read[1] - read[0]) / (lengths[1] - lengths[0])
    declared = max(block.kv_elements_per_token, block.borrowed_elements_per_token) * 2.0
    if per_token > declared * (1 + 1e-9):
        yield f"a decode step reads {per_token:g} bytes per token of context, {declared:g} are cached"
    if declared and not read[0] > read[2]:
        yield "caches tokens that no decode step reads"


def _state(model: ModelSpec, block: MixerBlock) -> Iterator[str]:
    """The state of every sequence is read once a step."""
    state = block.state_elements * 4.0 + block.conv_elements * 2.0
    few, many = (StepColumns(decode_sequences=n, kv_tokens=1.0) for n in (1.0, 9.0))
    read = [sum(float(np.max(op.count * op.stream_bytes)) for op in lower(model, plan_of(), s)) for s in (few, many)]
    if read[1] - read[0] < 8.0 * state * (1 - 1e-9):
        yield f"a sequence has {state:g} bytes of state, a step reads {(read[1] - read[0]) / 8.0:g}"
