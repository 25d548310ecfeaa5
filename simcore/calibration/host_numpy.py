"""A small transformer in numpy, for the closed loop on a processor."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.calibration import host_ops
from simcore.calibration.host import Case, Shape
from simcore.calibration.profile import clocked, one_thread

SHAPE = Shape(layers=6, hidden=768, inter=2048, heads=12, kv_heads=4, width=64)
CASES = tuple(
    [Case("prefill", b, t) for b, t in ((1, 16), (1, 48), (1, 128), (1, 300), (2, 96), (2, 200), (4, 64), (1, 440))]
    + [
        Case("decode", b, t)
        for b, t in ((1, 64), (1, 500), (2, 256), (4, 128), (8, 400), (16, 96), (24, 300), (6, 900))
    ]
)
SMALL_CASES = (Case("prefill", 1, 32), Case("decode", 2, 64))


class Transformer:
    """Weights and a step of the model, in numpy."""

    number = "fp32"

    def __init__(self, shape: Shape = SHAPE, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.shape = shape
        qkv = (shape.heads + 2 * shape.kv_heads) * shape.width

        def weight(rows: int, columns: int) -> host_ops.Floats:
            return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(rows**-0.5)

        self.layers = [
            {
                "qkv": weight(shape.hidden, qkv),
                "out": weight(shape.heads * shape.width, shape.hidden),
                "gate_up": weight(shape.hidden, 2 * shape.inter),
                "down": weight(shape.inter, shape.hidden),
                "norm": np.ones(shape.hidden, np.float32),
            }
            for _ in range(shape.layers)
        ]
        self.rng = rng

    def prepare(self, case: Case) -> tuple[host_ops.Floats, list[Any]]:
        """(input rows, a KV cache per layer for decode)."""
        s, rows = self.shape, case.batch * (case.tokens if case.phase == "prefill" else 1)
        x = self.rng.standard_normal((rows, s.hidden), dtype=np.float32)
        cache = (case.batch, s.kv_heads, case.tokens, s.width)
        caches = [self.rng.standard_normal((2, *cache), dtype=np.float32) for _ in self.layers]
        return x, caches if case.phase == "decode" else [None] * s.layers

    def measure(self, case: Case, seconds: float) -> float:
        """Median seconds of a step on one thread."""
        x, caches = self.prepare(case)
        with one_thread():
            return clocked(lambda _: self.step(case, x, caches), seconds)

    def step(self, case: Case, x: host_ops.Floats, caches: list[Any]) -> host_ops.Floats:
        """One pass over all layers."""
        for weights, cache in zip(self.layers, caches, strict=True):
            normal = host_ops.rms_norm(x, weights["norm"])
            mixed = self._attend(case, host_ops.gemm(normal, weights["qkv"]), cache)
            x = host_ops.add(x, host_ops.gemm(mixed, weights["out"]))
            both = host_ops.gemm(host_ops.rms_norm(x, weights["norm"]), weights["gate_up"])
            hidden = host_ops.silu_mul(both[:, : self.shape.inter], both[:, self.shape.inter :])
            x = host_ops.add(x, host_ops.gemm(hidden, weights["down"]))
        return x

    def _attend(self, case: Case, qkv: host_ops.Floats, cache: Any) -> host_ops.Floats:
        s = self.shape
        group, tokens = s.heads // s.kv_heads, case.tokens if case.phase == "prefill" else 1
        split = qkv.reshape(case.batch, tokens, s.heads + 2 * s.kv_heads, s.width)
        if case.phase == "decode":
            q = split[:, 0, : s.heads].reshape(case.batch, s.kv_heads, group, s.width)
            return host_ops.attention_decode(q, cache[0], cache[1]).reshape(case.batch, -1)
        q = split[:, :, : s.heads].reshape(case.batch, tokens, s.kv_heads, group, s.width).transpose(0, 2, 3, 1, 4)
        k = split[:, :, s.heads : s.heads + s.kv_heads].transpose(0, 2, 1, 3)[:, :, None]
        v = split[:, :, s.heads + s.kv_heads :].transpose(0, 2, 1, 3)[:, :, None]
        mixed = host_ops.attention_prefill(q, k, v).transpose(0, 3, 1, 2, 4)
        return mixed.reshape(case.batch * tokens, s.heads * s.width)
