"""What one engine step takes: small interpolation tables that physics fills and the event engine reads.

A *step* is one forward pass of a replica: some prefill chunks, some decoding sequences, or both (a *mixed* step).
`StepTimes` is the frozen value that crosses from physics to engine. Its tables lie on log-linear lattices, so that a
lookup is arithmetic and never a search: `simcore.step.kernel` evaluates one step in tens of nanoseconds.

    time = host + merge(dense(tokens) + prefill + decode + head(sequences), communication(tokens))

with prefill = sum over chunks of prefill(chunk, past) (or one lookup of the merged chunk, see `prefill_merge`),
decode = decode(batch, mean KV tokens). Steps that hold a prefill chunk use the `mixed` table of a pair, others `pure`:
kernels differ (captured graphs and padding, one attention call for both kinds).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simcore.kept.lazy import dataclass
from simcore.step.overlap import Overlap
from simcore.step.served import Work

Floats = NDArray[np.float64]

TABLES = (
    "dense_pure",
    "dense_mixed",
    "prefill",
    "decode_pure",
    "decode_mixed",
    "head",
    "communication",
    "energy_pure",
    "energy_mixed",
    "uneven_pure",
    "uneven_mixed",
    "read_pure",
    "read_mixed",
    "host_pure",
    "host_mixed",
    "held_pure",
    "held_mixed",
    "fed_pure",
    "fed_mixed",
    "held_decode",
    "stream_pure",
    "stream_mixed",
    "stream_prefill",
    "stream_decode",
)
"""names of the tables, in the order in which the compiled record numbers them"""
POOL_VALUES = 131_072
"""how many lattice values all tables of one `StepTimes` may hold together"""


@dataclass(frozen=True)
class Axis:
    """Knots 0, u, 2u, ... M*u, then M knots per doubling, up to at least `highest`.

    >>> Axis(highest=8, linear_count=2).knots()
    array([0., 1., 2., 3., 4., 6., 8.])
    """

    highest: float
    unit: float = 1.0
    """distance of the linear knots"""
    linear_count: int = 8
    """M: how many linear knots, and how many per octave after them (relative spacing at most 1/M)"""
    round_up: bool = False
    """look up at the next multiple of `unit`, as simulators with integer lookup tables do"""

    def knots(self) -> Floats:
        """Positions of the knots, ascending, `[knots]`."""
        index = np.arange(self.size)
        octave = np.maximum(index // self.linear_count - 1, 0)
        return np.asarray((index - self.linear_count * octave) * 2.0**octave * self.unit, dtype=float)

    @property
    def size(self) -> int:
        """Number of knots."""
        last = self.highest / self.unit
        if last <= self.linear_count:
            return int(np.ceil(last)) + 1
        octave = int(np.floor(np.log2(last / self.linear_count)))
        return int(self.linear_count * octave + np.ceil(last / 2.0**octave)) + 1


@dataclass(frozen=True)
class Table:
    """Values on one axis `[x]` or two `[x, y]`; linear between knots and beyond the last one."""

    x: Axis
    values: Floats
    y: Axis | None = None

    def __post_init__(self) -> None:
        shape = (self.x.size,) if self.y is None else (self.x.size, self.y.size)
        if self.values.shape != shape:
            raise ValueError(f"values have shape {self.values.shape}, the axes {shape}")


def constant(value: float) -> Table:
    """A table that is the same everywhere."""
    return Table(Axis(1.0), np.full(2, value))


ZERO = constant(0.0)


@dataclass(frozen=True)
class StepTimes:
    """Seconds (and joules) of one engine step; see the module for the sum. Zero tables mean "nothing to add"."""

    dense_pure: Table
    """s by tokens in the step: everything that is not attention, head or communication; graph padding included"""
    dense_mixed: Table
    prefill: Table
    """s of attention by (tokens of the chunk, tokens already in its KV)"""
    decode_pure: Table
    """s of attention by (sequences, mean KV tokens, the new one included)"""
    decode_mixed: Table
    head: Table = ZERO
    """s by sequences that need a next token: last norm, head, sampler"""
    communication: Table = ZERO
    """s by tokens in the step"""
    energy_pure: Table = ZERO
    """J above `idle_w` by tokens in the step, or by (tokens, mean KV tokens)"""
    energy_mixed: Table = ZERO
    """J above `idle_w` by tokens in the step, as if all were one chunk of a new prompt; the KV of decodes adds what it
    adds in `energy_pure`"""
    uneven_pure: Table = ZERO
    """alpha by (sequences, place of the mean KV between the shortest, 0, and the longest, 1): decode attention is
    t(mean) + alpha (t(longest) - t(mean))"""
    uneven_mixed: Table = ZERO
    read_pure: Table = ZERO
    """of steps whose micro-batches overlap (`simcore.step.overlap`): s of `dense_pure` that the memory bounds"""
    read_mixed: Table = ZERO
    host_pure: Table = ZERO
    """s of it that are launches and gaps"""
    host_mixed: Table = ZERO
    held_pure: Table = ZERO
    """s of units that its reads hold"""
    held_mixed: Table = ZERO
    fed_pure: Table = ZERO
    """s of memory that its products read"""
    fed_mixed: Table = ZERO
    held_decode: Table = ZERO
    """s of units that attention of decodes holds, on the axes of `decode_pure`"""
    overlap: Overlap | None = None
    """None: one operation after the other"""
    host_pure_s: float = 0.0
    """scheduling, input preparation and launches that the device waits for"""
    host_mixed_s: float = 0.0
    prefill_merge: Literal["sum", "square"] = "sum"
    """several chunks: add their times, or one lookup at (root of the sum of squares, summed past), Vidur's rule"""
    attention_overlap_ratio: float = 0.0
    """share of the shorter of prefill and decode attention that hides under the longer"""
    communication_overlap_ratio: float = 0.0
    """share of the shorter of compute and communication that hides (nano-batches)"""
    stream_s: float = 0.0
    """to bring all weights from a slower tier, once a step and beside it; see `stream_first_s`"""
    stream_first_s: float = 0.0
    """of those, what the first work waits for: a step lasts max(step + first, stream + step x ratio) + wait"""
    stream_own_ratio: float = 0.0
    stream_wait_s: float = 0.0
    stream_pure: Table = ZERO
    """s by tokens of a step of decodes: to bring the experts that they ask for, on top of `stream_s`"""
    stream_mixed: Table = ZERO
    stream_token_first_ratio: float = 0.0
    """of those, what the first work waits for"""
    stream_prefill: Table = ZERO
    """s by (tokens of the chunk, tokens already in its KV): to bring its KV a layer ahead, on top of `stream_s`"""
    stream_decode: Table = ZERO
    """s by (sequences, mean KV tokens), likewise"""
    stream_kv_first_ratio: float = 0.0
    idle_w: float = 0.0
    most_w: float = math.inf
    """above `idle_w`, what the boards at work may draw: energies of steps are tabulated as if their chunk were one
    prompt, and several short ones take less time"""
    source: str = ""
    """where the numbers come from, for reports"""
    assumptions: dict[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether anything passes through the main tier."""
        asked = (self.stream_pure, self.stream_mixed, self.stream_prefill, self.stream_decode)
        return self.stream_s > 0.0 or any(bool(np.any(table.values)) for table in asked)


@dataclass(frozen=True)
class StepSample:
    """Steps for which a cost model is asked, all arrays `[steps]`; at most one prefill chunk per step."""

    chunk_tokens: Floats
    past_tokens: Floats
    decodes: Floats
    kv_tokens: Floats
    """mean KV tokens of the decoding sequences"""
    sequences: Floats
    """how many sequences need a next token"""


@dataclass(frozen=True)
class StepParts:
    """What a cost model answers, all in seconds, `[steps]`: the parts that add up (before any overlap)."""

    work: Work
    """dense work by kind"""
    attention_s: Floats
    head_s: Floats
    communication_s: Floats
    launch_s: Floats | float = 0.0
    """of a captured graph"""
    busy_s: tuple[Floats, Floats, Floats] | None = None
    """(matrix unit at its peak, memory at its bandwidth, all at the top clock): what power follows"""
    kinds: tuple[Floats, Floats, Floats, Floats] | None = None
    """where micro-batches overlap: of the dense work, (reads, units that they hold, memory that products read); units
    that attention holds"""
    work_s: Floats | float = 0.0
    """there: dense work without launches"""

    @property
    def dense_s(self) -> Floats:
        """Everything that is not attention, head or communication."""
        return np.asarray(self.work.total_s + self.launch_s)


@dataclass(frozen=True)
class SampledSteps:
    """Tables, and the parts behind the two dense ones on the knots of their tokens."""

    times: StepTimes
    pure: StepParts
    mixed: StepParts
    decodes: StepParts
    """steps of decodes on the grid of `decode_pure`, row by row"""


Evaluate = Callable[[StepSample], StepParts]
"""a cost model seen from here: arrays of steps in, arrays of seconds out"""


@dataclass(frozen=True)
class SampleRange:
    """How far the tables must reach."""

    tokens: float = 16_384
    past_tokens: float = 131_072
    decodes: float = 512
    sequences: float = 512
    linear_count: int = 8
    graph_sizes: tuple[int, ...] = ()
    """batch sizes with a captured graph, ascending: a decode step of fewer sequences costs as much as the next one"""


def padded(tokens: Floats, sizes: tuple[int, ...]) -> Floats:
    """Tokens rounded up to the next captured size; beyond the largest they run as they are.

    >>> padded(np.array([0.0, 3.0, 8.0, 9.0]), (1, 2, 4, 8))
    array([0., 4., 8., 9.])
    """
    if not sizes:
        return tokens
    ordered = np.array(sorted(sizes), dtype=float)
    place = np.minimum(np.searchsorted(ordered, tokens), len(ordered) - 1)
    return np.where(tokens <= ordered[-1], np.where(tokens > 0, ordered[place], 0.0), tokens)


def sample_step_times(evaluate: Evaluate, reach: SampleRange, **fields: Any) -> StepTimes:
    """The tables of `sample_steps`."""
    return sample_steps(evaluate, reach, **fields).times


def sample_steps(evaluate: Evaluate, reach: SampleRange, **fields: Any) -> SampledSteps:
    """Fill the tables from a cost model by asking it on the lattice knots.

    `evaluate` is called a handful of times with arrays of steps: steps of `chunk_tokens` alone (dense and
    communication by tokens), prefill attention on (chunk, past) with no decodes, decode attention on (decodes, KV)
    with no chunk, the head by sequences. Attention must be additive between chunk and decodes; say how much of it
    hides with `attention_overlap_ratio`. No step is empty: a token, a sequence, a KV token are the least.
    `fields` are passed on to `StepTimes` (host overhead, merge rule, source).

    Between knots values are linear; relative knot distance is at most 1/`linear_count`, so a law x**2 is met within
    1/(8 M**2) and a kink (a tile edge) only at knots.
    """
    tokens = Axis(reach.tokens, linear_count=max(32, reach.linear_count))
    past = Axis(reach.past_tokens, linear_count=reach.linear_count)
    chunk = Axis(reach.tokens, linear_count=reach.linear_count)
    decodes = Axis(reach.decodes, linear_count=max(16, reach.linear_count))
    sequences = Axis(reach.sequences, linear_count=max(16, reach.linear_count))
    some = np.maximum(tokens.knots(), 1.0)
    by_tokens = evaluate(_steps(chunk=some))
    batches = padded(some, reach.graph_sizes)
    as_decodes = evaluate(_steps(decodes=batches, kv=1.0, sequences=batches))
    grid = np.meshgrid(np.maximum(chunk.knots(), 1.0), past.knots(), indexing="ij")
    prefill = evaluate(_steps(chunk=grid[0].ravel(), past=grid[1].ravel())).attention_s.reshape(grid[0].shape)
    grid = np.meshgrid(np.maximum(decodes.knots(), 1.0), np.maximum(past.knots(), 1.0), indexing="ij")
    decoding = evaluate(_steps(decodes=grid[0].ravel(), kv=grid[1].ravel()))
    decode = decoding.attention_s.reshape(grid[0].shape)
    asked = np.maximum(sequences.knots(), 1.0)
    head = evaluate(_steps(decodes=asked, kv=1.0, sequences=asked)).head_s
    prefill, decode, head = (np.array(part, dtype=float) for part in (prefill, decode, head))
    prefill[0] = decode[0] = head[0] = 0.0
    if as_decodes.kinds is not None and decoding.kinds is not None and by_tokens.kinds is not None:
        held = np.array(decoding.kinds[3], dtype=float).reshape(decode.shape)
        held[0] = 0.0
        fields = {**fields, **_beside(tokens, as_decodes, by_tokens), "held_decode": Table(decodes, held, past)}
    times = StepTimes(
        dense_pure=Table(tokens, as_decodes.dense_s),
        dense_mixed=Table(tokens, by_tokens.dense_s),
        prefill=Table(chunk, prefill, past),
        decode_pure=Table(decodes, decode, past),
        decode_mixed=Table(decodes, decode, past),
        head=Table(sequences, head),
        communication=Table(tokens, by_tokens.communication_s),
        **fields,
    )
    return SampledSteps(times, as_decodes, by_tokens, decoding)


def _beside(tokens: Axis, pure: StepParts, mixed: StepParts) -> dict[str, Table]:
    """What of the dense work is of which kind, for micro-batches that overlap."""
    found: dict[str, Table] = {}
    for name, parts in (("pure", pure), ("mixed", mixed)):
        assert parts.kinds is not None
        read, held, fed, _ = parts.kinds
        columns = {"read": read, "held": held, "fed": fed, "host": np.maximum(parts.dense_s - parts.work_s, 0.0)}
        found |= {f"{kind}_{name}": Table(tokens, np.asarray(column)) for kind, column in columns.items()}
    return found


def _steps(
    chunk: Floats | float = 0.0, past: Floats | float = 0.0, decodes: Floats | float = 0.0, **more: Any
) -> StepSample:
    kv, sequences = more.get("kv", 0.0), more.get("sequences", 0.0)
    arrays = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (chunk, past, decodes, kv, sequences)))
    return StepSample(*(np.ascontiguousarray(a) for a in arrays))
