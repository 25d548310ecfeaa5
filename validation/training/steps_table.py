"""Rows of the Megatron tables: vTrain, Korthikanti, SC21 (`hidden`, `micro_batch`), and the memory of Korthikanti."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simcore.engine.training.job import Degrees
from validation.training.cells import needed, number, text, whole
from validation.training.question import Asked, gpt

VOCAB = 50257
"""of GPT-2, where a row states none"""
MODELS = {
    "megatron-22b": (6144, 48, 64),
    "gpt3-175b": (12288, 96, 96),
    "turing-530b": (20480, 105, 128),
    "megatron-1t": (25600, 128, 160),
}
"""name -> hidden, layers, heads (Korthikanti et al. 2022, table 3)"""
RECOMPUTE = {"full": "full", "selective": "selective", "attn_only": "selective", "none": "none", "": "none"}
DEGREES = ("gpus", "tp", "pp", "dp", "micro_batch", "global_batch")
SHAPE = ("hidden", "layers", "heads", "seq")


def chip_of(gpu: str) -> str | None:
    """The chip that a table's words mean."""
    word = gpu.upper()
    for key, chip in (("A100", "a100-sxm-80gb"), ("H100", "h100-sxm"), ("H200", "h200-sxm"), ("B200", "b200-sxm")):
        if key in word:
            return chip
    return None


def framework_of(row: Mapping[str, Any]) -> str:
    """The generation of Megatron: by its source, else by what only one of them has."""
    source = text(row, "source").lower() + text(row, "source_file").lower()
    if "sc21" in source or number(row, "zero_stage", 0.0) == 3.0:
        return "deepspeed-zero3" if number(row, "zero_stage", 0.0) == 3.0 else "megatron-2021"
    if "korthikanti" in source or number(row, "sequence_parallel", 0.0) == 1.0:
        return "megatron-2022"
    return "megatron-deepspeed"


def read_step(row: Mapping[str, Any], at: int) -> Asked:
    """A row with a step time."""
    missing = needed(row, (*DEGREES, *SHAPE))
    chip = chip_of(text(row, "gpu"))
    if missing or chip is None:
        return Asked(at, "steps", reason=missing or f"unknown chip {text(row, 'gpu')!r}")
    hidden, layers, heads, seq = (whole(row, name) for name in SHAPE)
    model = gpt(hidden, layers, heads, whole(row, "ffn", 4 * hidden), whole(row, "vocab", VOCAB))
    framework = framework_of(row)
    zero = whole(row, "zero_stage", 0)
    recipe = {**recipe_of(row, seq), "framework": framework, "zero": zero}
    degrees = degrees_of(row)
    micro = whole(row, "micro_batch")
    single = degrees.chips <= 8 and framework == "megatron-deepspeed"
    group = f"{framework}/{hidden}/{degrees.tp}/" + (f"mbs{micro}" if single else f"pp{degrees.pp}")
    if framework in ("megatron-2021", "megatron-2022", "deepspeed-zero3"):
        group = f"{framework}/{hidden}"
    return Asked(at, "steps", group, model, chip, degrees, recipe)


def recipe_of(row: Mapping[str, Any], seq: int) -> dict[str, Any]:
    """Batch and recomputation of a row."""
    micro, batch = whole(row, "micro_batch"), whole(row, "global_batch")
    mode = RECOMPUTE.get(text(row, "recompute").lower(), "none")
    precision = "bf16" if "bf" in text(row, "dtype").lower() else "fp16"
    return {
        "global_batch": batch,
        "microbatch": micro,
        "sequence_tokens": seq,
        "precision": precision,
        "recompute": mode,
        "schedule": "1f1b",
    }


def degrees_of(row: Mapping[str, Any]) -> Degrees:
    """tp, pp, dp, vpp, sp."""
    tp, pp, dp, vpp = (whole(row, name) for name in ("tp", "pp", "dp", "vpp"))
    return Degrees(tp=tp, pp=pp, dp=dp, vpp=vpp, sp=number(row, "sequence_parallel", 0.0) == 1.0)


def read_memory(row: Mapping[str, Any], at: int) -> Asked:
    """A row with activation memory."""
    missing = needed(row, DEGREES)
    shape = MODELS.get(text(row, "model").lower())
    if missing or shape is None:
        return Asked(at, "memory", reason=missing or f"unknown model {text(row, 'model')!r}")
    hidden, layers, heads = shape
    model = gpt(hidden, layers, heads, 4 * hidden, 51200)
    recipe = {**recipe_of(row, 2048), "framework": "megatron-2022", "zero": 0}
    return Asked(at, "memory", f"memory/{hidden}", model, "a100-sxm-80gb", degrees_of(row), recipe)
