"""Chips of a host without peer-to-peer: collectives by the two numbers of its link, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import mount
from scenarios.homes import host_link
from scenarios.read import from_raw
from scenarios.resolved import resolve
from scenarios.steps import hardware_steps
from simcore.cost.through_host import through_host
from simcore.errors import InputError
from simcore.spec.hardware import Link

LAYERS, HIDDEN = 32, 4096
TOKENS = 8


def link(rate: str, wait: str) -> Link:
    return host_link(f"{rate}, {wait}")


def communication_s(text: str, tp: int, stack: str) -> float:
    """Of one decode step of Llama-3.1-8B at a batch of TOKENS."""
    raw = {
        "schema": "scenario/2",
        "model": {"name": "llama-3.1-8b"},
        "hardware": {"system": "l40s", "stack": stack, "link": text},
        "plan": {"tp": tp},
        "traffic": {"input_tokens": 512, "output_tokens": 64, "batch": TOKENS},
    }
    found = resolve(from_raw(raw))
    table = hardware_steps(found).communication
    return float(np.interp(TOKENS, table.x.knots(), table.values))


@pytest.mark.parametrize("ranks", [2, 4])
def test_an_all_reduce_is_the_faster_of_ring_and_tree(ranks: int) -> None:
    seconds = through_host(link("16 GB/s", "20 us"), ranks, "all_reduce")
    for size in (1e3, 1e6, 1e8):
        ring = 2 * (ranks - 1) * 20e-6 + 2 * (ranks - 1) / ranks * size / 16e9
        tree = 2 * (ranks - 1).bit_length() * 20e-6 + 2 * size / 16e9
        assert float(seconds(size)) == pytest.approx(min(ring, tree), rel=1e-12)


@pytest.mark.parametrize("stack", ["vllm", "roofline"])
def test_a_step_waits_as_counted_by_hand(stack: str) -> None:
    slow, fast = (communication_s(f"{rate} GB/s, {wait} us", 2, stack) for rate, wait in ((8, 40), (16, 20)))
    assert slow == pytest.approx(2 * fast, rel=1e-9)
    message = TOKENS * HIDDEN * 2
    each = 2 * 20e-6 + message / 16e9
    assert fast == pytest.approx((2 * LAYERS + 1) * each, rel=0.05)  # the embedding's, and the logits' besides


@pytest.mark.parametrize("text", ["16 GB/s", "fast, 20 us", "16 GB/s, -1 us", "20 us, 16 GB/s"])
def test_what_is_no_link_is_told_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="is no link"):
        host_link(text)


def test_the_option_of_estimate() -> None:
    words = ["estimate", "--model", "llama-3.1-8b", "--chip", "l40s", "--tp", "2", "--batch", "8", "--isl", "16"]
    words += ["--osl", "2048", "--json"]
    run = CliRunner()
    plain, slow = (json.loads(run.invoke(mount(), words + more).stdout) for more in ([], ["--link", "2 GB/s, 90 us"]))
    gained = slow["tpot_mean_s"] - plain["tpot_mean_s"]
    each = 2 * 90e-6 + TOKENS * HIDDEN * 2 / 2e9
    assert gained == pytest.approx((2 * LAYERS + 1) * each, rel=0.1)
