"""All-reduce by the serving stack's own kernel over peer memory, in a captured graph or launched by the host.

The fastest of one shot (every rank reads all others: (n-1) x bytes), two shots (reduce-scatter, all-gather:
2 (n-1)/n x bytes), and the library beyond the size where the stack leaves its own kernel, each after a start. Outside a
graph the host's launch is a floor, and the input is copied into a buffer that the peers can read. Source: vLLM and
TensorRT-LLM documentation of their custom all-reduce. One rank costs nothing. Wrong across nodes, and where a stack
hands over to the library later or earlier than speed would ask for.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes

PARAMETERS = {
    "start_s": 2.5e-6,
    "rank_growth": 0.2,
    "one_shot_ratio": 0.5,
    "two_shot_s": 3e-6,
    "two_shot_ratio": 0.7,
    "library_s": 2.5e-5,
    "library_ratio": 0.75,
    "library_growth": 1.05,
    "host_s": 2.5e-5,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    none = np.zeros_like(shapes["ranks"])
    sizes = {"ranks": shapes["ranks"], "x": shapes["message_bytes"], "eager": shapes["eager"]}
    return {**sizes, "flop": none, "bytes": none}


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    start_s, growth, one, two_s, two, library_s, library, rise, host_s = p
    ranks, x, link = sizes["ranks"], sizes["x"], setting.chip.link_bytes_per_s
    depth = np.log2(np.maximum(ranks, 2.0))
    wire = 2.0 * (ranks - 1.0) / ranks * x / link
    begin_s = start_s * depth**growth
    one_s = begin_s + (ranks - 1.0) * x / (link * min(one, 1.0))
    shots_s = begin_s + two_s * depth**growth + wire / min(two, 1.0)
    far_s = begin_s + library_s + wire / (library * rise ** (depth - 1.0))
    graph_s = np.minimum(np.minimum(one_s, shots_s), far_s)
    copied_s = graph_s + 2.0 * x / setting.chip.memory_bytes_per_s
    eager_s = np.maximum(host_s, copied_s)
    return np.where(ranks > 1, np.where(sizes["eager"] > 0, eager_s, graph_s), 0.0)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    x = np.maximum(sizes["x"], 1.0)
    return [np.log2(x), sizes["ranks"], sizes["eager"], np.log2(x / sizes["ranks"])]


LAW = Law(
    "allreduce_custom",
    ("message_bytes", "ranks"),
    {"eager": 0.0},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
)
