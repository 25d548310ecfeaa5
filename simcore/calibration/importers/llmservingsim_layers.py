"""LLMServingSim's layer profiles (MIT): `dense.csv` and `attention.csv` in one folder per tensor-parallel degree.

Times in microseconds. `meta.yaml`, up to three folders above, gives the model's sizes under `hf_overrides`; the head
width is 128 unless `head_dim` is given there. `dense.csv` becomes gemm rows (qkv_proj, o_proj, gate_up_proj,
down_proj), `attention.csv` the pure prefill rows and the pure decode rows of equal lengths.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from simcore.calibration.importers._base import Tables, labelled, numbers, positive, read, require
from simcore.errors import InputError
from simcore.spec.load import read_text

if TYPE_CHECKING:
    import pandas as pd

CONSTANTS = {"stack": "vllm", "stack_version": "0", "kernel_source": "vllm_layer"}
NEEDED = ("intermediate_size", "num_attention_heads", "num_key_value_heads")


def tables(path: Path) -> Tables:
    """{"gemm", "attention_prefill", "attention_decode"} as far as the folder holds them; raises InputError."""
    folder = path if path.is_dir() else path.parent
    sizes, ranks = model_sizes(folder), rank_count(folder)
    found: Tables = {}
    if (folder / "dense.csv").exists():
        found["gemm"] = gemms(read(folder / "dense.csv"), folder / "dense.csv", sizes, ranks)
    if (folder / "attention.csv").exists():
        found |= attentions(read(folder / "attention.csv"), folder / "attention.csv", sizes, ranks)
    if not found:
        raise InputError(
            "no layer profile here", file=str(folder), fix="give the folder of dense.csv and attention.csv"
        )
    return found


def rank_count(folder: Path) -> int:
    """2 for a folder named `tp2`; 1 otherwise."""
    match = re.fullmatch(r"tp(\d+)", folder.name)
    return int(match.group(1)) if match else 1


def model_sizes(folder: Path) -> dict[str, int]:
    """Numbers of `meta.yaml`; raises InputError when it or a size is missing."""
    for place in (folder, *list(folder.parents)[:3]):
        meta = place / "meta.yaml"
        if meta.exists():
            found = re.findall(r"^\s*(\w+):\s*(\d{1,9})\s*$", read_text(meta), re.MULTILINE)
            sizes = {name: int(value) for name, value in found if int(value)}
            missing = [name for name in NEEDED if name not in sizes]
            if missing:
                raise InputError("the size is missing", file=str(meta), key=missing[0])
            return sizes
    raise InputError("no meta.yaml here or above", file=str(folder), fix="keep it with the profile")


def gemms(frame: pd.DataFrame, file: Path, sizes: dict[str, int], ranks: int) -> pd.DataFrame:
    """Dense layers as matrix multiplies of one rank; the hidden size is heads x head width unless given."""
    require(frame, ("layer", "tokens", "time_us"), file)
    positive(frame, ("tokens", "time_us"), file)
    width = sizes.get("head_dim", 128)
    heads, kv_heads, inter = (sizes[name] for name in ("num_attention_heads", "num_key_value_heads", NEEDED[0]))
    hidden = sizes.get("hidden_size", heads * width)
    shape = {
        "qkv_proj": ((heads + 2 * kv_heads) * width / ranks, hidden),
        "o_proj": (hidden, heads * width / ranks),
        "gate_up_proj": (2 * inter / ranks, hidden),
        "down_proj": (hidden, inter / ranks),
    }
    rows = frame[frame["layer"].isin(shape)]
    n, k = (rows["layer"].map({name: size[i] for name, size in shape.items()}) for i in (0, 1))
    table = rows[["tokens"]].rename(columns={"tokens": "m"}).assign(n=n, k=k, latency_ms=rows["time_us"] * 1e-3)
    return labelled(table.reset_index(drop=True), CONSTANTS | {"gemm_dtype": "bfloat16"})


def attentions(frame: pd.DataFrame, file: Path, sizes: dict[str, int], ranks: int) -> Tables:
    """Pure prefill without cached tokens, pure decode of equal lengths."""
    require(frame, ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"), file)
    numbers(frame, ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode"), ("time_us",), file)
    common = {
        "num_heads": sizes["num_attention_heads"] // ranks,
        "num_key_value_heads": max(1, sizes["num_key_value_heads"] // ranks),
        "head_dim": sizes.get("head_dim", 128),
        "window_size": 0,
        "attn_dtype": "bfloat16",
        "kv_cache_dtype": "bfloat16",
    }
    ms = frame["time_us"] * 1e-3
    prefill = (frame["prefill_chunk"] > 0) & (frame["kv_prefill"] == 0) & (frame["n_decode"] == 0)
    decode = (frame["prefill_chunk"] == 0) & (frame["n_decode"] > 0)
    first = frame.assign(batch_size=1, isl=frame["prefill_chunk"], latency_ms=ms)[prefill]
    second = frame.assign(batch_size=frame["n_decode"], step=frame["kv_decode"], latency_ms=ms)[decode]
    found = {
        "attention_prefill": first[["batch_size", "isl", "latency_ms"]],
        "attention_decode": second[["batch_size", "step", "latency_ms"]],
    }
    return {name: labelled(table, CONSTANTS | common) for name, table in found.items() if len(table)}


IMPORTER = tables
