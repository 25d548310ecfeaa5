"""Step times from per-layer vLLM profiles (the LLMServingSim form): dense, attention, per-sequence, MoE, uneven KV.

A folder `.../tpN` holds CSV files with microseconds of ONE layer (embedding, last norm and head: once per step):

- `dense.csv` layer, tokens; `per_sequence.csv` layer (lm_head, sampler), sequences;
- `attention.csv` prefill_chunk, kv_prefill, n_decode, kv_decode: one attention call for a chunk and equal decodes;
- `skew.csv` the same with uneven KV lengths; `moe.csv` tokens, activated_experts.

Attention of a mixed step is taken as the chunk's own time plus a decode time measured *in company of chunks*: one call
for both kinds runs decodes by the prefill kernel, up to 2.4 times slower than alone on the profiled GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration.importers._base import numbers, read, require
from simcore.engine.ranks import SharedSteps
from simcore.errors import InputError
from simcore.step.times import ZERO, Axis, Floats, StepTimes, Table, padded

US = 1e-6
ONCE = ("embedding", "final_layernorm")
"""dense rows that occur once per step, not once per layer"""
REPEATS = {"layernorm": 2}
"""dense rows that occur more than once per layer: before attention and before the MLP"""


@dataclass(frozen=True)
class Shape:
    """What the profile does not say about the model and the engine."""

    layers: int
    experts: int = 0
    experts_per_token: int = 0
    expert_ranks: int = 1
    """ranks over which the experts are spread, whole or sliced, beyond those of the profile of experts"""
    graph_sizes: tuple[int, ...] = ()
    """batch sizes with a captured graph, ascending: a step of fewer tokens is padded to the next"""
    whole_batch: float = 0.0
    """decodes from which the attention kernel reads each sequence whole; fewer are split (`cost.flash_attention`); 0:
    always"""


def shared_layer_steps(folder: Path, shape: Shape, exchange_s: Any, **reduces: Any) -> SharedSteps:
    """Steps of data-parallel ranks that share the experts of every layer.

    `exchange_s(tokens) -> seconds` takes the tokens of all ranks to the experts of one layer and back. `reduces`: the
    `all_reduce_s` and `gather_s` of `layer_step_times` inside each rank.
    """
    own = layer_step_times(folder, replace(shape, experts=0), **reduces)
    tokens = Axis(own.dense_pure.x.highest * 8, linear_count=64)
    moved = np.maximum(tokens.knots(), 1.0)
    shared_s = shape.layers * (_moe_us(_experts(folder), shape, moved) * US + exchange_s(moved))
    shared = replace(own, dense_pure=Table(tokens, shared_s), dense_mixed=Table(tokens, shared_s), communication=ZERO)
    return SharedSteps(own, shared, max(shape.graph_sizes, default=0))


def layer_step_times(folder: Path, shape: Shape, all_reduce_s: Any = None, gather_s: Any = None) -> StepTimes:
    """Step times of a model from the profile in `folder`.

    With tensor parallelism `all_reduce_s(tokens) -> seconds` of one all-reduce adds two of them per layer and one for
    the embedding, `gather_s(sequences) -> seconds` the gathering of logits. Raises InputError if a file is missing.
    """
    dense, attention = _read(folder, "dense.csv"), _read(folder, "attention.csv")
    tokens = Axis(float(dense.tokens.max()) * 8, linear_count=64)
    knots = tokens.knots()
    at = padded(knots, shape.graph_sizes)
    by_tokens = _dense_s(dense, shape, at)
    if shape.experts:
        by_tokens += shape.layers * US * _moe_us(_experts(folder), shape, at)
    prefill, pure, mixed = _attention(attention, shape.layers)
    uneven_pure, uneven_mixed = _uneven(folder, shape.whole_batch)
    communication = ZERO if all_reduce_s is None else Table(tokens, (2 * shape.layers + 1) * all_reduce_s(knots))
    return StepTimes(
        dense_pure=Table(tokens, by_tokens),
        dense_mixed=Table(tokens, by_tokens),
        prefill=prefill,
        decode_pure=pure,
        decode_mixed=mixed,
        head=_head(folder, gather_s),
        communication=communication,
        uneven_pure=uneven_pure,
        uneven_mixed=uneven_mixed,
        source=f"layer profile {'/'.join(folder.parts[-5:])}",
    )


CUSTOM_FLOOR_S, CUSTOM_RATIO, CUSTOM_LIMIT_BYTES = 4.2e-6, 0.65, 8e6
"""of vLLM's own all-reduce of two GPUs over PCIe in a captured graph: floor, share of the link's bandwidth, size from
which NCCL takes over; 19 sizes on RTX PRO 6000, within 12 % from 64 kB to 4 MB"""
NCCL_FLOOR_S, NCCL_RATIO = 6.3e-6, 0.6
"""of NCCL over PCIe: floor and asymptote of the 2-GPU all-reduce tables of L40S and RTX PRO 6000, 16 sizes each, whose
middle sizes (0.1 to 1 MB) lie up to a third above this line"""
GATHER_RATIO = 0.5
"""of NCCL's all-gather of two RTX PRO 6000 over PCIe, 17 sizes"""


