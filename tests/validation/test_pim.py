"""Layers of NPU and PIM from device parameters, against the simulator's runs where they are at hand."""

from __future__ import annotations

import pandas as pd
import pytest

import hardware_specs
from commands.validate_pim import compared
from simcore.cost.pim import Blocks
from simcore.errors import InputError
from tests.shared import shared
from validation.pim.layer import linear_s, matrix_s, pim_attention_s
from validation.pim.runs import SHARD, layers

CHIP = hardware_specs.chip("npu-pim")


def test_layers_and_ratios_of_the_runs() -> None:
    frame = pd.read_csv(shared("measured/neupims_runs.csv"))
    told = layers(frame.drop(columns=["cycles_per_layer", "stage_cycles", "us_per_layer_at_1GHz"]), "x.csv")
    report = compared(frame, told, "t.csv")
    runs, ratios, stages, _ = report.values()
    assert len(runs) == 6 and max(abs(one["difference"]) for one in runs) <= 0.05
    assert len(ratios) == 4 and max(abs(one["difference"]) for one in ratios) <= 0.04
    assert len(stages) == 4


def test_a_matrix_by_hand() -> None:
    """16 x 4096 x 3072: 25.4 MB at 1.024 TB/s less refresh, 254 cycles to fill, a last tile of 16 x 512 x 384."""
    moved = 2.0 * (4096 * 3072 + 16 * 4096 + 16 * 3072)
    by_hand_ns = moved / (1024 * (1 - 260 / 3900)) + 254 + 4 * 3 * 128 / 8
    assert matrix_s(CHIP, 16, (4096, 3072)) * 1e9 == pytest.approx(by_hand_ns)


def test_more_requests_are_slower_and_one_row_buffer_too() -> None:
    assert linear_s(CHIP, 64, SHARD) > linear_s(CHIP, 16, SHARD)
    few, many = Blocks(1, 32, 2), Blocks(2, 64, 4)
    assert pim_attention_s(CHIP, SHARD, many, 2) == pytest.approx(2 * pim_attention_s(CHIP, SHARD, few, 2))
    assert pim_attention_s(CHIP, SHARD, few, 1) > 2 * pim_attention_s(CHIP, SHARD, few, 2)


def test_unknown_runs_have_a_reason() -> None:
    rows = [{"system": "TPU", "batch": 16, "trace": "a-rr-0"}, {"system": "NPU-only", "batch": 7, "trace": "a-rr-0"}]
    told = layers(pd.DataFrame(rows), "x.csv")
    assert "unknown system 'TPU'" in told[0].reason and "batch 7" in told[1].reason
    with pytest.raises(InputError, match="has no column 'trace'"):
        layers(pd.DataFrame(rows).drop(columns="trace"), "x.csv")
