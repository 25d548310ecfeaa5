"""`simcore profile --device cpu`: numpy on the processor at hand."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration import host_ops
from simcore.calibration.profile import Row, Say, clocked, one_thread

Run = Callable[[int], object]
COMMON = {"stack": "host", "stack_version": "1", "kernel_source": "numpy"}
ROTATION_BYTES = 2e8
"""buffers rotate over at least this much, more than the caches hold"""
GEMMS = {"small": 48, "full": 300}
SECONDS = {"small": 0.003, "full": 0.06}


def measure(size: str, say: Say) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """(operation -> rows, manifest) of the processor at hand."""
    budget_s = SECONDS[size]
    rng = np.random.default_rng(7)
    with one_thread():
        tables = {
            "gemm": list(_gemms(GEMMS[size], budget_s, rng)),
            "attention_prefill": list(_prefills(size, budget_s, rng)),
            "attention_decode": list(_decodes(size, budget_s, rng)),
            "elementwise": list(_elementwise(size, budget_s, rng)),
        }
        record = manifest(tables, rng)
    say(", ".join(f"{name} {len(rows)}" for name, rows in tables.items()))
    return tables, record


def _array(rng: np.random.Generator, *shape: int) -> host_ops.Floats:
    return rng.standard_normal(shape, dtype=np.float32)


def _rotated(rng: np.random.Generator, *shape: int) -> list[host_ops.Floats]:
    """Copies of one array, enough that a round trip through them leaves the caches."""
    count = max(2, min(64, int(ROTATION_BYTES / (4 * np.prod(shape)))))
    first = _array(rng, *shape)
    return [first.copy() for _ in range(count)]


def _gemms(count: int, budget_s: float, rng: np.random.Generator) -> Iterator[Row]:
    widths = (128, 192, 256, 384, 512, 768, 1024, 1376, 1536, 2048, 2752, 4096)
    pairs = [(int(rng.choice(widths)), int(rng.choice(widths))) for _ in range(max(4, count // 8))]
    for n, k in pairs:
        weights = _rotated(rng, k, n)
        for m in sorted({int(2 ** rng.uniform(0, 9.3)) for _ in range(7)} | {1}):
            if 2.0 * m * n * k > (4e8 if count < 100 else 6e9):
                continue
            x = _array(rng, m, k)
            seconds = clocked(_multiply(x, weights), budget_s)
            yield COMMON | {"gemm_dtype": "fp32", "m": m, "n": n, "k": k, "latency_ms": seconds * 1e3}


def _multiply(x: host_ops.Floats, weights: list[host_ops.Floats]) -> Run:
    return lambda i: host_ops.gemm(x, weights[i % len(weights)])


def _attend(q: host_ops.Floats, k: host_ops.Floats) -> Run:
    return lambda i: host_ops.attention_prefill(q, k, k)


def _step(q: host_ops.Floats, caches: list[host_ops.Floats]) -> Run:
    return lambda i: host_ops.attention_decode(q, caches[2 * i % len(caches)], caches[(2 * i + 1) % len(caches)])


def _kernels(x: host_ops.Floats, y: host_ops.Floats, weight: host_ops.Floats) -> dict[str, Run]:
    return {
        "rms_norm": lambda i: host_ops.rms_norm(x, weight),
        "silu_mul": lambda i: host_ops.silu_mul(x, y),
        "add": lambda i: host_ops.add(x, y),
    }


def _heads(rng: np.random.Generator) -> tuple[int, int, int]:
    """(heads, KV heads, width)."""
    kv_heads, group = int(rng.choice([1, 2, 4, 8])), int(rng.choice([1, 2, 4]))
    return kv_heads * group, kv_heads, int(rng.choice([32, 64, 128]))


def _attention_row(batch: int, heads: int, kv_heads: int, width: int, seconds: float) -> Row:
    sizes = {"batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": width}
    return COMMON | sizes | {"attn_dtype": "fp32", "kv_cache_dtype": "fp32", "latency_ms": seconds * 1e3}


def _prefills(size: str, budget_s: float, rng: np.random.Generator) -> Iterator[Row]:
    for _ in range(14 if size == "small" else 170):
        heads, kv_heads, width = _heads(rng)
        batch, tokens = int(2 ** rng.uniform(0, 2)), int(2 ** rng.uniform(3, 7 if size == "small" else 9.3))
        q = _array(rng, batch, kv_heads, heads // kv_heads, tokens, width)
        k = _array(rng, batch, kv_heads, 1, tokens, width)
        seconds = clocked(_attend(q, k), budget_s)
        yield _attention_row(batch, heads, kv_heads, width, seconds) | {"isl": tokens, "window_size": 0}


def _decodes(size: str, budget_s: float, rng: np.random.Generator) -> Iterator[Row]:
    for _ in range(14 if size == "small" else 170):
        heads, kv_heads, width = _heads(rng)
        batch, tokens = int(2 ** rng.uniform(0, 5)), int(2 ** rng.uniform(3, 8 if size == "small" else 10.5))
        q = _array(rng, batch, kv_heads, heads // kv_heads, width)
        caches = _rotated(rng, batch, kv_heads, tokens, width)
        seconds = clocked(_step(q, caches), budget_s)
        yield _attention_row(batch, heads, kv_heads, width, seconds) | {"step": tokens - 1, "window_size": 0}


def _elementwise(size: str, budget_s: float, rng: np.random.Generator) -> Iterator[Row]:
    for _ in range(5 if size == "small" else 24):
        width, rows = int(rng.choice([512, 1024, 2048])), int(2 ** rng.uniform(0, 7 if size == "small" else 10))
        x, y, weight = _array(rng, rows, width), _array(rng, rows, width), _array(rng, width)
        kernels = _kernels(x, y, weight)
        for kind, run in kernels.items():
            row = {"kind": kind, "elements": rows * width, "dtype": "fp32"}
            yield COMMON | row | {"latency_ms": clocked(run, budget_s) * 1e3}


def manifest(tables: dict[str, list[Row]], rng: np.random.Generator) -> dict[str, Any]:
    """What was measured on, and the facts that the laws need."""
    import datetime

    best = max(2e-3 * r["m"] * r["n"] * r["k"] / r["latency_ms"] * 1e6 for r in tables["gemm"])
    return {
        "schema": "profile/1",
        "device": processor(),
        "kind": "cpu",
        "threads": 1,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.date.today().isoformat(),
        "facts": {
            "name": "host",
            "peak_flop_per_s": {"fp32": best * 1.15},
            "clock_hz": clock_hz(),
            "sm_count": 1.0,
            "memory_bytes_per_s": copy_bytes_per_s(rng),
            "l2_bytes": cache_bytes(),
            "l2_bytes_per_s": 64.0 * clock_hz(),
            "link_bytes_per_s": 1e10,
            "architecture": "cpu",
        },
    }


def copy_bytes_per_s(rng: np.random.Generator) -> float:
    """Bandwidth of summing a large array: the best of five."""
    data = rng.random(12_500_000, dtype=np.float64)
    return 1.1 * max(data.nbytes / clocked(lambda i: data.sum(), 0.0, 3) for _ in range(3))


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def clock_hz() -> float:
    """Clock of the processor, 2.5 GHz where the system does not say."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((float(line.split(":", 1)[1]) * 1e6 for line in lines if line.startswith("cpu MHz")), 2.5e9)


def cache_bytes() -> float:
    """Size of the last level cache, 32 MB where the system does not say; a share of it in a shared machine."""
    for level in (3, 2):
        path = Path(f"/sys/devices/system/cpu/cpu0/cache/index{level}/size")
        if path.exists():
            text = path.read_text(encoding="utf-8").strip()
            total = float(text[:-1]) * {"K": 1e3, "M": 1e6}.get(text[-1], 1.0)
            return min(total, 32e6 * max(1, os.cpu_count() or 1))
    return 32e6
