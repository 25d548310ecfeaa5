"""`simcore profile --device cuda`: torch on an NVIDIA GPU (extra `[profile]`).

Kernels are captured in a graph of many calls over rotated buffers and replayed, so that the host's launches do not
count; the launch and the replay themselves are measured apart. Power is read through NVML while a graph repeats.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simcore.calibration import gpu_clock
from simcore.calibration.gpu_clock import PowerMeter, Run, rotated, tensor
from simcore.calibration.profile import Row, Say
from simcore.errors import InputError

COMMON = {"stack": "host", "stack_version": "1"}
COUNTS = {"small": 48, "full": 400}
SHRINK = {"small": 5.0, "full": 0.0}
"""powers of two that the largest shapes are smaller by"""


def measure(size: str, say: Say) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """(operation -> rows, manifest) of the first GPU; raises InputError without torch or without a GPU."""
    from simcore.calibration.gpu_machine import manifest

    try:
        import torch
    except ImportError:
        raise InputError("torch is not installed", key="--device", fix="pip install 'simcore[profile]'") from None
    if not torch.cuda.is_available():
        raise InputError("torch sees no GPU", key="--device", fix="use --device cpu")
    bench = Bench(COUNTS[size], SHRINK[size])
    tables: dict[str, list[Row]] = {}
    for name, rows in (
        ("gemm", bench.gemms()),
        ("attention_prefill", bench.prefills()),
        ("attention_decode", bench.decodes()),
        ("elementwise", bench.elementwise()),
        ("moe", bench.grouped()),
    ):
        tables[name] = list(rows)
        say(f"{name}: {len(tables[name])} shapes")
    return tables, manifest(tables, bench.meter)


class Bench:
    """Random shapes of every operation, timed one after the other."""

    def __init__(self, count: int, shrink: float) -> None:
        self.count, self.shrink = count, shrink
        self.meter, self.rng = PowerMeter(), np.random.default_rng(5)

    def sizes(self, low: float, high: float) -> int:
        """A size between two powers of two, uniform in the exponent."""
        return int(2 ** self.rng.uniform(low, max(low + 1.0, high - self.shrink)))

    def width(self, *choices: int) -> int:
        """One of the widths, smaller where shapes shrink."""
        return max(16, int(self.rng.choice(choices) / 2**self.shrink))

    def row(self, run: Run, copies: int, flop: float) -> Row:
        """Time and power of one shape; every copy of its operands is read, more calls where they are short."""
        calls = max(copies, int(np.clip(2e12 / max(flop, 1.0), 4, 64)))
        seconds, power_w = gpu_clock.timed(run, calls, self.meter)
        return COMMON | {"latency_ms": seconds * 1e3, "power_w": power_w, "power_limit_w": self.meter.limit_w}

    def gemms(self) -> Iterator[Row]:
        """bf16 and, where the device multiplies it, fp8 with one scale per tensor."""
        for _ in range(self.count):
            m, n, k = self.sizes(0, 13), 64 * self.sizes(1, 8), 64 * self.sizes(1, 8)
            x, weights = tensor(m, k), rotated(tensor(n, k))
            row = {"m": m, "n": n, "k": k, "kernel_source": "torch_linear", "gemm_dtype": "bfloat16"}
            yield row | self.row(_linear(x, weights), len(weights), 2.0 * m * n * k)
            fp8 = _fp8(x, weights)
            if fp8 is not None:
                names = {"kernel_source": "torch_scaled_mm", "gemm_dtype": "fp8"}
                yield row | names | self.row(fp8, len(weights), m * n * k)

    def heads(self) -> tuple[int, int, int]:
        """(heads, KV heads, width)."""
        kv_heads, group = int(self.rng.choice([1, 2, 4, 8])), int(self.rng.choice([1, 4, 8]))
        return kv_heads * group, kv_heads, int(self.rng.choice([64, 128]))

    def prefills(self) -> Iterator[Row]:
        for _ in range(self.count // 3):
            heads, kv_heads, width = self.heads()
            batch, tokens = self.sizes(0, 4), self.sizes(5, 12.5)
            q = tensor(batch, heads, tokens, width)
            caches = rotated(tensor(2, batch, kv_heads, tokens, width))
            flop = 2.0 * batch * heads * tokens * tokens * width
            row = self.row(sdpa(q, caches, causal=True), len(caches), flop)
            yield _attention(batch, heads, kv_heads, width) | {"isl": tokens} | row

    def decodes(self) -> Iterator[Row]:
        for _ in range(self.count // 3):
            heads, kv_heads, width = self.heads()
            batch, tokens = self.sizes(0, 8), self.sizes(5, 14)
            if batch * kv_heads * tokens * width > 1e9:
                continue
            caches = rotated(tensor(2, batch, kv_heads, tokens, width))
            row = self.row(sdpa(tensor(batch, heads, 1, width), caches, causal=False), len(caches), 1e11)
            yield _attention(batch, heads, kv_heads, width) | {"step": tokens - 1} | row

    def elementwise(self) -> Iterator[Row]:
        for _ in range(self.count // 4):
            rows, width = self.sizes(0, 13), self.width(2048, 4096, 8192)
            for kind, run in kernels(tensor(rows, width), tensor(rows, width), tensor(width)).items():
                row = {"kind": kind, "elements": rows * width, "dtype": "bfloat16", "kernel_source": "torch"}
                yield row | self.row(run, 1, 1e11)

    def grouped(self) -> Iterator[Row]:
        """Batched matrices over equal shares of the tokens: up, activation, down."""
        for _ in range(self.count // 4):
            experts, topk = int(self.rng.choice([8, 16, 64])), int(self.rng.choice([2, 4, 8]))
            hidden, inter = self.width(1024, 2048, 4096), self.width(512, 768, 1536)
            tokens = self.sizes(4, 12)
            share = max(1, tokens * topk // experts)
            x, ups = tensor(experts, share, hidden), rotated(tensor(experts, hidden, 2 * inter))
            sizes = {"hidden_size": hidden, "inter_size": inter, "topk": topk, "num_experts": experts}
            names = {"distribution": "balanced", "moe_dtype": "bfloat16", "kernel_source": "torch_bmm"}
            row = self.row(_experts(x, ups, inter), len(ups), 6.0 * experts * share * hidden * inter)
            yield {"num_tokens": max(1, share * experts // topk)} | sizes | names | row


def _linear(x: Any, weights: list[Any]) -> Run:
    import torch

    return lambda i: torch.nn.functional.linear(x, weights[i % len(weights)])


def _fp8(x: Any, weights: list[Any]) -> Run | None:
    """Scaled multiply in fp8; None where the device has none, or not for this number of rows."""
    import torch

    if torch.cuda.get_device_capability() < (8, 9):
        return None
    scale = torch.ones((), device=gpu_clock.DEVICE)
    left = x.to(torch.float8_e4m3fn)
    right = [w.to(torch.float8_e4m3fn).t() for w in weights]

    def run(i: int) -> Any:
        return torch._scaled_mm(left, right[i % len(right)], scale, scale, out_dtype=torch.bfloat16)

    try:
        run(0)
    except RuntimeError:
        return None
    return run


def _attention(batch: int, heads: int, kv_heads: int, width: int) -> Row:
    names = {"batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": width}
    return names | {"window_size": 0, "attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16", "kernel_source": "sdpa"}


def sdpa(q: Any, caches: list[Any], causal: bool) -> Run:
    """q [batch, heads, tokens, width] against keys and values [2, batch, KV heads, tokens, width] in turn."""
    import torch

    def run(i: int) -> Any:
        k, v = caches[i % len(caches)]
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)

    return run


def kernels(x: Any, y: Any, weight: Any) -> dict[str, Run]:
    """The elementwise kernels of a layer by name."""
    import torch

    return {
        "rms_norm": lambda i: torch.nn.functional.rms_norm(x, (x.shape[-1],), weight),
        "silu_mul": lambda i: torch.nn.functional.silu(x) * y,
        "add": lambda i: x + y,
    }


def _experts(x: Any, ups: list[Any], inter: int) -> Run:
    import torch

    downs = [tensor(x.shape[0], inter, x.shape[2]) for _ in ups]

    def run(i: int) -> Any:
        both = torch.bmm(x, ups[i % len(ups)])
        return torch.bmm(torch.nn.functional.silu(both[..., :inter]) * both[..., inter:], downs[i % len(downs)])

    return run
