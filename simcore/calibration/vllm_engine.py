"""What the arguments of a recorded vLLM v1 run mean for the event engine: limits, KV size, ranks, graphs.

Facts of vLLM 0.19 (its `arg_utils`, `config.scheduler`, `core_client`, `core`); what it can do and this replay cannot
is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simcore.cost.memory import Footprint, Home, Load, footprint
from simcore.engine.kv_pool import KvPool, pool_of
from simcore.engine.settings import UNLIMITED, ReplicaSettings
from simcore.errors import InputError
from simcore.ops.op import PlanColumns
from simcore.spec.formats import number_format
from simcore.spec.model import ModelSpec
from simcore.spec.stack import StackMemory

VLLM_DEFAULTS = {
    "block_tokens": 16,
    "memory_fraction": 0.9,
    "max_num_seqs": 128,
    "max_num_batched_tokens": 2048,
    "chunk_tokens": 0,
    "prefix_caching": True,
    "async_scheduling": True,
}
"""of an engine inside a Python program, where the run does not state them; `vllm serve` on a GPU of 70 GiB and more
would take 1,024 sequences and 8,192 tokens, on a smaller one 256 and 2,048"""
LARGEST_GRAPH = 512
DTYPES = ("auto", "bfloat16", "float16", "half", "torch.bfloat16", "torch.float16")
REFUSED = {
    "pipeline_parallel_size": 1,
    "prefill_context_parallel_size": 1,
    "decode_context_parallel_size": 1,
    "speculative_config": None,
    "enable_chunked_prefill": True,
    "scheduling_policy": "fcfs",
    "enable_dbo": False,
    "cpu_offload_gb": 0,
    "kv_transfer_config": None,
    "enable_lora": False,
}
"""arguments that change what a step is, and the only value of each that the replay knows"""


@dataclass(frozen=True)
class Ranks:
    """How many GPUs share what."""

    tp: int = 1
    dp: int = 1
    expert_parallel: bool = False
    lockstep: bool = False
    """dp ranks of a mixture of experts share its experts and step together; those of a dense model are independent"""

    @property
    def expert_ranks(self) -> int:
        """Over which the experts are spread, whole (`expert_parallel`) or sliced."""
        return self.tp * (self.dp if self.lockstep else 1)


def ranks_of(engine: dict[str, Any], model: ModelSpec) -> Ranks:
    """Degrees of the run; raises InputError for what the replay cannot do or a degree that does not fit the model."""
    for key, value in REFUSED.items():
        if engine.get(key) not in (None, value):
            raise InputError(f"a run with {key} {engine[key]!r} cannot be replayed", key=key)
    if str(engine.get("dtype", "auto")) not in DTYPES:
        raise InputError(f"dtype {engine['dtype']!r} cannot be replayed", key="dtype", fix="use a 16-bit format")
    tp, dp = (int(engine.get(f"{name}_parallel_size", 1)) for name in ("tensor", "data"))
    if model.min_heads % tp:
        raise InputError(f"tp {tp} does not divide the {model.min_heads} attention heads", key="tensor_parallel_size")
    expert_parallel = bool(engine.get("enable_expert_parallel")) and model.is_moe
    return Ranks(tp, dp, expert_parallel, lockstep=dp > 1 and model.is_moe)


def graph_sizes(engine: dict[str, Any]) -> tuple[int, ...]:
    """Batch sizes with a captured graph: as stated, else 1, 2, 4, by 8 to 256, by 16 to the smaller of 512 and twice
    `max_num_seqs`; none with `enforce_eager`."""
    if engine.get("enforce_eager"):
        return ()
    if engine.get("graph_sizes"):
        return tuple(int(size) for size in engine["graph_sizes"])
    largest = min(LARGEST_GRAPH, 2 * int((VLLM_DEFAULTS | engine)["max_num_seqs"]))
    return tuple(size for size in (1, 2, 4, *range(8, 256, 8), *range(256, LARGEST_GRAPH + 1, 16)) if size <= largest)


def padded_start(batch: float, sizes: tuple[int, ...]) -> float:
    """The smallest batch that runs in a captured graph of at least `batch` sequences; `batch` without graphs.

    >>> padded_start(38.0, (1, 2, 4, 8, 16, 24, 32, 40))
    33.0
    """
    if not sizes or batch > max(sizes):
        return batch
    return float(max((size for size in sizes if size < batch), default=0) + 1)


@dataclass(frozen=True)
class Card:
    """What decides the KV size where the run does not state it: a GPU's memory and how vLLM divides it."""

    reported_bytes: float
    rules: StackMemory


