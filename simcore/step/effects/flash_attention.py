"""What FlashAttention-2 does to chunks on a long past, and to decodes of uneven lengths or beside a chunk.

Three effects that operator tables (whole prompts, equal lengths, one kind of work) do not hold. Their few numbers are
from per-layer vLLM 0.19 profiles, those of Qwen3-32B and Qwen3-30B-A3B on the RTX PRO 6000 first; no serving run
enters. They hold where vLLM uses FlashAttention-2: GPUs older than Hopper, and consumer Blackwell.

Over a paged KV the kernel gives each multiprocessor a tile of 64 query rows of one head, which walks its KV token by
token, and does so at one speed whether the rows are filled or not:

    token_s = layers (64 rows x 4 x head_dim / (flop/s of a multiprocessor) + 22.5 cycles)
    rounds(tiles) = 1 up to as many tiles as multiprocessors, then 0.98 ceil(tiles / multiprocessors)

- a chunk: + past x token_s x rounds(heads x ceil(chunk / 64)): a short chunk leaves most of the GPU idle;
- decodes beside a chunk: (KV + 200) x token_s x rounds(heads x sequences): one row of each tile is of use.

Against seven profiles (chunks of 64 to 2,048 tokens on a past of 512 to 4,096; 16 to 256 sequences of 128 to 4,096) the
median error of the chunk's part falls from 28 to 72 % to 1.5 to 2.6 % on the RTX PRO 6000 (six profiles, two of them
Llama-3.1-8B, which gave no number) and from 34 to 10 % on the RTX 4090, whose operators come from its data sheet; that
of decodes beside a chunk from 13 to 27 % to 3 to 8 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.step.times import Axis, Floats, StepTimes, Table

ARCHITECTURES = ("ampere", "ampere-ga102", "ada", "blackwell-gb202")
TILE_ROWS = 64
"""query rows of one tile of the kernel for paged KV"""
TILE_CYCLES = 22.5
"""of a tile and KV token beside its multiplications: medians of 54.5 cycles in all over the four Qwen3 profiles of the
RTX PRO 6000 (48 pairs of a chunk and a past, each median 52.8 to 55.8); the RTX 4090's one profile says 14"""
SHARED_RATIO = 0.98
"""of two and more tiles on one multiprocessor over their times alone: 48 further pairs, 0.95 to 1.01 by profile"""
TILE_TOKENS = 200.0
"""KV tokens' worth of a tile's start and end: 185 to 240 from 32 sequences on, both Qwen3 models and the RTX 4090"""
FIRST_SHARE = 0.6
"""of what the first reading of the KV from memory takes longer than its tiles, which the other tiles do not hide: 0.45
to 0.69 in 12 places of the two Qwen3 models (64 to 256 sequences of 512 and 1,024), the same in Llama-3.1-8B's"""
WHOLE_SHARE, BLOCKS_PER_SM = 0.8, 2.0
"""FlashAttention-2 splits the KV of decodes alone over multiprocessors unless sequences x KV heads fill this share of
the blocks they hold (its `num_splits_heuristic`, which is told two per multiprocessor)"""
PLACES = (0.08, 0.27, 0.5, 0.7)
WHOLE_TAIL = (0.22, 0.14, 0.07, 0.6)
"""alpha x blocks / multiprocessors of decodes alone, unsplit, by place of the mean KV between the shortest and the
longest: medians of the two Qwen3 models, tp 1 and 2, at 512 and 1,024 blocks"""
SPLIT_ALPHA = (0.01, 0.005, 0.003, 0.09)
"""alpha of decodes alone that are split: medians of 8 to 64 sequences of the same profiles"""
BESIDE_TAIL = 0.6
"""the first of these for decodes beside a chunk, at any place: 16 to 128 sequences, chunks with up to 1,024 tokens of
past, 0.3 to 0.85; 0.3 to 0.9 on the RTX 4090"""


@dataclass(frozen=True)
class Kernel:
    """What the kernel for paged KV depends on."""

    heads: float
    """query heads on one GPU"""
    queries_per_kv: float
    """query heads per KV head"""
    multiprocessors: float
    cached_tokens: float
    """tokens of one KV head, keys and values, that the L2 cache holds"""
    token_s: float
    """of one tile and KV token, all layers together"""

    def rounds(self, tiles: Floats) -> Floats:
        """How many tiles' times the fullest multiprocessor spends on `tiles`."""
        turns = np.ceil(tiles / self.multiprocessors)
        return np.where(turns > 1.0, SHARED_RATIO * turns, np.minimum(turns, 1.0))


