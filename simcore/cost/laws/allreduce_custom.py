"""All-reduce by the serving stack's own kernel over peer memory, inside a captured graph.

The faster of one shot (every rank reads all others: (n-1) x bytes) and two shots (reduce-scatter, all-gather:
2 (n-1)/n x bytes), each after a start that grows with ranks. Source: vLLM and TensorRT-LLM documentation of their
custom all-reduce. One rank costs nothing. Wrong across nodes.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes

PARAMETERS = {
    "one_shot_s": 2.5e-6,
    "two_shot_s": 4e-6,
    "rank_growth": 0.2,
    "one_shot_ratio": 0.5,
    "two_shot_ratio": 0.7,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    none = np.zeros_like(shapes["ranks"])
    return {"ranks": shapes["ranks"], "x": shapes["message_bytes"], "flop": none, "bytes": none}


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    one_s, two_s, growth, one, two = p
    ranks, x, link = sizes["ranks"], sizes["x"], setting.chip.link_bytes_per_s
    wait = np.log2(np.maximum(ranks, 2.0)) ** growth
    first_s = one_s * wait + (ranks - 1.0) * x / (link * min(one, 1.0))
    second_s = (one_s + two_s) * wait + 2.0 * (ranks - 1.0) / ranks * x / (link * min(two, 1.0))
    return np.where(ranks > 1, np.minimum(first_s, second_s), 0.0)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    return [np.log2(np.maximum(sizes["x"], 1.0)), sizes["ranks"]]


LAW = Law(
    "allreduce_custom",
    ("message_bytes", "ranks"),
    {},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {},
)
