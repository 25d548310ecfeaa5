"""A Llama-shaped transformer in torch, bf16, for the closed loop on a GPU: a step is one captured graph."""

from __future__ import annotations

from typing import Any

from simcore.calibration import gpu_clock
from simcore.calibration.gpu_clock import tensor
from simcore.calibration.host import Case, Shape
from simcore.calibration.profile_gpu import kernels, sdpa

SHAPE = Shape(layers=8, hidden=4096, inter=14336, heads=32, kv_heads=8, width=128)
"""eight layers of Llama-3.1-8B"""
PREFILLS = ((1, 128), (1, 512), (1, 1024), (1, 2048), (1, 4096), (4, 512), (8, 256), (16, 64))
DECODES = ((1, 512), (4, 2048), (8, 512), (16, 4096), (32, 1024), (64, 2048), (128, 1024), (256, 512))
CASES = (*(Case("prefill", b, t) for b, t in PREFILLS), *(Case("decode", b, t) for b, t in DECODES))
SMALL_CASES = (Case("prefill", 1, 128), Case("decode", 8, 512))


class Transformer:
    """Weights and a step of the model, in torch."""

    number = "bf16"

    def __init__(self, shape: Shape = SHAPE) -> None:
        s = self.shape = shape
        qkv = (s.heads + 2 * s.kv_heads) * s.width
        sizes = {
            "qkv": (qkv, s.hidden),
            "out": (s.hidden, s.heads * s.width),
            "gate_up": (2 * s.inter, s.hidden),
            "down": (s.hidden, s.inter),
        }
        self.layers = [
            {name: tensor(*size) * size[1] ** -0.5 for name, size in sizes.items()} | {"norm": tensor(s.hidden)}
            for _ in range(s.layers)
        ]

    def measure(self, case: Case, seconds: float) -> float:
        """Median device seconds of a step."""
        s, tokens = self.shape, case.tokens if case.phase == "prefill" else 1
        x = tensor(case.batch * tokens, s.hidden)
        cached = (2, case.batch, s.kv_heads, case.tokens, s.width)
        caches = [tensor(*cached) if case.phase == "decode" else None for _ in self.layers]
        return gpu_clock.graphed_s(lambda _: self.step(case, x, caches))

    def step(self, case: Case, x: Any, caches: list[Any]) -> Any:
        """One pass over all layers."""
        import torch

        linear = torch.nn.functional.linear
        for weights, cache in zip(self.layers, caches, strict=True):
            mixed = self._attend(case, linear(_norm(x, weights["norm"]), weights["qkv"]), cache)
            x = x + linear(mixed, weights["out"])
            both = linear(_norm(x, weights["norm"]), weights["gate_up"])
            hidden = kernels(both[:, : self.shape.inter], both[:, self.shape.inter :], None)["silu_mul"](0)
            x = x + linear(hidden, weights["down"])
        return x

    def _attend(self, case: Case, qkv: Any, cache: Any) -> Any:
        """qkv [batch x tokens, (heads + 2 KV heads) x width] to [batch x tokens, heads x width]."""
        s, tokens = self.shape, case.tokens if case.phase == "prefill" else 1
        split = qkv.view(case.batch, tokens, s.heads + 2 * s.kv_heads, s.width).transpose(1, 2)
        q, k, v = split.split([s.heads, s.kv_heads, s.kv_heads], dim=1)
        mixed = sdpa(q, [(k, v) if cache is None else cache], causal=cache is None)(0)
        return mixed.transpose(1, 2).reshape(case.batch * tokens, s.heads * s.width)


def _norm(x: Any, weight: Any) -> Any:
    return kernels(x, None, weight)["rms_norm"](0)