def all_reduce_over(link_bytes_per_s: float, tp: int, hidden_size: int, dtype_bytes: float = 2.0) -> Any:
    """`tokens -> seconds` of one all-reduce of the hidden states over a link of this one-way bandwidth, in vLLM.

    Two GPUs use vLLM's own kernel up to 8 MB, more GPUs without NVLink a ring of NCCL.
    """

    def seconds(tokens: Floats) -> Floats:
        message_bytes = tokens * hidden_size * dtype_bytes
        moved_bytes = 2.0 * (tp - 1) / tp * message_bytes
        ring_s = NCCL_FLOOR_S * (tp - 1) + moved_bytes / (NCCL_RATIO * link_bytes_per_s)
        own_s = CUSTOM_FLOOR_S + moved_bytes / (CUSTOM_RATIO * link_bytes_per_s)
        return np.where((tp == 2) & (message_bytes < CUSTOM_LIMIT_BYTES), own_s, ring_s)

    return seconds


def gather_over(link_bytes_per_s: float, tp: int, vocab_size: int, dtype_bytes: float = 2.0) -> Any:
    """`sequences -> seconds` of the all-gather of logits, of which every rank computes `vocab_size / tp`."""

    def seconds(sequences: Floats) -> Floats:
        moved_bytes = (tp - 1) / tp * sequences * vocab_size * dtype_bytes
        return np.where(sequences > 0, NCCL_FLOOR_S * (tp - 1) + moved_bytes / (GATHER_RATIO * link_bytes_per_s), 0.0)

    return seconds


def exchange_over(link_bytes_per_s: float, dp: int, hidden_size: int, dtype_bytes: float = 2.0) -> Any:
    """`tokens -> seconds` of taking the tokens of all dp ranks to the experts of one layer and back.

    vLLM's default exchange: every rank gathers the hidden states of all (`tokens` in all), computes its experts or its
    slices of them, and the sums are scattered; the way back is as long as the way there.
    """
    there_s = gather_over(link_bytes_per_s, dp, hidden_size, dtype_bytes)
    return lambda tokens: 2.0 * there_s(tokens)


