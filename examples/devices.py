"""Five kinds of device beside the GPU, one question each, against a published number.

Run: python examples/devices.py
"""

from __future__ import annotations

import simcore
from simcore.cost.pim import pim_of
from simcore.spec.case import Case
from simcore.spec.demand import Demand, fixed
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec

Row = tuple[str, str, float, float, str]
"""device, what, ours, published, where the published number comes from"""


def gpt3_7b_shard() -> ModelSpec:
    """One of four tensor-parallel shards of a 7B GPT-3: 8 of 32 heads, a quarter of the feed-forward block."""
    mixer = Attention(heads=8, kv_heads=8, head_dim=128)
    layer = LayerGroup(count=32, mixer=mixer, ffn=(Mlp(intermediate_size=4096, gated=False),))
    return ModelSpec(name="gpt3-7b", family="gpt3", hidden_size=4096, vocab_size=50257, layers=(layer,))


def pim() -> list[Row]:
    """NPU with bank-level PIM: the unit's rate, and decode with and without it (batch 64, 646 tokens)."""
    npu = simcore.resolve("chip", "npu-pim")
    unit = pim_of(npu)
    assert unit is not None
    base = scenario("npu-pim", gpt3_7b_shard(), batch=64, context=646)
    without = base.replace(policy=base.policy.replace(pim_attention=False))
    ask = simcore.evaluator(["npu-pim"]).one
    gain = ask(without).decode_step_s / ask(base).decode_step_s
    source = "NeuPIMs (ASPLOS 2024), against the NPU alone"
    rate = (
        "PIM on HBM",
        "bank-level read rate, refresh included, TB/s",
        unit.bytes_per_s / 1e12,
        5.70,
        "NeuPIMs timing: 32 x 32 KiB / 184 ns, no refresh",
    )
    return [rate, ("PIM on HBM", "NPU alone / NPU with PIM", gain, 2.4, source)]


def cxl() -> list[Row]:
    """KV cache on a CXL tier: the rate at which one of eight chips reads its share of four x16 cards."""
    found = simcore.estimate(
        "llama-3.1-70b", "dgx-h100-cxl", tp=8, batch=8, input_tokens=32768, output_tokens=64, policy={"kv_tier": "cxl"}
    )
    attention = next(op for op in found.operations if op.name == "attention_decode")
    rate = attention.moved_bytes / attention.time_s * 8 / 4 / 1e9
    return [
        ("CXL tier", "KV read rate per card, GB/s", rate, 50.0, "about 50 GB/s per x16 Gen5 card (arXiv 2507.03305)")
    ]


def streamed_weights() -> list[Row]:
    """Weights of a 7B expert model over the host link of a DGX A100: the switch that three-tier memory avoids."""
    base = scenario("dgx-a100", llama_2_7b(), batch=1, context=20)
    slow = base.replace(policy=base.policy.replace(weight_tier="dram"))
    step = simcore.evaluator(["dgx-a100"]).one(slow).decode_step_s
    return [("weights off chip", "13.5 GB over PCIe Gen4, ms", step * 1e3, 421.0, "SN40L (MICRO 2024): 31x of 13.5 ms")]


def llama_2_7b() -> ModelSpec:
    mixer = Attention(heads=32, kv_heads=32, head_dim=128)
    layer = LayerGroup(count=32, mixer=mixer, ffn=(Mlp(intermediate_size=11008),))
    return ModelSpec(name="llama-2-7b", family="llama", hidden_size=4096, vocab_size=32000, layers=(layer,))


def launch_bound() -> list[Row]:
    """A host that issues kernel by kernel: what one small kernel costs when the chip waits for its launch."""
    base = scenario("h100-sxm", llama_2_7b(), batch=1, context=8)
    result = simcore.evaluator(["h100-sxm"]).one(base)
    small = next(op for op in result.operations if op.phase == "prefill" and op.name == "norm_residual")
    each_us = small.time_s / small.count * 1e6
    return [
        (
            "host CPU",
            "one small kernel, launched by itself, us",
            each_us,
            2.5,
            "2.2 to 2.8 us to launch (arXiv 2504.11750)",
        )
    ]


def systolic() -> list[Row]:
    """Ascend 910C: the matrix rate behind INT8 prefill, from the spec."""
    chip = simcore.resolve("chip", "ascend-910c")
    peak = chip.compute[chip.main_unit].peak_flop_per_s["int8"] / 1e12
    return [
        (
            "NPU, systolic",
            "INT8 TOP/s per package",
            peak,
            6688 / 4.45,
            "CloudMatrix384: 6,688 tokens/s = 4.45 per TOP/s",
        )
    ]


def scenario(system: str, model: ModelSpec, batch: int, context: int) -> Case:
    return Case(
        model=model,
        system=simcore.resolve("system", system),
        demand=Demand(name="fixed", input=fixed(context), output=fixed(1)),
        economics=simcore.resolve("economics", "default"),
        batch=batch,
    )


def rows() -> list[Row]:
    """All checks."""
    return [row for check in (systolic, pim, cxl, streamed_weights, launch_bound) for row in check()]


if __name__ == "__main__":
    for device, what, ours, published, source in rows():
        print(f"{device:18} {what:48} {ours:10.3g} {published:10.3g}   {source}")