def tile_token_s(head_dim: float, flop_per_s: float, multiprocessors: float, clock_hz: float) -> float:
    """Seconds of one tile and KV token of one layer; `flop_per_s` is the chip's dense 16-bit peak."""
    return TILE_ROWS * 4.0 * head_dim * multiprocessors / flop_per_s + TILE_CYCLES / clock_hz


def flash_attention_2(times: StepTimes, kernel: Kernel) -> StepTimes:
    """`times` of whole prompts, equal lengths and separate kernels with the three effects."""
    alone, chunks = times.decode_pure, times.prefill
    assert alone.y is not None and chunks.y is not None
    batch, tokens = alone.x.knots()[:, None], np.maximum(alone.y.knots(), 1.0)[None, :]
    return replace(
        times,
        prefill=Table(chunks.x, on_past_s(kernel, chunks), chunks.y),
        decode_mixed=Table(alone.x, beside_s(kernel, batch, tokens, alone.values), alone.y),
        uneven_pure=alpha_alone(kernel),
        uneven_mixed=alpha_beside(kernel),
    )


def on_past_s(kernel: Kernel, chunks: Table) -> Floats:
    """Seconds of chunks `[chunk, past]`: as they are without a past, and the walk of their tiles over it."""
    assert chunks.y is not None
    tiles = kernel.heads * np.ceil(chunks.x.knots() / TILE_ROWS)
    walk_s = kernel.token_s * kernel.rounds(tiles)[:, None] * chunks.y.knots()[None, :]
    return np.asarray(chunks.values[:, :1] + walk_s)


def beside_s(kernel: Kernel, batch: Floats, tokens: Floats, alone_s: Floats) -> Floats:
    """Seconds of decodes beside a chunk `[sequences, KV tokens]`.

    The kernel serves every query head by itself, head after head over all sequences, so that the query heads of a KV
    head read it again: from the L2 cache where one KV head of all sequences fits it; what does not fit is read from
    memory by each wave of heads, h = multiprocessors / sequences (1 to q) of which run at once,

        first  = tiles + 0.6 max(0, alone - tiles h / q)
        beside = first + max(0, alone q / h - first) max(0, 1 - cache / (sequences x tokens))

    Wrong where the chunk leaves multiprocessors idle that few decodes would fill.
    """
    some = np.maximum(batch, 1.0)
    tiles_s = kernel.token_s * kernel.rounds(kernel.heads * batch) * (tokens + TILE_TOKENS)
    heads = np.clip(np.floor(kernel.multiprocessors / some), 1.0, kernel.queries_per_kv)
    beyond = np.maximum(0.0, 1.0 - kernel.cached_tokens / (some * tokens))
    waves = kernel.queries_per_kv / heads
    first_s = tiles_s + FIRST_SHARE * np.maximum(0.0, alone_s - tiles_s / waves)
    return np.asarray(np.where(batch > 0, first_s + np.maximum(0.0, alone_s * waves - first_s) * beyond, 0.0))


def whole_batch(multiprocessors: float, kv_heads: float) -> float:
    """Decodes from which FlashAttention-2 reads each sequence by one block per KV head.

    >>> whole_batch(188.0, 8.0)
    38.0
    """
    return float(np.ceil(WHOLE_SHARE * BLOCKS_PER_SM * multiprocessors / kv_heads))


def alpha_alone(kernel: Kernel) -> Table:
    """alpha of decodes alone: t = t(mean KV) + alpha (t(longest) - t(mean)), `[sequences, place of the mean]`.

    Blocks that read a sequence whole leave the last ones running alone for a part of the longest's time. That part is
    a share of one block's time, so alpha goes as multiprocessors / blocks. A list of blocks served in order (head after
    head over all sequences) by processors that share the memory's bandwidth gives the measured values, one by one.
    """
    batch, place = Axis(1024.0, linear_count=32), Axis(1.0, unit=1 / 16, linear_count=16)
    some, kv_heads = np.maximum(batch.knots(), 1.0), kernel.heads / kernel.queries_per_kv
    whole = np.interp(place.knots(), PLACES, WHOLE_TAIL) * kernel.multiprocessors / (kv_heads * some)[:, None]
    split = np.interp(place.knots(), PLACES, SPLIT_ALPHA)[None, :]
    first = whole_batch(kernel.multiprocessors, kv_heads)
    return Table(batch, np.where(some[:, None] >= first, np.minimum(whole, 1.0), split), place)


def alpha_beside(kernel: Kernel) -> Table:
    """alpha of decodes beside a chunk, which are never split; the same at every place."""
    batch, place = Axis(1024.0, linear_count=32), Axis(1.0)
    tail = BESIDE_TAIL * kernel.multiprocessors / (kernel.heads * np.maximum(batch.knots(), 1.0))
    return Table(batch, np.repeat(np.minimum(tail, 1.0)[:, None], place.size, axis=1), place)
