"""Rows of NVIDIA's Megatron-Bridge and AutoModel performance summaries: dense and MoE, H100 to GB300, by release.

The tables state degrees, batch and precision; recomputed modules, CUDA graphs, fused experts, overlap of the exchange
and offload they do not. Those follow from what is stated by one rule each, and an interval spans the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import workloads
from simcore.engine.training.job import Degrees
from simcore.spec.model import Attention, LayerGroup, Mamba2, ModelSpec, Moe
from validation.training.cells import needed, number, text, whole
from validation.training.question import Asked

SYSTEMS = (("GB300", "gb300"), ("GB200", "gb200"), ("B300", "b300-sxm"), ("B200", "b200-sxm"), ("H100", "h100-sxm"),
           ("H200", "h200-sxm"))  # fmt: skip
MODELS = (
    ("llama3.1_405b", "llama-3.1-405b"),
    ("llama3_70b", "llama-3.1-70b"),
    ("llama3_8b", "llama-3.1-8b"),
    ("deepseekv3", "deepseek-v3"),
    ("deepseek_v3", "deepseek-v3"),
    ("gpt_oss_120b", "gpt-oss-120b"),
    ("gpt_oss_20b", "gpt-oss-20b"),
    ("qwen3_30b", "qwen3-30b-a3b"),
    ("qwen3_moe_30b", "qwen3-30b-a3b"),
    ("qwen3_235b", "qwen3-235b-a22b"),
    ("nemotron_3_nano", "nemotron-3-nano-30b-a3b"),
    ("nemotron_3_super", "nemotron-3-super"),
    ("nemotron_v3_super", "nemotron-3-super"),
    ("kimi_k2", "kimi-k2.5"),
    ("qwen2.5_7b", "qwen2.5-7b"),
    ("qwen2.5_32b", "qwen2.5-32b"),
    ("qwen2.5_72b", "qwen2.5-72b"),
    ("qwen3_32b", "qwen3-32b"),
    ("qwen3_8b", "qwen3-8b"),
)
"""start of a name in the table -> model"""
PRECISIONS = (("nvfp4", "fp4"), ("mxfp8", "mxfp8"), ("fp8-mx", "mxfp8"), ("fp8-sc", "fp8-block"), ("fp8", "fp8"),
              ("bf16", "bf16"))  # fmt: skip
LORA = (("26.06", "llama-3.1-70b", 8, 32),)
"""known mislabelled rows: (release, model, most chips, global batch) are LoRA under the title of pre-training. The same
release has the same plan on 32 chips as full fine-tuning; 8 chips cannot hold its states"""


def read_bridge(row: Mapping[str, Any], at: int) -> Asked:
    """One configuration."""
    missing = needed(row, ("gpus", "gbs", "mbs", "seq"))
    chip = next((chip for word, chip in SYSTEMS if word in text(row, "system").upper()), None)
    if missing or chip is None:
        return Asked(at, "bridge", reason=missing or f"unknown system {text(row, 'system')!r}")
    said = text(row, "model").lower().replace(" ", "_").replace("-", "_")
    name = next((model for start, model in MODELS if said.startswith(start)), None)
    if name is None:
        return Asked(at, "bridge", reason=f"no architecture of {text(row, 'model')!r} is known")
    model = nemotron_super() if name == "nemotron-3-super" else workloads.model(name)
    degrees = degrees_of(row)
    if degrees.dp < 1:
        return Asked(at, "bridge", reason="the degrees need more chips than there are")
    release = text(row, "release")[:5]
    recipe, notes = recipe_of(row, model, degrees, release)
    plan = f"{degrees.tp}.{degrees.pp}.{degrees.cp}.{degrees.vpp}.{degrees.ep}.{recipe['zero']}"
    plan += f".{recipe['microbatch']}.{recipe['global_batch']}.{recipe['precision']}"
    group = f"bridge/{name}/{chip}/{degrees.chips}/{recipe['sequence_tokens']}/{plan}"
    return Asked(at, "bridge", group, model, chip, degrees, recipe, notes=notes)


def degrees_of(row: Mapping[str, Any]) -> Degrees:
    """tp, pp, cp, vpp, ep; dp is what the chips leave; Bridge turns sequence parallelism on with tp."""
    tp, pp, cp, vpp, ep = (whole(row, name) for name in ("tp", "pp", "cp", "vp", "ep"))
    dp = whole(row, "gpus") // max(1, tp * pp * cp)
    return Degrees(tp=tp, pp=pp, dp=dp, cp=cp, ep=ep, vpp=vpp if pp > 1 else 1, sp=tp > 1)


def generation(release: str) -> str:
    """Releases whose kernels for experts are one generation: CUDA graphs and fused dispatch changed them in 26.06."""
    if not release or release < "26":
        return "25"
    return "26.02" if release < "26.05" else "26.06"


def recipe_of(row: Mapping[str, Any], model: ModelSpec, degrees: Degrees, release: str) -> tuple[dict[str, Any], Any]:
    """(what the row states, and what follows by rule; notes)."""
    said = text(row, "precision").lower()
    precision = next((kind for word, kind in PRECISIONS if word in said), "fp8")
    fsdp = number(row, "fsdp", 0.0) or 0.0
    title = (text(row, "task") + text(row, "system")).lower()
    batch, micro = whole(row, "gbs"), whole(row, "mbs")
    chips = degrees.chips
    lora = "lora" in title or any(
        release == r and model.name == m and chips <= most and batch == b for r, m, most, b in LORA
    )
    framework = "automodel" if not release or "bf16" in text(row, "system").lower() else "megatron-bridge"
    if framework == "megatron-bridge":
        framework = f"megatron-bridge-{generation(release)}"
    recipe = {
        "framework": framework,
        "global_batch": batch,
        "microbatch": micro,
        "sequence_tokens": whole(row, "seq"),
        "precision": precision,
        "tune": "lora" if lora else "full",
        "zero": 3 if fsdp > 1 else 1,
        "expert_tp": whole(row, "etp"),
        "schedule": "1f1b",
    }
    if fsdp > 1:
        recipe["shards"] = round(fsdp)
    notes = ("taken as LoRA: 8 chips cannot hold full fine-tuning",) if lora and "lora" not in title else ()
    return recipe, notes


@cache
def nemotron_super() -> ModelSpec:
    """Nemotron 3 Super, 120B with 12B active: 40 Mamba-2, 40 expert and 8 attention layers of 4,096.

    Its experts work in a latent space of 1,024 (512 of width 2,688, 22 chosen); here they are as wide as has the same
    products and weights, 672 of 4,096. Source: NVIDIA's model card and technical report; layer counts assumed.
    """
    mamba = Mamba2(heads=128, head_dim=64, state_size=128, groups=8, conv_width=4)
    experts = Moe(experts=512, topk=22, intermediate_size=672, shared_intermediate_size=5376, gated=False)
    attention = Attention(heads=32, kv_heads=2, head_dim=128)
    layers = (
        LayerGroup(count=40, mixer=mamba, norms=1),
        LayerGroup(count=40, ffn=(experts,), norms=1),
        LayerGroup(count=8, mixer=attention, norms=1),
    )
    return ModelSpec(name="nemotron-3-super", family="nemotron_h", hidden_size=4096, vocab_size=131072, layers=layers)
