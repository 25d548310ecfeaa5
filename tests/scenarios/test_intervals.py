"""Intervals: narrow for what was measured, wider for strangers, and the answer says which it is."""

from __future__ import annotations

from typing import Any

import pytest

import simcore

LOAD = {"input_tokens": 1024, "output_tokens": 256, "batch": 16}


def told(model: str, chip: str, stack: str) -> tuple[float, str]:
    """(width of the TPOT interval over TPOT, what the notes say)."""
    flat: dict[str, Any] = simcore.simulate(simcore.scenario(model, chip, stack=stack, traffic=LOAD)).flat
    low, high = flat["intervals"]["tpot_mean_s"]
    return (high - low) / flat["tpot_mean_s"], " ".join(flat["notes"])


@pytest.mark.parametrize("copy", ["llama-3.1-8b", "meta-llama/Llama-3.1-8B-Instruct"])
def test_a_measured_architecture_under_any_name(copy: str) -> None:
    _, said = told(copy, "h100-sxm", "vllm")
    assert "on measured runs of dense models" in said and "never" not in said


def test_strangers_have_wider_intervals_and_are_named() -> None:
    known, _ = told("llama-3.1-8b", "h100-sxm", "vllm")
    model, said = told("qwen3-14b", "h100-sxm", "vllm")
    assert model > known and "qwen3-14b was never measured under vllm" in said
    both, said = told("qwen3-14b", "l40s", "vllm")
    assert both >= model and "qwen3-14b and l40s were never measured under vllm" in said
