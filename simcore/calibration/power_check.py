"""Power against published runs: Llama-2-70B and BLOOM-176B on A100 and H100 (Splitwise, Patel et al., ISCA 2024).

The table gives prompt and token times, on A100 also peak and average power over the board limit, and the times of an
H100 under a power cap that is not stated. Prompts keep the tensor cores busy, tokens the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.kernel_power import PowerModel, PowerState, under_cap

Array = NDArray[np.float64]
PARAMETERS = {"llama2-70b": 69e9, "bloom-176b": 176e9}
CAP_RATIO = 0.5
"""of the board limit: 350 W, the cap under which the ratios of the capped H100 come out"""


def state_of(model: PowerModel, flop: Array, moved_bytes: Array, time_s: Array) -> PowerState:
    """Power of a phase with this much work in this time on one chip.

    Power comes from the common law for gemm (the phases are made of them); the memory's part from its own term.
    """
    from simcore.cost.kernel_power import fraction

    fit, _ = model.find("gemm", "bf16", "")
    chip = model.chip
    tensor = np.minimum(flop / chip.peak("bf16") / time_s, 1.0)
    memory = np.minimum(moved_bytes / chip.memory_bytes_per_s / time_s, 1.0)
    idle = chip.idle_w / chip.tdp_w
    share = fraction(tensor, memory, idle, fit.parameters)
    alone = share - fraction(tensor, np.zeros_like(memory), idle, fit.parameters)
    busy = np.where(tensor >= memory, time_s, tensor * time_s)
    return PowerState(share * chip.tdp_w, chip.idle_w, np.maximum(alone, 0.0) * chip.tdp_w, busy, memory * time_s)


def phases(frame: Any) -> Any:
    """Rows with work per chip and phase: prompt flop and bytes, token flop and bytes, and times in seconds."""
    table = frame.copy()
    parameters = table["model"].map(PARAMETERS)
    ranks, tokens = table["tensor_parallel"], table["prompt_size"] * table["batch_size"]
    table["weight_bytes"] = 2.0 * parameters / ranks
    table["prompt_flop"] = 2.0 * parameters * tokens / ranks
    table["token_flop"] = 2.0 * parameters * table["batch_size"] / ranks
    table["prompt_s"], table["token_s"] = table["prompt_time"] * 1e-3, table["token_time"] * 1e-3
    return table


def check(path: Path, model_of: Callable[[str], PowerModel]) -> dict[str, Any]:
    """Median errors of A100 peak and average power, and predicted against measured ratios of the capped H100."""
    import pandas as pd

    table = phases(pd.read_csv(path))
    return {"a100": _a100(table, model_of("a100-sxm-80gb")), "cap": _cap(table, model_of("h100-sxm"))}


def _a100(table: Any, model: PowerModel) -> dict[str, float]:
    rows = table[(table["hardware"] == "a100-80gb") & (table["average_power"] > 0)]
    keys = ["model", "tensor_parallel", "prompt_size", "batch_size", "token_size"]
    rows = rows.groupby(keys, as_index=False).median(numeric_only=True)
    prompt = _state(model, rows, "prompt")
    token = _state(model, rows, "token")
    spent_s = rows["prompt_s"] + rows["token_s"] * (rows["token_size"] - 1)
    energy_j = prompt.power_w * rows["prompt_s"] + token.power_w * rows["token_s"] * (rows["token_size"] - 1)
    average = np.asarray(energy_j / spent_s) / model.chip.tdp_w
    peak = np.maximum(prompt.power_w, token.power_w) / model.chip.tdp_w
    return {
        "rows": float(len(rows)),
        "average_median_error": float(np.median(np.abs(average / rows["average_power"] - 1))),
        "average_bias": float(np.median(average / rows["average_power"]) - 1),
        "peak_median_error": float(np.median(np.abs(peak / rows["peak_power"] - 1))),
        "peak_bias": float(np.median(peak / rows["peak_power"]) - 1),
    }


def _state(model: PowerModel, rows: Any, phase: str) -> PowerState:
    flop, time_s = (np.asarray(rows[f"{phase}_{name}"], float) for name in ("flop", "s"))
    return state_of(model, flop, np.asarray(rows["weight_bytes"], float), time_s)


def _cap(table: Any, model: PowerModel) -> dict[str, float]:
    keys = ["model", "tensor_parallel", "prompt_size", "batch_size", "token_size"]
    times = ["prompt_time", "token_time"]
    free = table[table["hardware"] == "h100-80gb"].groupby(keys)[times].median()
    capped = table[table["hardware"] == "h100-80gb-pcap"].groupby(keys)[times].median()
    ratio = (capped / free).dropna()
    cap_w = CAP_RATIO * model.chip.tdp_w
    one = np.ones(1)
    prefill = PowerState(model.chip.tdp_w * one, model.chip.idle_w, 0.0 * one, one, 0.3 * one)
    decode = state_of(model, 0.02 * model.chip.peak("bf16") * one, 0.65 * model.chip.memory_bytes_per_s * one, one)
    return {
        "cap_w": cap_w,
        "prompt_ratio_measured": float(ratio["prompt_time"].median()),
        "prompt_ratio_predicted": float(under_cap(prefill, cap_w)[2][0]),
        "token_ratio_measured": float(ratio["token_time"].median()),
        "token_ratio_predicted": float(under_cap(decode, cap_w)[2][0] / max(decode.compute_s[0], decode.memory_s[0])),
    }
