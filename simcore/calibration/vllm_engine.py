"""What the arguments of a recorded vLLM v1 run mean for the event engine: limits, KV size, ranks, graphs.

Facts of vLLM 0.19 (its `arg_utils`, `config.scheduler`, `core_client`, `core`); what it can do and this replay cannot
is refused by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simcore.engine.settings import UNLIMITED, ReplicaSettings
from simcore.errors import InputError
from simcore.spec.model import ModelSpec, Moe

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
VLLM_RESERVE_BYTES = 1.24e9
"""context, activations and graphs beside weights and KV: what the one recorded run that states its KV size left
(RTX 4090, Llama-3.1-8B, tp 1, 2,048 tokens and 256 sequences a step); more with tensor parallelism"""
HIDDEN_GIB, HIDDEN_RATIO = 0.30, 0.0076
"""of a GPU's memory, printed in GB and meant in GiB, that CUDA does not report: the line through RTX 4090 (23.52 of 24
GiB) and RTX PRO 6000 (94.97 of 96 GiB); too little where error correction takes its own share (L40S)"""
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


def visible_bytes(printed_bytes: float) -> float:
    """Memory that an engine sees on a GPU whose data sheet prints `printed_bytes`."""
    printed_gib = printed_bytes / 1e9
    return float(printed_gib - HIDDEN_GIB - HIDDEN_RATIO * printed_gib) * 2**30


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


HELD_KV = ("attention", "mla")
"""mixers whose cache grows with the context; a latent one has no heads to split"""


def padded_start(batch: float, sizes: tuple[int, ...]) -> float:
    """The smallest batch that runs in a captured graph of at least `batch` sequences; `batch` without graphs.

    >>> padded_start(38.0, (1, 2, 4, 8, 16, 24, 32, 40))
    33.0
    """
    if not sizes or batch > max(sizes):
        return batch
    return float(max((size for size in sizes if size < batch), default=0) + 1)


@dataclass(frozen=True)
class Memory:
    """What decides the KV size where the run does not state it, per GPU in bytes."""

    capacity_bytes: float
    weight_bytes: float
    reserve_bytes: float
    kv_bytes_per_token: float


def memory_of(engine: dict[str, Any], model: ModelSpec, printed_bytes: float, ranks: Ranks) -> Memory:
    """Weights and KV in the run's formats on one GPU of a memory of `printed_bytes`.

    Experts are spread over all ranks that share them, the rest over tp; a KV head is never cut. Norms, which every
    rank holds whole, are counted as spread.
    """
    routed = sum(
        group.count * sum(matrix.elements for matrix in block.routed(model.hidden_size))
        for group in model.layers
        for block in group.ffn
        if isinstance(block, Moe)
    )
    elements = (model.parameters - routed) / ranks.tp + routed / ranks.expert_ranks
    shares = [1.0 / getattr(g.mixer, "kv_heads", 1) for g in model.layers if getattr(g.mixer, "kind", "") in HELD_KV]
    kv_share = max(1.0 / ranks.tp, *shares, 0.0)
    return Memory(
        capacity_bytes=float(engine.get("device_memory_bytes") or visible_bytes(printed_bytes)),
        weight_bytes=(1.0 if weight_format(engine) == "fp8" else 2.0) * elements,
        reserve_bytes=VLLM_RESERVE_BYTES,
        kv_bytes_per_token=(1.0 if kv_format(engine) == "fp8" else 2.0) * model.kv_elements_per_token() * kv_share,
    )


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


def kv_blocks(engine: dict[str, Any], memory: Memory) -> int:
    """KV blocks of one rank: stated, or what the memory fraction leaves; raises InputError if that is nothing."""
    block_tokens = int(engine.get("block_tokens", VLLM_DEFAULTS["block_tokens"]))
    if "kv_blocks" in engine:
        return int(engine["kv_blocks"])
    if "kv_tokens" in engine:
        return int(engine["kv_tokens"]) // block_tokens
    fraction = float(engine.get("memory_fraction", VLLM_DEFAULTS["memory_fraction"]))
    room_bytes = fraction * memory.capacity_bytes - memory.weight_bytes - memory.reserve_bytes
    blocks = int(float(engine.get("kv_bytes", room_bytes)) // (block_tokens * memory.kv_bytes_per_token))
    if blocks < 1:
        what = f"weights of {memory.weight_bytes / 1e9:.1f} GB leave no room for KV"
        whole = f"{fraction:g} of {memory.capacity_bytes / 1e9:.1f} GB a GPU"
        raise InputError(f"{what} in {whole}", key="tensor_parallel_size", fix="use more GPUs or a smaller format")
    return blocks


def run_settings(engine: dict[str, Any], memory: Memory) -> ReplicaSettings:
    """The scheduler settings of one rank of a recorded vLLM v1 run."""
    known = VLLM_DEFAULTS | engine
    block_tokens = int(known["block_tokens"])
    return ReplicaSettings(
        scheduler="chunked",
        kv_blocks=kv_blocks(engine, memory),
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
