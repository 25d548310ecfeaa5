"""Timing kernels on an NVIDIA GPU with torch: graphs, buffers that rotate, board power."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

Run = Callable[[int], Any]
DEVICE = "cuda"
ROTATION_BYTES = 4e8
"""several times the largest L2: operands that a model reads from memory are read from memory here"""
MOST_COPIES = 256
REPLAYS = 7
POWER_SECONDS = 0.15
"""a board's power is an average over tens of milliseconds: kernels repeat for so long before it is believed"""


class PowerMeter:
    """Average board power through NVML; NaN without it."""

    def __init__(self) -> None:
        try:
            import pynvml

            pynvml.nvmlInit()
            handle = pynvml.nvmlDeviceGetHandleByIndex(0)
            self.read_w: Callable[[], float] = lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3
            self.limit_w = pynvml.nvmlDeviceGetPowerManagementLimit(handle) / 1e3
            self.idle_w = self.read_w()
            self.clock_hz = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM) * 1e6
            self.driver = str(pynvml.nvmlSystemGetDriverVersion())
        except Exception:  # no driver, no permission or no package: times are worth having without power
            self.read_w, self.limit_w, self.idle_w = lambda: float("nan"), float("nan"), float("nan")
            self.clock_hz, self.driver = float("nan"), ""

    @property
    def works(self) -> bool:
        return not np.isnan(self.limit_w)


def captured(run: Run, calls: int) -> Callable[[], Any]:
    """`run(0)` to `run(calls - 1)` as one graph; calling the answer starts it."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for i in range(3):
            run(i)
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(calls):
            run(i)
    replay: Callable[[], Any] = graph.replay
    return replay


def elapsed_s(start: Callable[[], Any]) -> float:
    """Device seconds from before to after what `start` enqueues."""
    import torch

    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    start()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end) * 1e-3)


def graphed_s(run: Run, calls: int = 1) -> float:
    """Median seconds of one call of `calls` captured in a graph; the first replay warms up."""
    replay = captured(run, calls)
    replay()
    return median(elapsed_s(replay) for _ in range(REPLAYS)) / calls


def timed(run: Run, calls: int, meter: PowerMeter) -> tuple[float, float]:
    """(median seconds of one call, average watts of the board while the graph repeats)."""
    replay = captured(run, calls)
    replay()
    seconds = median(elapsed_s(replay) for _ in range(REPLAYS))
    return seconds / calls, watts(replay, seconds, meter) if meter.works else float("nan")


def watts(replay: Callable[[], Any], seconds: float, meter: PowerMeter) -> float:
    """Mean power over the second half of POWER_SECONDS of replays."""
    burst = max(1, int(0.02 / max(seconds, 1e-6)))
    read: list[float] = []
    began = time.perf_counter()
    while not read or time.perf_counter() - began < POWER_SECONDS:
        elapsed_s(lambda: [replay() for _ in range(burst)])
        if time.perf_counter() - began > POWER_SECONDS / 2:
            read.append(meter.read_w())
    return float(np.mean(read))


def tensor(*shape: int) -> Any:
    """Random bf16 numbers."""
    import torch

    return torch.randn(*shape, device=DEVICE, dtype=torch.bfloat16)


def rotated(array: Any) -> list[Any]:
    """Copies of one tensor that together leave the caches (at most MOST_COPIES of them)."""
    size = array.numel() * array.element_size()
    return [array.clone() for _ in range(max(2, min(MOST_COPIES, int(ROTATION_BYTES / size))))]
