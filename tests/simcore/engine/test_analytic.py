"""Steady state: the closed forms, against hand calculation and public measurements."""

from __future__ import annotations

import numpy as np
import pytest

import simcore
from simcore.result import DoesNotFit, Unsupported
from tests.cases import case, estimated


def test_llama_70b_on_8_h100_lies_between_its_bandwidth_bound_and_vllm() -> None:
    """13.8 ms per token: vLLM 0.6 on 8 x H100 SXM, batch 1, bf16 (public results in the APEX+ repository)."""
    result = estimated("llama-3.1-70b", "h100-sxm", tp=8, batch=1, input_tokens=1024, output_tokens=128)
    bound_s = (70.55e9 - 128256 * 8192) * 2 / 8 / 3.35e12
    assert bound_s < result.tpot_s < 13.8e-3


def test_batch_one_has_no_interference() -> None:
    result = estimated("llama-3.1-70b", "h100-sxm", tp=8, batch=1, input_tokens=512, output_tokens=64)
    assert result.tpot_s == pytest.approx(result.decode_step_s)
    assert result.ttft_s == pytest.approx(result.prefill_s)
    assert result.e2e_s == pytest.approx(result.prefill_s + 63 * result.tpot_s)


def test_littles_law() -> None:
    result = estimated("llama-3.1-70b", "h200-sxm", tp=8, dp=2, batch=32, input_tokens=512, output_tokens=64)
    assert result.requests_per_s * result.e2e_s == pytest.approx(2 * 32)


def test_weights_by_hand() -> None:
    """Llama-3.1-70B: 70.55 B parameters x 2 bytes over 8 chips, norms replicated."""
    result = estimated("llama-3.1-70b", "h100-sxm", tp=8)
    assert result.weights_bytes == pytest.approx(70.55e9 * 2 / 8, rel=2e-3)
    assert result.kv_bytes == pytest.approx((1024 + 128) * 327_680 / 8)


def test_a_model_too_large_says_how_much() -> None:
    result = estimated("llama-3.1-70b", "l40s", tp=1)
    assert isinstance(result.infeasible, DoesNotFit)
    assert result.infeasible.need_bytes > 141e9 > result.infeasible.have_bytes
    assert "needs" in str(result.infeasible)


def test_tp_that_does_not_divide_heads_is_a_result() -> None:
    result = estimated("llama-3.1-70b", "h100-sxm", tp=7)
    assert isinstance(result.infeasible, Unsupported)
    assert "tp = 7 does not divide the 64 attention heads" in str(result.infeasible)


def test_replicas_scale_throughput_and_nothing_else() -> None:
    one, four = (estimated("llama-3.1-70b", "h100-sxm", tp=8, dp=dp, batch=8) for dp in (1, 4))
    assert four.throughput_tokens_per_s == pytest.approx(4 * one.throughput_tokens_per_s)
    assert four.tpot_s == one.tpot_s
    assert four.usd_per_million_tokens == pytest.approx(one.usd_per_million_tokens)


def test_array_equals_scalar() -> None:
    """Many plans at once give what each gives alone."""
    tp, batch = np.array([1.0, 2, 4, 8, 8]), np.array([1.0, 8, 3, 64, 500])
    evaluator = simcore.evaluator(["b200-sxm"])
    base = case("llama-3.1-70b", "b200-sxm", input_tokens=700, output_tokens=90)
    table = evaluator(base, {"tp": tp, "batch": batch})
    for row, (t, b) in enumerate(zip(tp, batch, strict=True)):
        alone = estimated("llama-3.1-70b", "b200-sxm", tp=int(t), batch=int(b), input_tokens=700, output_tokens=90)
        for name in ("ttft_s", "tpot_s", "throughput_tokens_per_s", "power_w", "need_bytes"):
            assert table[name][row] == pytest.approx(alone.values[name], nan_ok=True), name


def test_a_chip_price_column_keeps_the_nodes_share() -> None:
    """Given the chip's own price, a column changes nothing."""
    base = case("llama-3.1-70b", "h100-sxm", tp=8, batch=8, economics={"basis": "purchase"})
    own = base.system.chip.money.purchase_usd
    table = simcore.evaluator(["h100-sxm"])(base, {"chip.money.purchase": np.array([own, 2 * own])})
    plain = simcore.evaluator(["h100-sxm"]).one(base)
    assert table["usd_per_million_tokens"][0] == pytest.approx(plain.usd_per_million_tokens)
    assert table["usd_per_million_tokens"][1] > plain.usd_per_million_tokens


def test_more_bandwidth_as_a_column_is_never_slower_on_any_stack() -> None:
    for stack in ("roofline", "datasheet", "vllm"):
        base = case("llama-3.1-70b", "h100-sxm", tp=8, batch=8, stack=stack)
        rates = np.array([3.35e12, 4e12, 6e12])
        table = simcore.evaluator(["h100-sxm"])(base, {"chip.memory.main.read_bandwidth": rates})
        assert np.all(np.diff(table["tpot_s"]) < 0), stack
