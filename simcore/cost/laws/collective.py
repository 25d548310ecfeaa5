"""Collectives of one node: all_reduce, all_gather, reduce_scatter, alltoall over `ranks` chips.

    time = a + bytes x steps / bandwidth + c x sqrt(x) / sqrt(1 + x / x0) + step at the protocol switch

a grows with ranks as a power of log2(ranks); steps is 2 (n-1)/n for all_reduce and (n-1)/n for the others, with
`message_bytes` the whole vector. The square root between both ends is the pipeline filling; small messages travel in a
protocol that carries flags with the data at part of the bandwidth and switches off near `switch_bytes`. Source: Thakur
et al. (2005) for the alpha-beta forms, NCCL documentation for the protocols. One rank costs nothing. Wrong across
nodes, and on PCIe hosts whose ranks share bridges (their bandwidth per rank is fitted, not derived).
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes

OPS = ("all_reduce", "all_gather", "reduce_scatter", "alltoall")
PARAMETERS = {
    **{f"{op}_start_s": 8e-6 for op in OPS},
    **{f"{op}_start_growth": 0.8 for op in OPS},
    **{f"{op}_ratio": 0.7 for op in OPS},
    **{f"{op}_ratio_growth": 1.0 for op in OPS},
    **{f"{op}_fill_ratio": 1.0 for op in OPS},
    "fill_bytes": 8e6,
    "fill_growth": 1.0,
    "switch_bytes": 3e5,
    "switch_ratio": 1.05,
    "middle_ratio": 1.0,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    ranks, op = shapes["ranks"], shapes["op"].astype(int)
    steps = np.where(op == 0, 2.0, 1.0) * (ranks - 1.0) / ranks
    moved = shapes["message_bytes"] * steps
    none = np.zeros_like(moved)
    return {
        "ranks": ranks,
        "op": op.astype(float),
        "x": shapes["message_bytes"],
        "wire": moved,
        "flop": none,
        "bytes": none,
    }


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    op = sizes["op"].astype(int)
    start_s, start_growth, ratio, ratio_growth, fill = (p[4 * i : 4 * i + 4][op] for i in range(5))
    fill_bytes, fill_growth, switch_bytes, switch, middle = p[20:]
    depth = np.log2(np.maximum(sizes["ranks"], 2.0))
    link = setting.chip.link_bytes_per_s
    near = np.where(depth == 2.0, middle, 1.0)
    wire_s = sizes["wire"] / (link * np.minimum(ratio * ratio_growth ** (depth - 1.0) * near, 1.0))
    x = sizes["wire"]
    reference_s = fill_bytes / link
    fill_s = fill * reference_s * fill_growth ** (depth - 1.0) * np.sqrt(x / fill_bytes) / np.sqrt(1.0 + x / fill_bytes)
    begin_s = start_s * depth**start_growth
    switched = 1.0 / (1.0 + (switch_bytes / np.maximum(x, 1.0)) ** 4)
    total = begin_s * (1.0 + (switch - 1.0) * switched) + wire_s + 0.1 * fill_s
    return np.where(sizes["ranks"] > 1, np.maximum(total, x / link), 0.0)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    return [np.log2(np.maximum(sizes["x"], 1.0)), sizes["ranks"], sizes["op"], sizes["wire"]]


LAW = Law(
    "collective",
    ("op", "message_bytes", "ranks"),
    {},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"op": OPS},
)
