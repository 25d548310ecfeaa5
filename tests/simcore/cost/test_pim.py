"""PIM tiles and dispatch, weights and KV outside the main tier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simcore
from simcore.cost.pim import attention_s, pim_of, prefers_pim
from simcore.cost.pim_timing import tiles_of
from simcore.cost.storage import tier_read_bytes_per_s
from simcore.ops.op import Op
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec
from tests.cases import case


def attention(requests: float, context: float, heads: float = 8.0) -> Op:
    moved = requests * context * 2 * heads * 128 * 2
    shape = {"num_key_value_heads": heads, "head_dim": 128.0, "step": context, "batch_size": requests}
    return Op("attention_decode", "attention_decode", "attention", 1.0, moved, stream_bytes=moved, shape=shape)


def test_one_request_by_hand() -> None:
    """1,024 elements and 640 tokens: scores 2 x 20 tiles, values 8 x 2 x 4 tiles; loads hide behind tiles."""
    chip = simcore.resolve("chip", "npu-pim")
    unit, timing = pim_of(chip), chip.compute["pim"].timing
    assert unit is not None and timing is not None
    tiles = tiles_of(chip.compute["pim"], timing)
    assert (tiles.score_s, tiles.value_s) == pytest.approx((198e-9, 144e-9))
    written_s = 8 * 640 * 2 / (1.024e12 / 32)
    by_hand = (2 * 20 * 198e-9 + 8 * 2 * 4 * 144e-9) / tiles.available_ratio + written_s
    assert attention_s(attention(1.0, 640.0), unit) == pytest.approx(by_hand)


def test_one_row_buffer_closes_bank_after_bank() -> None:
    unit = simcore.resolve("chip", "npu-pim").compute["pim"]
    assert unit.timing is not None
    single = tiles_of(unit, unit.timing.replace(row_buffers=1))
    double = tiles_of(unit, unit.timing)
    assert 2.0 < (single.value_s + single.score_s) / (double.value_s + double.score_s) < 2.5
    assert double.load_s == 0.0 and single.load_s == pytest.approx(134e-9)


@given(st.sampled_from(("precharge_s", "activate_to_read_s", "four_activates_s", "read_to_precharge_s", "refresh_s")))
def test_slower_banks_are_never_faster(name: str) -> None:
    unit = simcore.resolve("chip", "npu-pim").compute["pim"]
    assert unit.timing is not None
    for buffers in (1, 2):
        timing = unit.timing.replace(row_buffers=buffers)
        before, after = (tiles_of(unit, one) for one in (timing, timing.replace(**{name: 2.0 * getattr(timing, name)})))
        assert after.score_s / after.available_ratio >= before.score_s / before.available_ratio


def test_requests_fill_channels_before_they_queue() -> None:
    unit = pim_of(simcore.resolve("chip", "npu-pim"))
    assert unit is not None
    one, full, more = (attention_s(attention(n, 640.0), unit) for n in (1.0, 32.0, 33.0))
    assert one == pytest.approx(full) and more == pytest.approx(2 * full)


def test_logic_die_wins_below_32_operations_per_byte() -> None:
    """Duplex: 107 TFLOP/s over 3.352 TB/s is a crossing at 32 FLOP per byte."""
    chip = simcore.resolve("chip", "h100-logic-pim")
    unit = pim_of(chip)
    assert unit is not None
    host = chip.memory["hbm"].read_bytes_per_s
    low, high = (Op("a", "attention_decode", "attention", 1.0, flop=x, stream_bytes=1.0) for x in (31.0, 33.0))
    assert prefers_pim(low, unit, host) and not prefers_pim(high, unit, host)


def test_a_gpu_has_no_pim() -> None:
    assert pim_of(simcore.resolve("chip", "h100-sxm")) is None


def decode_s(context: int, **policy: bool) -> float:
    """Decode of a small MHA model on an NPU with PIM; short contexts let the matrices rule."""
    mixer = Attention(heads=8, kv_heads=8, head_dim=128)
    layer = LayerGroup(count=32, mixer=mixer, ffn=(Mlp(intermediate_size=16384),))
    model = ModelSpec(name="m", family="f", hidden_size=1024, vocab_size=32000, layers=(layer,))
    base = case(
        "llama-3.1-70b", "npu-pim", batch=64, input_tokens=context, output_tokens=1, policy=policy, stack="roofline"
    )
    return float(simcore.evaluator(["npu-pim"]).one(base.replace(model=model)).decode_step_s)


def test_pim_helps_decode_and_sub_batches_help_where_attention_rules() -> None:
    """Two half batches read the weights twice: worth it only when attention takes about as long as the matrices."""
    assert decode_s(2048, pim_attention=False) > decode_s(2048)
    assert decode_s(2048, sub_batches=True) < decode_s(2048)
    assert decode_s(128, sub_batches=True) > decode_s(128)


def test_tiers_share_their_bandwidth_between_chips() -> None:
    system = simcore.resolve("system", "dgx-h100-cxl")
    assert tier_read_bytes_per_s(system, "cxl") == pytest.approx(200e9 / 8)
    assert tier_read_bytes_per_s(system, "main") == np.inf
    with pytest.raises(KeyError, match="it has l2, hbm"):
        tier_read_bytes_per_s(system, "tape")


def test_slow_tiers_are_slower() -> None:
    fast = simcore.estimate("llama-3.1-70b", "dgx-h100-cxl", tp=8, batch=4)
    cxl = simcore.estimate("llama-3.1-70b", "dgx-h100-cxl", tp=8, batch=4, policy={"kv_tier": "cxl"})
    nvme = simcore.estimate("llama-3.1-70b", "dgx-h100-cxl", tp=8, batch=4, policy={"weight_tier": "nvme"})
    assert fast.tpot_s < cxl.tpot_s < nvme.tpot_s
    stream_s = fast.weights_bytes / (52e9 / 8)
    assert nvme.decode_step_s == pytest.approx(stream_s + fast.decode_step_s / 80, rel=1e-3)
    assert cxl.max_batch > fast.max_batch
