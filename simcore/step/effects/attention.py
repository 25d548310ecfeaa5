"""What operator tables do not hold of softmax attention on a chip: cold KV, and the tiles of FlashAttention-2."""

from __future__ import annotations

from simcore.cost.facts import chip_facts
from simcore.spec.blocks import Attention
from simcore.spec.formats import number_format
from simcore.spec.hardware import Chip
from simcore.spec.model import ModelSpec
from simcore.spec.plan import ParallelPlan
from simcore.step.effects.cold_cache import Cache, with_cold_cache
from simcore.step.effects.flash_attention import ARCHITECTURES, Kernel, flash_attention_2, tile_token_s
from simcore.step.times import StepTimes


def with_attention(times: StepTimes, model: ModelSpec, chip: Chip, plan: ParallelPlan) -> StepTimes:
    """`times` with what operator tables do not hold of softmax attention."""
    mixer, facts = model.layers[0].mixer, chip_facts(chip)
    if not isinstance(mixer, Attention):
        return times
    cached = facts.l2_bytes / (2.0 * mixer.head_dim * number_format(plan.kv).bytes_per_element)
    own_heads = max(1.0, mixer.kv_heads / plan.tp)
    if cached:
        ratio = facts.memory_bytes_per_s / facts.l2_bytes_per_s
        times = with_cold_cache(times, Cache(cached / own_heads, ratio, 2.0 * facts.sm_count / own_heads))
    kernel = paged_kernel(model, chip, plan.tp, cached)
    return times if kernel is None else flash_attention_2(times, kernel)


def paged_kernel(model: ModelSpec, chip: Chip, tp: int, cached_tokens: float) -> Kernel | None:
    """FlashAttention-2 on this chip; None where vLLM uses another kernel, or where layers differ or have a window."""
    mixers = {group.mixer for group in model.layers}
    mixer, unit = model.layers[0].mixer, chip.compute[chip.main_unit]
    if not isinstance(mixer, Attention) or chip.architecture not in ARCHITECTURES or not unit.clock_hz:
        return None
    if len(mixers) > 1 or mixer.span_tokens or unit.count is None:
        return None
    peak = unit.peak_flop_per_s["bf16"]
    token_s = model.layer_count * tile_token_s(mixer.head_dim, peak, unit.count, unit.clock_hz)
    return Kernel(mixer.heads / tp, mixer.heads / mixer.kv_heads, float(unit.count), cached_tokens, token_s)
