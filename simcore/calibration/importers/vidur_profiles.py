"""Vidur's profiles (Microsoft, MIT): `mlp.csv` and `attention.csv` of one model, milliseconds, the medians.

`mlp.csv` becomes gemm rows (projections) for every tensor-parallel degree; `attention.csv` becomes prefill rows without
cached tokens and decode rows. A folder is searched for `*mlp*.csv` and `*attention*.csv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simcore.calibration.importers._base import Tables, labelled, positive, read, require
from simcore.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TIME = "time_stats.{}.median"
CONSTANTS = {"stack": "vidur", "stack_version": "0", "kernel_source": "vidur"}
MLP = ("n_head", "n_kv_head", "n_embd", "n_expanded_embd", "use_gated_mlp", "num_tokens", "num_tensor_parallel_workers")
ATTENTION = (
    "n_embd",
    "n_q_head",
    "n_kv_head",
    "num_tensor_parallel_workers",
    "batch_size",
    "prefill_chunk_size",
    "kv_cache_size",
    "is_prefill",
)


def tables(path: Path) -> Tables:
    """{"gemm", "attention_prefill", "attention_decode"} as far as the files hold them; raises InputError."""
    files = [path] if path.is_file() else sorted(path.glob("*mlp*.csv")) + sorted(path.glob("*attention*.csv"))
    found: Tables = {}
    for file in files:
        frame = read(file)
        found |= gemms(frame, file) if TIME.format("mlp_up_proj") in frame else attentions(frame, file)
    if not found:
        raise InputError("no Vidur profile here", file=str(path), fix="name files *mlp*.csv and *attention*.csv")
    return found


def gemms(frame: pd.DataFrame, file: Path) -> Tables:
    """Projections as matrix multiplies of one rank."""
    import pandas as pd

    names = ("attn_pre_proj", "attn_post_proj", "mlp_up_proj", "mlp_down_proj")
    require(frame, [*MLP, *(TIME.format(name) for name in names)], file)
    positive(frame, [TIME.format(name) for name in names], file)
    ranks, width = frame["num_tensor_parallel_workers"], frame["n_embd"]
    head = width / frame["n_head"]
    up = frame["n_expanded_embd"] * (1 + frame["use_gated_mlp"].astype(int)) / ranks
    sizes = {
        "attn_pre_proj": ((frame["n_head"] + 2 * frame["n_kv_head"]) * head / ranks, width),
        "attn_post_proj": (width, width / ranks),
        "mlp_up_proj": (up, width),
        "mlp_down_proj": (width, frame["n_expanded_embd"] / ranks),
    }
    parts = [
        pd.DataFrame({"m": frame["num_tokens"], "n": n, "k": k, "latency_ms": frame[TIME.format(name)]})
        for name, (n, k) in sizes.items()
    ]
    return {"gemm": labelled(pd.concat(parts, ignore_index=True), CONSTANTS | {"gemm_dtype": "bfloat16"})}


def attentions(frame: pd.DataFrame, file: Path) -> Tables:
    """Prefill rows without cached tokens, and decode rows."""
    import pandas as pd

    require(frame, [*ATTENTION, TIME.format("attn_prefill"), TIME.format("attn_decode")], file)
    ranks = frame["num_tensor_parallel_workers"]
    common = pd.DataFrame(
        {
            "batch_size": frame["batch_size"],
            "num_heads": frame["n_q_head"] / ranks,
            "num_key_value_heads": (frame["n_kv_head"] / ranks).clip(lower=1),
            "head_dim": frame["n_embd"] / frame["n_q_head"],
            "window_size": 0,
            "attn_dtype": "bfloat16",
            "kv_cache_dtype": "bfloat16",
        }
    )
    prefill = frame["is_prefill"].astype(bool) & (frame["kv_cache_size"] == 0)
    decode = ~frame["is_prefill"].astype(bool) & (frame["kv_cache_size"] > 0)
    first = common.assign(isl=frame["prefill_chunk_size"], latency_ms=frame[TIME.format("attn_prefill")])[prefill]
    second = common.assign(step=frame["kv_cache_size"], latency_ms=frame[TIME.format("attn_decode")])[decode]
    found = {"attention_prefill": labelled(first, CONSTANTS), "attention_decode": labelled(second, CONSTANTS)}
    return {name: table for name, table in found.items() if len(table)}


IMPORTER = tables
