"""Collectives of one node: all_reduce, all_gather, reduce_scatter, alltoall over `ranks` chips.

    time = start + bytes x steps / bandwidth + filling + jumps where the protocol changes

start grows with ranks as a power of log2(ranks); steps is 2 (n-1)/n for all_reduce and (n-1)/n for the others, with
`message_bytes` the whole vector. Filling is c sqrt(x) / sqrt(1 + x / x0): the pipeline before it runs at full rate.
Small messages travel in protocols that carry flags with the data; at each switch the new protocol begins with a
longer start. The large switch goes by the share of one rank. Reducing one-byte elements takes longer per byte than
two-byte ones, twice the additions for the same wire: reduce_share / sqrt(ranks) of the wire time. Sources: Thakur et
al. (2005) for the alpha-beta forms, NCCL documentation for the protocols. One rank costs nothing. Wrong across nodes,
and on PCIe hosts whose ranks share bridges (their bandwidth per rank is fitted, not derived).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes

OPS = ("all_reduce", "all_gather", "reduce_scatter", "alltoall")
PARAMETERS = {
    **{f"{op}_start_s": 8e-6 for op in OPS},
    **{f"{op}_start_growth": 0.8 for op in OPS},
    "four_start_ratio": 1.0,
    **{f"{op}_ratio": 0.7 for op in OPS},
    "ring_ratio_growth": 1.0,
    "alltoall_ratio_growth": 1.0,
    "four_ratio": 1.0,
    "ring_fill": 0.1,
    "alltoall_fill": 0.1,
    "fill_bytes": 8e6,
    "large_jump_s": 4e-6,
    "large_jump_growth": 0.5,
    "large_share_bytes": 2e6,
    "alltoall_jump_s": 3e-6,
    "alltoall_jump_bytes": 1e5,
    "small_jump_s": 5e-7,
    "small_jump_bytes": 3e4,
    "all_reduce_ratio_growth": 1.0,
    "all_reduce_jump_ratio": 1.2,
    "alltoall_four_ratio": 1.0,
    "all_reduce_four_ratio": 1.0,
    "reduce_share": 0.05,
}
SHARPNESS = 4.0


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    ranks, op = shapes["ranks"], shapes["op"].astype(int)
    steps = np.where(op == 0, 2.0, 1.0) * (ranks - 1.0) / ranks
    none = np.zeros_like(ranks)
    wire = shapes["message_bytes"] * steps
    extra = np.where((op == 0) | (op == 2), np.maximum(2.0 / shapes["element_bytes"] - 1.0, 0.0), 0.0)
    sizes = {"ranks": ranks, "op": shapes["op"], "x": shapes["message_bytes"], "wire": wire, "extra": extra}
    return {**sizes, "flop": none, "bytes": none}


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    op, x, ranks = sizes["op"].astype(int), np.maximum(sizes["x"], 1.0), sizes["ranks"]
    direct = op == 3
    depth = np.log2(np.maximum(ranks, 2.0))
    link = setting.chip.link_bytes_per_s
    four = depth == 2.0
    start_s = p[0:4][op] * depth ** p[4:8][op] * np.where(four, p[8], 1.0)
    growth = np.array([p[26], p[13], p[13], p[14]])[op] ** (depth - 1.0)
    middle = np.where(four, np.array([p[29], p[15], p[15], p[28]])[op], 1.0)
    wire_s = sizes["wire"] / (link * np.minimum(p[9:13][op] * growth * middle, 1.0))
    ring_fill, direct_fill, fill_bytes, jump_s, jump_growth, share, direct_jump_s, direct_at, small_s, small_at = p[
        16:26
    ]
    fill_s = np.where(direct, direct_fill, ring_fill) * np.sqrt(x * fill_bytes / (1.0 + x / fill_bytes)) / link
    large_s = jump_s * np.where(op == 0, p[27], 1.0) * depth**jump_growth * _switched(x / ranks, share)
    jumps_s = np.where(direct, direct_jump_s * _switched(x, direct_at), large_s + small_s * _switched(x, small_at))
    add_s = sizes["extra"] * p[30] / np.sqrt(ranks) * sizes["wire"] / link
    return np.where(ranks > 1, np.maximum(start_s + wire_s + fill_s + jumps_s + add_s, sizes["wire"] / link), 0.0)


def _switched(size: Array, at: float) -> Array:
    """0 far below `at`, 1 far above."""
    return np.asarray(1.0 / (1.0 + (at / size) ** SHARPNESS))


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    x = np.maximum(sizes["x"], 1.0)
    return [np.log2(x), sizes["ranks"], sizes["op"], np.log2(x / sizes["ranks"])]


LAW = Law(
    "collective",
    ("op", "message_bytes", "ranks"),
    {"element_bytes": 2.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"op": OPS},
)
