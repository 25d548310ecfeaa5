"""Step tables from the disk are those that were sampled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenarios import steps
from scenarios.read import read
from scenarios.resolved import resolve
from simcore.spec.scenario import Scenario
from simcore.step.packed import pack

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "simulate-llama-70b.toml"


def fresh(question: Scenario, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Packed step times, as a new process finds them."""
    monkeypatch.setattr(steps, "_KNOWN", type(steps._KNOWN)())
    return pack(steps.hardware_steps(resolve(question)))


def test_kept_tables_are_the_sampled_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simcore.kept.values.home", lambda: tmp_path)
    sampled: list[int] = []
    plain = steps.raw_steps
    monkeypatch.setattr(steps, "raw_steps", lambda *a, **k: sampled.append(1) or plain(*a, **k))
    question = read(EXAMPLE).set({"hardware.stack": "vllm"})  # a server that changes the tables
    first, again = fresh(question, monkeypatch), fresh(question, monkeypatch)
    assert first.tobytes() == again.tobytes() and len(sampled) == 1
    other = fresh(question.set({"hardware.chip.memory.main.read_bandwidth": "2 TB/s"}), monkeypatch)
    assert len(sampled) == 2 and other.tobytes() != first.tobytes()
    monkeypatch.setattr(steps, "state_of", lambda *folders: "changed")
    assert fresh(question, monkeypatch).tobytes() == first.tobytes() and len(sampled) == 3
