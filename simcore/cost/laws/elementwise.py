"""Memory-bound work on one array: normalisation, gated activation, residual sum.

    time = floor + bytes / (bandwidth x ratio of the kind), cheaper per byte while the arrays stay in the cache

`kind` is rms_norm, silu_mul or add; `elements` counts the elements of the result. Wrong where kernels are fused.
"""

from __future__ import annotations

import numpy as np

from simcore.cost.laws._base import Array, Law, Setting, Shapes

KINDS = ("rms_norm", "silu_mul", "add")
READS = (1.0, 2.0, 2.0)
PARAMETERS = {
    **{f"{kind}_floor_s": 3e-6 for kind in KINDS},
    **{f"{kind}_ratio": 0.5 for kind in KINDS},
    "cached_ratio": 2.0,
}


def work(shapes: Shapes, setting: Setting) -> dict[str, Array]:
    kind, elements = shapes["kind"].astype(int), shapes["elements"]
    moved = elements * (np.array(READS)[kind] + 1.0) * setting.format.activation_bytes
    return {"kind": shapes["kind"], "elements": elements, "bytes": moved, "flop": elements}


def time_s(sizes: dict[str, Array], setting: Setting, p: Array) -> Array:
    kind = sizes["kind"].astype(int)
    rate = setting.chip.memory_bytes_per_s * p[3:6][kind]
    near = np.minimum(sizes["bytes"], setting.chip.l2_bytes)
    far = np.maximum(sizes["bytes"] - setting.chip.l2_bytes, 0.0)
    return np.asarray(p[0:3][kind] + near / (rate * max(p[6], 1.0)) + far / rate)


def features(sizes: dict[str, Array], setting: Setting) -> list[Array]:
    return [np.log2(sizes["elements"]), sizes["kind"]]


LAW = Law(
    "elementwise",
    ("kind", "elements"),
    {},
    tuple(PARAMETERS),
    tuple(PARAMETERS.values()),
    work,
    time_s,
    features,
    {"kind": KINDS},
)