COLUMNS = {
    "dense.csv": (("layer",), (), ("tokens", "time_us")),
    "per_sequence.csv": (("layer",), (), ("sequences", "time_us")),
    "attention.csv": ((), ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode"), ("time_us",)),
    "moe.csv": ((), (), ("tokens", "activated_experts", "time_us")),
    "skew.csv": (("regime", "alpha"), ("nb",), ("n",)),
}
"""by file: columns of any kind, numbers from 0, numbers above 0"""


def _read(folder: Path, name: str) -> Any:
    """A file of the profile. Raises InputError for a missing one, for a missing column and, with its line, for a time
    or a count that is none."""
    file = folder / name
    if not file.is_file():
        raise InputError("is not there", file=str(file), fix="a layer profile holds dense, attention and per_sequence")
    frame = read(file)
    words, counts, above = COLUMNS[name]
    require(frame, (*words, *counts, *above), file)
    numbers(frame, counts, above, file)
    return frame


def _dense_s(dense: Any, shape: Shape, tokens: Floats) -> Floats:
    """Seconds of all dense work but experts by tokens; continued beyond the profile with its last slope."""
    total = np.zeros_like(tokens)
    for layer, rows in dense.groupby("layer"):
        times = 1 if layer in ONCE else shape.layers * REPEATS.get(layer, 1)
        total += times * along(tokens, rows.tokens, rows.time_us)
    return total * US


def _experts(folder: Path) -> Any:
    """The expert profile of this degree, or of `tp1`: its rows are then read at the experts that one rank holds."""
    own = folder if (folder / "moe.csv").is_file() else folder.parent / "tp1"
    return _read(own, "moe.csv")


def _moe_us(moe: Any, shape: Shape, tokens: Floats) -> Floats:
    """Expert time of `tokens` in all at the number of experts that they activate: E (1 - (1 - k/E)**tokens) / ranks.

    Of experts split over ranks, whole (ep) or sliced (tp), each rank streams 1/ranks of the weights and computes
    1/ranks of the work; the profile of one rank is read at that share of both. Wrong where a skewed router loads one
    rank more.
    """
    active = shape.experts * (1.0 - (1.0 - shape.experts_per_token / shape.experts) ** tokens) / shape.expert_ranks
    work = tokens / shape.expert_ranks
    counts = np.array(sorted(moe.activated_experts.unique()), dtype=float)
    columns = []
    for count in counts:
        rows = moe[moe.activated_experts == count]
        columns.append(along(work, rows.tokens, rows.time_us))
    grid = np.stack(columns, axis=1)
    return np.array([np.interp(a, counts, row) for a, row in zip(active, grid, strict=True)])


def _head(folder: Path, gather_s: Any) -> Table:
    rows = _read(folder, "per_sequence.csv")
    axis = Axis(float(rows.sequences.max()) * 4, linear_count=32)
    total = np.zeros(axis.size)
    for _, group in rows.groupby("layer"):
        total += along(axis.knots(), group.sequences, group.time_us)
    total[0] = 0.0
    return Table(axis, total * US + (gather_s(axis.knots()) if gather_s else 0.0))


def _attention(rows: Any, layers: int) -> tuple[Table, Table, Table]:
    """(prefill, decode alone, decode in company of chunks) for all layers."""
    chunk, past = Axis(8192, linear_count=16), Axis(65_536, linear_count=8)
    batch, kv = Axis(1024, linear_count=32), Axis(65_536, linear_count=8)
    alone = rows[rows.n_decode == 0]
    prefill = _grid(alone, ("prefill_chunk", "kv_prefill"), chunk, past)
    pure = _grid(rows[rows.prefill_chunk == 0], ("n_decode", "kv_decode"), batch, kv)
    both = rows[(rows.prefill_chunk > 0) & (rows.n_decode > 0)].merge(
        alone[["prefill_chunk", "kv_prefill", "time_us"]], on=["prefill_chunk", "kv_prefill"], suffixes=("", "_alone")
    )
    both = both.assign(time_us=both.time_us - both.time_us_alone)
    company = both.groupby(["n_decode", "kv_decode"], as_index=False).time_us.median()
    mixed = np.maximum(_grid(company, ("n_decode", "kv_decode"), batch, kv), 0.0)
    scale = layers * US
    return Table(chunk, prefill * scale, past), Table(batch, pure * scale, kv), Table(batch, mixed * scale, kv)


def _grid(rows: Any, keys: tuple[str, str], x: Axis, y: Axis) -> Floats:
    """Times on the lattice: along the second key within each profiled value of the first, then between those."""
    values, profiles = [], []
    if not len(rows):
        raise InputError(f"the profile has no rows of {keys[0]} alone", key=keys[0], fix="profile prefill and decode")
    for value, group in rows.groupby(keys[0]):
        values.append(float(value))
        profiles.append(along(y.knots(), group[keys[1]], group.time_us))
    stacked = np.array(profiles)
    at = x.knots()
    grid = np.stack([along(at, np.array(values), column) for column in stacked.T], axis=1)
    grid[at == 0] = 0.0
    return grid


def along(at: Floats, x: Any, y: Any) -> Floats:
    """Linear interpolation of (x, y), constant below the first point, continued with the last octave's slope above."""
    order = np.argsort(np.asarray(x))
    px, py = np.asarray(x, dtype=float)[order], np.asarray(y, dtype=float)[order]
    inside = np.interp(at, px, py)
    if len(px) < 2:
        return np.asarray(inside)
    low = min(int(np.searchsorted(px, px[-1] / 2)), len(px) - 2)
    slope = max(0.0, (py[-1] - py[low]) / (px[-1] - px[low]))
    return np.asarray(np.where(at > px[-1], py[-1] + slope * (at - px[-1]), inside))


def _uneven(folder: Path, whole_batch: float) -> tuple[Table, Table]:
    """alpha of decodes alone and beside a chunk, by batch and place of the mean KV (`uneven_pure` of `StepTimes`).

    The profile runs `n` decodes of which `nb` have the KV `kv_big` and the others a shorter one, and compares the time
    with those of equal lengths at the mean and at `kv_big`: alpha = (t_skew - t_mean) / (t_max - t_mean). The mean
    lies at nb/n between the shortest and the longest, which is how a batch of any lengths is looked up. Medians over
    lengths and chunks; lengths of a real batch are spread more evenly than two values.

    Blocks that read a sequence whole leave the last ones running alone for a part of the longest's time: t - t(mean) is
    a share of one block's time, so alpha n is what is interpolated between profiled batches, and not across
    `whole_batch`. Decodes beside a chunk are never split.
    """
    if not (folder / "skew.csv").is_file():
        return ZERO, ZERO
    rows = _read(folder, "skew.csv")
    return _alpha(rows[rows.regime == "pure"], whole_batch), _alpha(rows[rows.regime == "mixed"])


def _alpha(rows: Any, whole_batch: float = 0.0) -> Table:
    """Medians on the lattice, alpha n linear between batches; constant beyond the first and the last profiled one."""
    if not len(rows):
        return ZERO
    batch, place = Axis(1024, linear_count=32), Axis(1.0, unit=1 / 32, linear_count=32)
    profiles, counts = [], []
    for count, group in rows.groupby("n"):
        medians = group.groupby(group.nb / group.n).alpha.median().clip(lower=0.0)
        profiles.append(count * np.interp(place.knots(), medians.index, medians))
        counts.append(float(count))
    values, known, at = np.array(profiles), np.array(counts), np.clip(batch.knots(), min(counts), max(counts))
    grid = np.zeros((len(at), place.size))
    for lattice, profiled in ((at < whole_batch, known < whole_batch), (at >= whole_batch, known >= whole_batch)):
        used = profiled if profiled.any() else ~profiled
        parts = [np.interp(at[lattice], known[used], column) for column in values[used].T]
        grid[lattice] = np.stack(parts, axis=1) / at[lattice][:, None]
    return Table(batch, grid, place)
