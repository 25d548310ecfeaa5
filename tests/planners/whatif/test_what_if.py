"""`what-if` and `sensitivity`: closed forms of the roofline, prices that really break even, shares that add up."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

import simcore
from cli import mount
from planners.whatif import Draws, WhatIf, beats, break_even, heat_map, overlay, swings, tornado
from planners.whatif.breakeven import COST
from planners.whatif.sensitivity import QUANTILE_90, error_of
from simcore.errors import InputError
from tests.reports.pages import shown

HBM, BF16 = "hardware.chip.memory.hbm.read_bandwidth", "hardware.chip.compute.tensor.peak.bf16"
RENT = "hardware.chip.money.rental"


def asked(metric: str = "tpot_mean_s", system: str = "h100-sxm", stack: str = "roofline") -> WhatIf:
    """Llama-3.1-8B, memory bound: four requests of short prompts."""
    load = {"batch": 4, "input_tokens": 16, "output_tokens": 400}
    return WhatIf(simcore.scenario("llama-3.1-8b", system, stack=stack, **load), metric)


def test_what_bounds_a_step_moves_it_most() -> None:
    bars = tornado(asked())
    assert bars[0].key == HBM and bars[0].low == pytest.approx(2 * bars[0].base, rel=0.05)
    assert bars[0].high == pytest.approx(bars[0].base / 2, rel=0.1)
    assert "hardware.chip.money.rental" not in [bar.key for bar in bars], "a price moves no time"
    assert [bar.swing_ratio for bar in bars] == sorted((bar.swing_ratio for bar in bars), reverse=True)


def test_a_price_moves_what_costs() -> None:
    bars = {bar.key: bar for bar in tornado(asked(COST))}
    assert bars[RENT].high > bars[RENT].base > bars[RENT].low and bars[RENT].number.text.endswith("USD/h")


def test_at_the_break_even_price_a_token_costs_the_same() -> None:
    question = asked()
    changes = overlay(question.scenario, {HBM: "2x"})
    found = break_even(question, changes)
    assert found is not None and found.key == RENT and found.price > found.now and found.cost_changed < found.cost_now
    at_price = WhatIf(question.scenario, COST).value({**changes, RENT: found.price})
    assert at_price == pytest.approx(found.cost_now, rel=1e-9)
    worse = break_even(question, overlay(question.scenario, {HBM: "0.5x"}))
    assert worse is not None and worse.price < worse.now


def test_a_map_holds_the_tornado() -> None:
    question = asked()
    found = heat_map(question, (HBM, BF16), (0.5, 1.0, 2.0))
    (bar,) = tornado(question, keys=[HBM])
    assert found.figure[:, 1].tolist() == [bar.low, bar.base, bar.high]
    assert (found.figure[1:] <= found.figure[:-1]).all()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("plan.weights", "2x", "is no number"), (HBM, "0x", "is no factor"), ("hardware.chip.memory.hbn", "2x", "hbn")],
)
def test_factors_of_what_is_no_number_are_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        overlay(asked().scenario, {key: value})


def test_a_plan_without_an_answer_is_a_bar_without_end() -> None:
    (bar,) = tornado(asked(), (0.1, 2.0), ["hardware.chip.memory.hbm.capacity"])
    assert math.isnan(bar.low) and bar.high == bar.base and bar.swing_ratio == math.inf


def test_assumptions_are_those_that_are_assumed() -> None:
    bars = swings(asked(stack="datasheet"))
    assert bars and all(bar.number.assumed for bar in bars)


def test_the_same_never_beats_itself_and_twice_the_bandwidth_always() -> None:
    same = beats(asked(), asked(), 6)
    assert same.beats_ratio == 0.5 and same.told == (False, False)
    fast = WhatIf(asked().scenario.set({HBM: "20 TB/s"}), "tpot_mean_s")
    assert beats(fast, asked(), 6).beats_ratio == 1.0 and beats(asked(), fast, 6).beats_ratio == 0.0


def test_a_side_without_an_answer_loses() -> None:
    import numpy as np

    found = Draws(np.array([1.0, np.nan]), np.array([np.nan, np.nan]), True, (False, False))
    assert found.beats_ratio == 0.75


def test_errors_fill_their_interval() -> None:
    assert error_of((0.8, 1.3), -QUANTILE_90) == pytest.approx(0.8)
    assert error_of((0.8, 1.3), QUANTILE_90) == pytest.approx(1.3) and error_of(None, 3.0) == 1.0


def test_the_commands(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'schema = "scenario/2"\nname = "s"\n[model]\nname = "llama-3.1-8b"\n[hardware]\nsystem = "h100-sxm"\n'
        'stack = "datasheet"\n[traffic]\ninput_tokens = 64\noutput_tokens = 64\nbatch = 4\n'
    )
    words = ["what-if", str(file), "--set", f"{HBM}=2x", "--key", HBM, "--key", RENT, "--json"]
    done = CliRunner().invoke(mount(), [*words, "--out", str(tmp_path / "out")])
    told = json.loads(done.output)
    assert done.exit_code == 0 and told["break_even"]["price"] > told["break_even"]["now"]
    assert [bar["key"] for bar in told["numbers"]] == [HBM]
    assert shown(tmp_path / "out/what-if.html").figure("Change of")["rows"]
    done = CliRunner().invoke(mount(), ["sensitivity", str(file), str(file), "--draws", "2", "--json"])
    assert done.exit_code == 0 and json.loads(done.output)["beats_ratio"] == 0.5
    assert CliRunner().invoke(mount(), ["what-if", str(file), "--of", "nothing"]).exit_code != 0
