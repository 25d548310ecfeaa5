"""The GPU profile and its closed loop on torch's own processor back end: shapes and files, not times.

Graphs, events and NVML are replaced; every kernel really runs. Skipped where torch is not installed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simcore.calibration import gpu_clock, gpu_machine, host_torch, profile_gpu
from simcore.calibration.host import Case, Shape, host_facts
from tests.simcore.calibration.test_closed_loop import run

torch = pytest.importorskip("torch")


def captured(kernel: gpu_clock.Run, calls: int) -> Callable[[], Any]:
    return lambda: [kernel(i) for i in range(min(calls, 3))]


def elapsed_s(start: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    start()
    return time.perf_counter() - begin


@pytest.fixture(autouse=True)
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of four processors with fp8 whose kernels run here."""
    told = SimpleNamespace(multi_processor_count=4, L2_cache_size=2**21)
    for name, answer in (
        ("is_available", True),
        ("synchronize", None),
        ("get_device_name", "a pretended GPU"),
        ("get_device_capability", (9, 0)),
        ("get_device_properties", told),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *a, _answer=answer: _answer)
    monkeypatch.setattr(gpu_clock, "DEVICE", "cpu")
    monkeypatch.setattr(gpu_clock, "captured", captured)
    monkeypatch.setattr(gpu_clock, "elapsed_s", elapsed_s)
    monkeypatch.setattr(gpu_clock, "ROTATION_BYTES", 2e6)
    monkeypatch.setattr(gpu_machine, "COPY_BYTES", 2**20)
    monkeypatch.setitem(profile_gpu.SHRINK, "small", 8.0)


def test_profile_calibrate_validate_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("profile", "--device", "cuda", "--size", "small", "--out", str(tmp_path), "--quiet")
    facts = host_facts(tmp_path)
    assert facts.architecture == "hopper" and facts.sm_count == 4 and facts.memory_bytes_per_s > 1e8
    assert "moe" in run("calibrate", "--tables", str(tmp_path))
    monkeypatch.setattr(host_torch, "SHAPE", Shape(layers=2, hidden=64, inter=128, heads=4, kv_heads=2, width=64))
    monkeypatch.setattr(host_torch.Transformer.__init__, "__defaults__", (host_torch.SHAPE,))
    answer = json.loads(run("validate", "host", "--calibration", str(tmp_path), "--small", "--json"))
    assert [case["phase"] for case in answer["cases"]] == ["prefill", "decode"]
    assert all(case["predicted_s"] > 0 and case["measured_s"] > 0 for case in answer["cases"])


def test_rotated_operands_are_copies() -> None:
    copies = gpu_clock.rotated(gpu_clock.tensor(100, 100))
    assert len(copies) == 100 and len({copy.data_ptr() for copy in copies}) == 100


def test_power_is_the_mean_while_a_graph_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_clock, "POWER_SECONDS", 0.02)
    meter = SimpleNamespace(read_w=lambda: 123.0, works=True)
    assert gpu_clock.timed(lambda i: time.sleep(1e-3), 2, meter)[1] == 123.0  # type: ignore[arg-type]


def test_prefill_and_decode_agree_on_the_last_token() -> None:
    net = host_torch.Transformer(Shape(layers=1, hidden=64, inter=128, heads=4, kv_heads=2, width=64))
    x = gpu_clock.tensor(8, 64)
    whole = net.step(Case("prefill", 1, 8), x, [None])
    qkv = torch.nn.functional.linear(host_torch._norm(x, net.layers[0]["norm"]), net.layers[0]["qkv"])
    split = qkv.view(1, 8, 8, 64).transpose(1, 2)
    cache = torch.stack((split[:, 4:6], split[:, 6:8]))
    last = net.step(Case("decode", 1, 8), x[-1:], [cache])
    assert torch.allclose(whole[-1:].float(), last.float(), rtol=0.1, atol=0.1)
