"""Rows of torchtitan's published benchmarks: throughput and peak memory of Llama 3 under FSDP2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import workloads
from simcore.engine.training.job import Degrees
from simcore.errors import SimcoreError
from validation.training.cells import needed, text, whole
from validation.training.question import Asked

PIPELINE_MICROBATCHES = "pp"
"""the table does not state them; torchtitan's default is one microbatch per stage"""
SLOW_HBM = (("chip.memory.hbm.read_bandwidth", 2.4e12), ("chip.memory.hbm.capacity", 96e9), ("chip.power.tdp", 500.0))
"""H100 with HBM2e of 96 GB, as the table's words say"""
RECOMPUTE = {"full": "full", "selective": "alternate", "selective op": "alternate", "none": "none", "": "none"}


def read_torchtitan(row: Mapping[str, Any], at: int) -> Asked:
    """One benchmark."""
    missing = needed(row, ("gpus", "fsdp", "seq", "local_batch"))
    gpu = text(row, "gpu").upper()
    if missing or not ("H100" in gpu or "A100" in gpu):
        return Asked(at, "torchtitan", reason=missing or f"unknown chip {gpu!r}")
    try:
        model = workloads.model(text(row, "model").lower().replace("llama3", "llama-3"))
    except SimcoreError as error:
        return Asked(at, "torchtitan", reason=str(error))
    chip, hardware = ("h100-sxm", SLOW_HBM if "2.4" in gpu else ()) if "H100" in gpu else ("a100-sxm-80gb", ())
    said = text(row, "techniques").lower()
    fsdp, tp, pp, cp = (whole(row, name) for name in ("fsdp", "tp", "pp", "cp"))
    dp = max(1, whole(row, "gpus") // (tp * pp * cp))
    local = whole(row, "local_batch")
    micro = max(1, local // pp) if pp > 1 else local
    mode = text(row, "act_ckpt").lower()
    recipe = {
        "framework": "torchtitan" if "compile" in said else "torchtitan-eager",
        "global_batch": local * dp,
        "microbatch": micro,
        "sequence_tokens": whole(row, "seq"),
        "precision": "fp8" if "float8" in said else "bf16",
        "zero": 3,
        "shards": max(fsdp * cp, 1),
        "recompute": RECOMPUTE.get(mode, "alternate" if "selective" in mode else "none"),
        "overlap": {"tp": "async" in said, "dp": True, "cp": True},
        "schedule": "1f1b",
    }
    if mode == "selective layer":
        recipe |= {"recompute": "full", "recompute_layers": max(1, model.layer_count // 2)}
    degrees = Degrees(tp=tp, pp=pp, dp=dp, cp=cp, sp=tp > 1)
    group = f"torchtitan/{at}"
    notes = (f"microbatches per step taken as {PIPELINE_MICROBATCHES}",) if pp > 1 else ()
    return Asked(at, "torchtitan", group, model, chip, degrees, recipe, "", notes, hardware)
