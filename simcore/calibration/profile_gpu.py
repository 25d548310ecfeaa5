"""`simcore profile --device cuda`: torch on an NVIDIA GPU (extra `[profile]`).

Kernels are captured in a graph of many calls over rotated buffers and replayed, so that the host's launches do not
count; the launch and the replay themselves are measured apart. Power is read through NVML while a graph repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from simcore.calibration.profile import Row, Say
from simcore.errors import InputError

COMMON = {"stack": "torch", "stack_version": "1"}
ROTATION_BYTES = 4e8
COUNTS = {"small": 12, "full": 600}
Run = Callable[[int], Any]


def measure(size: str, say: Say) -> tuple[dict[str, list[Row]], dict[str, Any]]:
    """(operation -> rows, manifest) of the first GPU; raises InputError without torch or without a GPU."""
    try:
        import torch
    except ImportError:
        raise InputError("torch is not installed", key="--device", fix="pip install 'simcore[profile]'") from None
    if not torch.cuda.is_available():
        raise InputError("torch sees no GPU", key="--device", fix="use --device cpu")
    meter, rng, count = PowerMeter(), np.random.default_rng(5), COUNTS[size]
    tables = {
        "gemm": list(_gemms(count, rng, meter)),
        "attention_prefill": list(_prefills(count // 3, rng, meter)),
        "attention_decode": list(_decodes(count // 3, rng, meter)),
        "elementwise": list(_elementwise(count // 8, rng, meter)),
        "moe": list(_grouped(count // 8, rng, meter)),
    }
    say(", ".join(f"{name} {len(rows)}" for name, rows in tables.items()))
    return tables, manifest()


class PowerMeter:
    """Average board power through NVML; NaN without it."""

    def __init__(self) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            self.read: Callable[[], float] = lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3
            self.limit_w = pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1e3
        except Exception:
            self.read, self.limit_w = lambda: float("nan"), float("nan")


def graphed(run: Run, calls: int, meter: PowerMeter) -> tuple[float, float]:
    """(median seconds of one call, average watts): `calls` calls captured in one graph, replayed."""
    import torch

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for i in range(3):
            run(i)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(calls):
            run(i)
    times, watts = [], []
    for _ in range(7):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        watts.append(meter.read())
        end.synchronize()
        times.append(begin.elapsed_time(end) * 1e-3 / calls)
    return median(times), float(np.mean(watts[2:]))


def _row(run: Run, flop: float, meter: PowerMeter) -> Row:
    """Time and power of one shape; more calls where they are short."""
    calls = int(np.clip(2e12 / max(flop, 1.0), 4, 64))
    seconds, watts = graphed(run, calls, meter)
    return COMMON | {"latency_ms": seconds * 1e3, "power_w": watts, "power_limit_w": meter.limit_w}


def _copies(array: Any) -> list[Any]:
    count = max(2, min(32, int(ROTATION_BYTES / (array.numel() * array.element_size()))))
    return [array.clone() for _ in range(count)]


def _random(*shape: int) -> Any:
    import torch

    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def _gemms(count: int, rng: np.random.Generator, meter: PowerMeter) -> Iterator[Row]:
    for _ in range(count):
        m, n, k = int(2 ** rng.uniform(0, 13)), *(int(64 * 2 ** rng.uniform(1, 8) // 64 * 64) for _ in "nk")
        x, weights = _random(m, k), _copies(_random(n, k))
        row = {"m": m, "n": n, "k": k, "kernel_source": "torch_linear", "gemm_dtype": "bfloat16"}
        yield row | _row(_linear(x, weights), 2.0 * m * n * k, meter)
        if m % 16 == 0 and n % 16 == 0:
            fp8 = _fp8(x, weights)
            if fp8 is not None:
                yield row | {"kernel_source": "torch_scaled_mm", "gemm_dtype": "fp8"} | _row(fp8, m * n * k, meter)


def _linear(x: Any, weights: list[Any]) -> Run:
    import torch

    return lambda i: torch.nn.functional.linear(x, weights[i % len(weights)])


def _fp8(x: Any, weights: list[Any]) -> Run | None:
    """Scaled multiply in fp8, or None where the device has none."""
    import torch

    if torch.cuda.get_device_capability() < (8, 9):
        return None
    scale = torch.ones((), device="cuda")
    left = x.to(torch.float8_e4m3fn)
    right = [w.to(torch.float8_e4m3fn).t() for w in weights]
    return lambda i: torch._scaled_mm(left, right[i % len(right)], scale, scale, out_dtype=torch.bfloat16)


def _heads(rng: np.random.Generator) -> tuple[int, int, int]:
    kv_heads, group = int(rng.choice([1, 2, 4, 8])), int(rng.choice([1, 4, 8]))
    return kv_heads * group, kv_heads, int(rng.choice([64, 128]))


def _attention(batch: int, heads: int, kv_heads: int, width: int) -> Row:
    names = {"batch_size": batch, "num_heads": heads, "num_key_value_heads": kv_heads, "head_dim": width}
    return names | {"window_size": 0, "attn_dtype": "bfloat16", "kv_cache_dtype": "bfloat16", "kernel_source": "sdpa"}


def _prefills(count: int, rng: np.random.Generator, meter: PowerMeter) -> Iterator[Row]:
    for _ in range(count):
        heads, kv_heads, width = _heads(rng)
        batch, tokens = int(2 ** rng.uniform(0, 4)), int(2 ** rng.uniform(5, 12))
        q, k = _random(batch, heads, tokens, width), _random(batch, kv_heads, tokens, width)
        flop = 2.0 * batch * heads * tokens * tokens * width
        yield _attention(batch, heads, kv_heads, width) | {"isl": tokens} | _row(_sdpa(q, [k], True), flop, meter)


def _decodes(count: int, rng: np.random.Generator, meter: PowerMeter) -> Iterator[Row]:
    for _ in range(count):
        heads, kv_heads, width = _heads(rng)
        batch, tokens = int(2 ** rng.uniform(0, 7)), int(2 ** rng.uniform(5, 13))
        if batch * kv_heads * tokens * width > 4e8:
            continue
        q, caches = _random(batch, heads, 1, width), _copies(_random(batch, kv_heads, tokens, width))
        row = _attention(batch, heads, kv_heads, width) | {"step": tokens - 1}
        yield row | _row(_sdpa(q, caches, False), 1e10, meter)


def _sdpa(q: Any, caches: list[Any], causal: bool) -> Run:
    import torch

    def run(i: int) -> Any:
        k = caches[i % len(caches)]
        return torch.nn.functional.scaled_dot_product_attention(q, k, k, is_causal=causal, enable_gqa=True)

    return run


def _elementwise(count: int, rng: np.random.Generator, meter: PowerMeter) -> Iterator[Row]:
    for _ in range(count):
        rows, width = int(2 ** rng.uniform(0, 13)), int(rng.choice([2048, 4096, 8192]))
        for kind, run in _kernels(_random(rows, width), _random(rows, width), _random(width)).items():
            row = {"kind": kind, "elements": rows * width, "dtype": "bfloat16", "kernel_source": "torch"}
            yield row | _row(run, 1e11, meter)


def _kernels(x: Any, y: Any, weight: Any) -> dict[str, Run]:
    import torch

    return {
        "rms_norm": lambda i: torch.nn.functional.rms_norm(x, (x.shape[-1],), weight),
        "silu_mul": lambda i: torch.nn.functional.silu(x) * y,
        "add": lambda i: x + y,
    }


def _grouped(count: int, rng: np.random.Generator, meter: PowerMeter) -> Iterator[Row]:
    """Experts one after the other over equal shares of the tokens: up, activation, down."""
    for _ in range(count):
        experts, topk = int(rng.choice([8, 16])), int(rng.choice([2, 4]))
        hidden, inter = int(rng.choice([1024, 2048])), int(rng.choice([512, 1024]))
        tokens = int(2 ** rng.uniform(4, 12))
        share = max(1, tokens * topk // experts)
        run = _experts(_random(experts, share, hidden), _random(experts, hidden, 2 * inter), inter)
        sizes = {"num_tokens": tokens, "hidden_size": hidden, "inter_size": inter, "topk": topk, "num_experts": experts}
        names = {"distribution": "balanced", "moe_dtype": "bfloat16", "kernel_source": "torch_bmm"}
        yield sizes | names | _row(run, 6.0 * experts * share * hidden * inter, meter)


def _experts(x: Any, up: Any, inter: int) -> Run:
    import torch

    down = _random(x.shape[0], inter, x.shape[2])

    def run(i: int) -> Any:
        both = torch.bmm(x, up)
        return torch.bmm(torch.nn.functional.silu(both[..., :inter]) * both[..., inter:], down)

    return run


def launches() -> dict[str, float]:
    """Seconds of one eager kernel launch, and of one kernel inside a replayed graph."""
    import time

    import torch

    x = torch.zeros(32, device="cuda")
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(2000):
        x.add_(1.0)
    torch.cuda.synchronize()
    eager_s = (time.perf_counter() - start) / 2000
    return {"kernel_launch_s": eager_s, "graph_kernel_s": graphed(lambda i: x.add_(1.0), 64, PowerMeter())[0]}


def copies() -> dict[str, float]:
    """Bytes per second of device and host copies."""
    import torch

    data = torch.empty(256 * 2**20, dtype=torch.uint8, device="cuda")
    host = torch.empty(256 * 2**20, dtype=torch.uint8, pin_memory=True)

    def rate(run: Callable[[], Any], moved: float) -> float:
        run()
        torch.cuda.synchronize()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        return float(moved / (begin.elapsed_time(end) * 1e-3))

    size = float(data.numel())
    return {
        "device_copy_bytes_per_s": rate(lambda: data.clone(), 2.0 * size),
        "to_device_bytes_per_s": rate(lambda: data.copy_(host, non_blocking=True), size),
        "to_host_bytes_per_s": rate(lambda: host.copy_(data, non_blocking=True), size),
    }


def manifest() -> dict[str, Any]:
    """Device, driver and versions, launch times and copies."""
    import datetime
    import platform

    import torch

    return {
        "schema": "profile/1",
        "kind": "cuda",
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "launch": launches(),
        "copy": copies(),
    }
