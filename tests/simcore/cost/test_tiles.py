"""Schedules of kernels: limits, order, and the law alone against what the best cycle simulator reaches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs
from simcore.cost.facts import chip_facts
from simcore.cost.tiles import DecodeSchedule, DecodeWork, TiledProduct, busiest_tiles, decode, tiled_product

A100 = chip_facts(hardware_specs.chip("a100-sxm"))
LONG = DecodeWork(1, 12, 12, 128, 262_144)
SIMULATOR = 0.1398
"""mean error of the best cycle simulator on its own cases (arXiv 2503.20481)"""


@given(st.integers(1, 400), st.integers(1, 300), st.integers(1, 200))
def test_a_stream_is_the_least_and_no_split_the_most(lines: int, tiles: int, units: int) -> None:
    whole, fixed, stream = (busiest_tiles(lines, tiles, units, deal)[0] for deal in ("none", "fixed", "stream"))
    assert lines * tiles / units <= stream <= fixed <= whole
    assert stream < lines * tiles / units + 1


def test_schedules_agree_where_heads_fill_the_units() -> None:
    full = replace(LONG, heads=108, kv_heads=108)
    times = {deal: decode(full, DecodeSchedule(deal=deal), A100).time_s for deal in ("none", "fixed", "stream")}  # type: ignore[arg-type]
    assert len(set(times.values())) == 1
    whole, stream = (decode(LONG, DecodeSchedule(deal=deal), A100) for deal in ("none", "stream"))  # type: ignore[arg-type]
    assert 4.0 < whole.time_s / stream.time_s <= 108 / 12
    assert stream.fill_ratio > 0.99 and whole.fill_ratio == pytest.approx(12 / 108)


def test_nothing_is_faster_than_its_bytes_and_pages_never_help() -> None:
    for work in (LONG, DecodeWork(64, 32, 8, 128, 4096)):
        times = [decode(work, DecodeSchedule(deal="fixed", page_tokens=p), A100) for p in (0, 256, 16)]
        assert all(one.time_s >= one.memory_s for one in times)
        assert [one.time_s for one in times] == sorted(one.time_s for one in times)
    apart = decode(DecodeWork(16, 32, 4, 128, 16_384), DecodeSchedule(deal="fixed", rows=1, shares_heads=False), A100)
    together = decode(DecodeWork(16, 32, 4, 128, 16_384), DecodeSchedule(deal="fixed", rows=1), A100)
    assert 1.0 < apart.time_s / together.time_s <= 8.0


def test_wider_tiles_read_less() -> None:
    lanes = 20e12
    times = [tiled_product(TiledProduct(4096, tile), lanes, A100) for tile in (1, 4, 8, 16, 32)]
    assert [one.memory_s for one in times] == sorted((one.memory_s for one in times), reverse=True)
    assert times[0].time_s > 20 * times[3].time_s


@pytest.mark.parametrize("operation", ["gemm", "attention_prefill"])
def test_the_law_alone_is_as_near_as_a_cycle_simulator(operation: str) -> None:
    """Recorded when the fits were made, over every row of the A100's open tables in 16 bits."""
    for stack in ("vllm", "sglang", "trtllm"):
        (artefact,) = (a for a in hardware_specs.calibration("a100-sxm", stack).artefacts if a.stack == stack)
        found = [f for f in artefact.provenance["fit"] if f["operation"] == operation and f["format"] == "bf16"]
        assert found and all(one["law_median_error"] <= SIMULATOR for one in found), stack