def memory_of(engine: dict[str, Any], model: ModelSpec, card: Card, ranks: Ranks) -> Footprint:
    """Memory of one GPU in the run's formats and limits; experts are spread over all ranks that share them."""
    weights, kv = (number_format(name).bytes_per_element for name in (weight_format(engine), kv_format(engine)))
    known = VLLM_DEFAULTS | engine
    plan = PlanColumns(
        tp=float(ranks.tp),
        pp=1.0,
        dp=1.0,
        attention_dp=float(ranks.dp if ranks.lockstep else 1),
        ep=float(ranks.expert_ranks if ranks.expert_parallel else 1),
        cp=1.0,
        sp=0.0,
        weight_bytes=weights,
        expert_bytes=weights,
        activation_bytes=2.0,
        kv_bytes=kv,
        head_bytes=2.0,
    )
    budget, sampled = float(known["max_num_batched_tokens"]), float(known["max_num_seqs"])
    load = Load(step_tokens=budget, sampled=sampled, block_tokens=int(known["block_tokens"]))
    reported = float(engine.get("device_memory_bytes") or card.reported_bytes)
    found = footprint(model, plan, load, Home(reported, card.rules, float(known["memory_fraction"])))
    return replace(found, room_bytes=float(engine["kv_bytes"])) if "kv_bytes" in engine else found


def weight_format(engine: dict[str, Any]) -> str:
    """`bf16`, or `fp8` where the run quantises so; raises InputError for other formats."""
    named = engine.get("quantization")
    if named in (None, "fp8"):
        return named or "bf16"
    raise InputError(f"quantization {named!r} cannot be replayed", key="quantization", fix="fp8 or none")


def kv_format(engine: dict[str, Any]) -> str:
    """`bf16` or `fp8`; raises InputError for other formats."""
    named = str(engine.get("kv_cache_dtype") or "auto")
    if named in (*DTYPES, "bf16"):
        return "bf16"
    if named.startswith("fp8"):
        return "fp8"
    raise InputError(f"kv_cache_dtype {named!r} cannot be replayed", key="kv_cache_dtype", fix="auto or fp8")


def run_pool(engine: dict[str, Any], model: ModelSpec, card: Card, ranks: Ranks) -> KvPool:
    """KV of one rank: stated, or what the memory fraction leaves; raises InputError if that is nothing."""
    found = memory_of(engine, model, card, ranks)
    pool = pool_of(found, "memory")
    if "kv_blocks" in engine:
        return replace(pool, blocks=int(engine["kv_blocks"]) * max(pool.block_pages, 1), problem=None)
    if "kv_tokens" in engine:
        blocks = int(engine["kv_tokens"]) // pool.block_tokens
        return replace(pool, blocks=blocks * max(pool.block_pages, 1), problem=None)
    if pool.problem:
        weights, have = float(np.max(found.weights_bytes)), pool.have_bytes or 0.0
        what = f"weights of {weights / 1e9:.1f} GB leave no room for KV in the {have / 1e9:.1f} GB of a GPU"
        raise InputError(what, key="tensor_parallel_size", fix="use more GPUs or a smaller format")
    return pool


def run_settings(engine: dict[str, Any], pool: KvPool) -> ReplicaSettings:
    """The scheduler settings of one rank of a recorded vLLM v1 run."""
    known = VLLM_DEFAULTS | engine
    block_tokens = int(known["block_tokens"])
    return ReplicaSettings(
        scheduler="chunked",
        **pool.settings(),
        block_tokens=block_tokens,
        max_running=int(known["max_num_seqs"]),
        token_budget=int(known["max_num_batched_tokens"]),
        chunk_tokens=int(known["chunk_tokens"]) or UNLIMITED,
        whole_prompt=False,
        check_prompt=True,
        ahead=bool(known["async_scheduling"]),
        hash_tokens=block_tokens if known["prefix_caching"] else 0,
    )


def assumed(engine: dict[str, Any]) -> list[str]:
    """What the run does not state and was taken as vLLM's default, in words."""
    notes = [
        f"{name} is not stated: {VLLM_DEFAULTS[name]} assumed"
        for name in ("max_num_seqs", "max_num_batched_tokens")
        if name not in engine
    ]
    if not {"kv_blocks", "kv_tokens", "kv_bytes"} & set(engine):
        notes.append("the KV size is not stated: derived from the memory fraction")
    if engine.get("enforce_eager"):
        notes.append("enforce_eager: the host's launches are in no profile, so small steps are too fast")
    return notes
