"""Operations as arrays over plans: what one step of a model asks of a chip and its links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simcore.kept.lazy import dataclass
from simcore.spec.formats import number_format
from simcore.spec.plan import ParallelPlan

Array = NDArray[np.float64]
Column = Array | float
"""one value per plan, or one for all of them"""

Kind = Literal[
    "gemm",
    "moe",
    "attention_prefill",
    "attention_decode",
    "mla_prefill",
    "mla_decode",
    "linear_attention_gdn",
    "mamba2",
    "elementwise",
    "collective",
    "transfer",
]
Role = Literal["matrix", "expert", "attention", "vector", "none"]
"""which peak an operation runs at: the weights' format, the experts', bf16 attention, or the vector unit's"""
Residency = Literal["stream", "cache"]
"""stream: weights and KV, always from the main tier; cache: activations, from the fastest tier that holds them"""


@dataclass(frozen=True)
class Op:
    """One kind of operation of a step, [plans]; `count` times per step on each chip.

    `flop`, `stream_bytes`, `cache_bytes` are per execution and per chip. `shape` holds the columns that a calibrated
    model of this kind reads (the names of `simcore.calibration`), e.g. m, n, k.
    """

    name: str
    kind: Kind
    role: Role
    count: Column
    flop: Column = 0.0
    stream_bytes: Column = 0.0
    """weights and KV"""
    cache_bytes: Column = 0.0
    """activations read and written"""
    shape: dict[str, Column | str] = field(default_factory=dict)
    group: Column = 1.0
    """ranks of a collective"""
    stride: Column = 1.0
    """distance between neighbouring ranks of the group, in chips"""
    kernels: int = 1
    """kernels launched per execution"""
    part: str = ""
    """where its time belongs (`simcore.step.price.Part`); empty: its kind says"""
    format: str = ""
    """of the weights or KV that it reads; empty: the plan's"""


@dataclass(frozen=True)
class PlanColumns:
    """Parallel plans as arrays [plans] of floats; see `ParallelPlan` for the meaning of each degree."""

    tp: Column
    pp: Column
    dp: Column
    attention_dp: Column
    ep: Column
    cp: Column
    sp: Column
    """1 where Megatron's sequence parallelism replaces all-reduce by reduce-scatter and all-gather"""
    weight_bytes: Column
    """bytes per weight element"""
    expert_bytes: Column
    """bytes per routed-expert weight element"""
    activation_bytes: Column
    kv_bytes: Column
    head_bytes: Column
    """bytes per element of embedding and LM head"""
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """what cost models derive from the degrees alone, kept for the other steps of the same plans"""

    @property
    def moe_tp(self) -> Column:
        return self.tp * self.attention_dp * self.cp / self.ep

    @property
    def replica_chips(self) -> Column:
        return self.tp * self.attention_dp * self.cp * self.pp

    @property
    def chips(self) -> Column:
        return self.replica_chips * self.dp

    def take(self, rows: NDArray[np.intp] | slice) -> PlanColumns:
        """The same plans, some rows."""
        picked: dict[str, Any] = {f.name: pick(getattr(self, f.name), rows) for f in fields(self) if f.name != "memo"}
        return PlanColumns(**picked)


@dataclass(frozen=True)
class StepColumns:
    """One batch step, [plans], as one attention-dp rank and pipeline microbatch sees it."""

    prefill_sequences: Column = 0.0
    prefill_tokens: Column = 0.0
    """new tokens per prefilling sequence"""
    past_tokens: Column = 0.0
    """tokens of those sequences already in the cache"""
    decode_sequences: Column = 0.0
    kv_tokens: Column = 0.0
    """mean context of the decoding sequences"""

    @property
    def tokens(self) -> Column:
        return self.prefill_sequences * self.prefill_tokens + self.decode_sequences

    def rank_tokens(self, cp: Column) -> Column:
        """Tokens on each of cp ranks: a prefill's are divided, a decode step's new token is on all of them."""
        return self.prefill_sequences * self.prefill_tokens / cp + self.decode_sequences

    @property
    def sequences(self) -> Column:
        """Sequences that need logits."""
        return self.prefill_sequences + self.decode_sequences

    @property
    def prefills(self) -> bool:
        return bool(np.any(np.asarray(self.prefill_sequences) > 0))

    @property
    def decodes(self) -> bool:
        return bool(np.any(np.asarray(self.decode_sequences) > 0))


def pick(column: Column, rows: NDArray[np.intp] | slice) -> Column:
    """Some rows of a column; a scalar serves every row."""
    return column[rows] if isinstance(column, np.ndarray) and column.ndim else column


def repeats(columns: list[Array]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(rows to keep, where each row went) of equal rows among columns [rows]; those kept are the first of their kind.

    Rows meet in a table by a code of theirs; the few whose places are taken by others are sorted.
    """
    code: Any = np.zeros(len(columns[0]))
    for number, column in enumerate(columns):
        code = code + column * (np.sqrt(2.0 + number) * np.pi**number)
    rows = np.arange(len(code))
    kept = _first_alike(code, rows)
    if not all(np.array_equal(column[kept], column) for column in columns):
        return rows, rows
    is_first = kept == rows
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[kept]


def _first_alike(code: Array, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first row with the same code, [rows]."""
    bits = max(12, len(code).bit_length())
    place = (code.view(np.uint64) * np.uint64(SPREADING)) >> np.uint64(64 - bits)
    table = np.empty(1 << bits, np.intp)
    table[place[::-1]] = rows[::-1]
    kept: NDArray[np.intp] = table[place]
    others = np.flatnonzero(code[kept] != code)
    if len(others):
        _, first, back = np.unique(code[others], return_index=True, return_inverse=True)
        kept[others] = others[first[back]]
    return kept


SPREADING = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: neighbouring codes fall far from each other"""
DEGREES = ("tp", "pp", "dp", "attention_dp", "ep", "cp", "sp")


def plan_columns(plan: ParallelPlan, numeric: Mapping[str, Column] | None = None) -> PlanColumns:
    """Degrees from the columns where given, else from the base plan; formats as bytes per element."""
    weights, experts, activations, kv = (number_format(name).bytes_per_element for name in plan.formats())
    given = numeric or {}
    degrees: dict[str, Any] = {name: given.get(name, float(getattr(plan, name))) for name in DEGREES}
    return PlanColumns(
        **degrees, weight_bytes=weights, expert_bytes=experts, activation_bytes=activations, kv_bytes=kv, head_bytes=2.0
    )
