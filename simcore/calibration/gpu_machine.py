"""What a GPU profile says of the machine itself: device, driver, launches, copies, and the facts that laws need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simcore.calibration import gpu_clock
from simcore.calibration.gpu_clock import PowerMeter
from simcore.calibration.profile import Row

ARCHITECTURES = {(8, 0): "ampere", (8, 6): "ampere", (8, 9): "ada", (9, 0): "hopper", (12, 0): "blackwell-gb202"}
"""by compute capability (CUDA C++ programming guide); 10.x is data-centre Blackwell"""

COPY_BYTES = 2**28


def manifest(tables: dict[str, list[Row]], meter: PowerMeter) -> dict[str, Any]:
    """Device, driver and versions, launch times, copies, facts."""
    import datetime
    import platform

    import torch

    moved = copies()
    return {
        "schema": "profile/1",
        "kind": "cuda",
        "device": torch.cuda.get_device_name(),
        "driver": meter.driver,
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
        "launch": launches(),
        "copy": moved,
        "facts": facts(tables, moved, meter),
    }


def facts(tables: dict[str, list[Row]], moved: dict[str, float], meter: PowerMeter) -> dict[str, Any]:
    """`ChipFacts` of the device: peaks and bandwidth a little above the best that was measured, the rest as told."""
    import torch

    told = torch.cuda.get_device_properties(0)
    sm_count = float(told.multi_processor_count)
    clock_hz = meter.clock_hz if meter.clock_hz == meter.clock_hz else 1.7e9
    names = {"bf16": "bfloat16", "fp8": "fp8"}
    speeds = {ours: _best_flop_per_s(tables["gemm"], theirs) for ours, theirs in names.items()}
    major_minor = tuple(torch.cuda.get_device_capability())
    return {
        "name": "host",
        "peak_flop_per_s": {name: 1.15 * speed for name, speed in speeds.items() if speed},
        "clock_hz": clock_hz,
        "sm_count": sm_count,
        "memory_bytes_per_s": 1.08 * moved["device_copy_bytes_per_s"],
        "l2_bytes": float(getattr(told, "L2_cache_size", 40e6)),
        "l2_bytes_per_s": sm_count * 64.0 * clock_hz,
        "link_bytes_per_s": moved["to_device_bytes_per_s"],
        "link_kind": "pcie",
        "architecture": ARCHITECTURES.get(major_minor, "blackwell" if major_minor[0] == 10 else "unknown"),
        **({"tdp_w": meter.limit_w, "idle_w": meter.idle_w} if meter.works else {}),
    }


def _best_flop_per_s(rows: list[Row], dtype: str) -> float:
    """Highest speed of a format, 0 where it was not measured."""
    speeds = (2e3 * r["m"] * r["n"] * r["k"] / r["latency_ms"] for r in rows if r["gemm_dtype"] == dtype)
    return max(speeds, default=0.0)


def launches() -> dict[str, float]:
    """Seconds of one eager kernel launch, and of one kernel inside a replayed graph."""
    import time

    import torch

    x = torch.zeros(32, device=gpu_clock.DEVICE)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(2000):
        x.add_(1.0)
    torch.cuda.synchronize()
    eager_s = (time.perf_counter() - start) / 2000
    return {"kernel_launch_s": eager_s, "graph_kernel_s": gpu_clock.graphed_s(lambda i: x.add_(1.0), 64)}


def copies() -> dict[str, float]:
    """Bytes per second of device copies (read and written) and of host copies over COPY_BYTES, the best of five."""
    import torch

    size = COPY_BYTES
    data, other = (torch.empty(size, dtype=torch.uint8, device=gpu_clock.DEVICE) for _ in range(2))
    host = torch.empty(size, dtype=torch.uint8, pin_memory=gpu_clock.DEVICE == "cuda")

    def rate(start: Callable[[], Any], moved: float) -> float:
        start()
        return moved / min(gpu_clock.elapsed_s(start) for _ in range(5))

    return {
        "device_copy_bytes_per_s": rate(lambda: other.copy_(data), 2.0 * size),
        "to_device_bytes_per_s": rate(lambda: data.copy_(host, non_blocking=True), size),
        "to_host_bytes_per_s": rate(lambda: host.copy_(data, non_blocking=True), size),
    }
