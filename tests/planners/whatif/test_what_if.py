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
from planners.whatif.assumed import assumed, lines
from planners.whatif.breakeven import COST
from planners.whatif.laws import unfollowed
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


def test_at_a_stated_rate_a_faster_chip_pays_by_what_it_could_serve() -> None:
    busy = asked().scenario
    alike = WhatIf(busy.set({"traffic.rate_per_s": simcore.estimate(busy).requests_per_s * (1 - 1e-9)}), COST)
    changes = overlay(alike.scenario, {HBM: "2x"})
    assert alike.value(changes) == pytest.approx(alike.value({}), rel=1e-9), "an hour costs the same"
    found, held = break_even(alike, changes), break_even(WhatIf(busy, COST), changes)
    assert found is not None and held is not None and found.in_flight == 4 and held.in_flight is None
    assert found.price == pytest.approx(held.price, rel=1e-6)


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


LAWS = {
    "area_mm2": "100 mm2 + 400 mm2 * chip.memory.hbm.read_bandwidth / 3.35 TB/s",
    "hardware.chip.money.rental": "1 USD/h + 2 USD/h * chip.memory.hbm.read_bandwidth / 3.35 TB/s",
    "hardware.chip.power.tdp": "300 W + 20 pJ/bit * chip.memory.hbm.read_bandwidth / 2",
}


def test_laws_make_prices_areas_and_power_follow_a_change() -> None:
    ruled = WhatIf(asked().scenario.set({"laws": LAWS}), COST)
    changes = overlay(ruled.scenario, {HBM: "2x"})
    figures = ruled.side(changes).figures
    assert figures["area_mm2"] == pytest.approx(900.0) and ruled.side({}).figures["area_mm2"] == pytest.approx(500.0)
    plain = WhatIf(asked().scenario, COST)
    priced = {**changes, RENT: 5.0, "hardware.chip.power.tdp": 300.0 + 20e-12 * 8 * 6.7e12 / 2}
    assert ruled.value(changes) == pytest.approx(plain.value(priced), rel=1e-12)
    assert ruled.value({**changes, RENT: 1.0}) < ruled.value(changes), "a key that is set is not overruled"
    found = break_even(ruled, changes)
    assert found is not None and (found.now, found.asked) == pytest.approx((3.0, 5.0))
    stated = break_even(ruled, {**changes, RENT: "5 USD/h"})
    assert stated is not None and stated.price == pytest.approx(found.price)
    assert WhatIf(ruled.scenario, COST).value({**changes, RENT: found.price}) == pytest.approx(found.cost_now, rel=1e-9)


def test_what_does_not_follow_is_said() -> None:
    question = asked(COST)
    changes = overlay(question.scenario, {HBM: "2x"})
    (said,) = unfollowed(question.scenario, changes)
    assert said.startswith("Its price and its power do not follow the change")
    half = question.scenario.set({"laws": {"hardware.chip.money.rental": LAWS["hardware.chip.money.rental"]}})
    assert unfollowed(half, changes) == ["Its power does not follow the change: no law sets hardware.chip power.tdp."]
    assert unfollowed(question.scenario.set({"laws": LAWS}), changes) == []
    assert unfollowed(question.scenario, {"plan.tp": 2}) == []


@pytest.mark.parametrize(
    ("name", "law", "words"),
    [
        ("area_mm2", "200 + 2 * tp", "the law of area_mm2 counts"),
        ("area_mm2", "200 + 450 mm2 * chip.compute.tensor.peak.bf16 / 989.4 TFLOP/s", "joins what counts with what is"),
        ("area_mm2", "450 mm2 * chip.compute.tensor.peak.bf16 / 3.35 TB/s", "is in B\\^-1 FLOP mm\\^2"),
        ("hardware.chip.money.purchase", "60 USD * chip.memory.hbm.capacity", "is in B USD"),
        ("energy_j", "2 pJ/bit * chip.memory.hbm.read_bandwidth", "is in J s\\^-1"),
        ("power_w", "sqrt(4 W * 1 W) + 1 J", "joins"),
    ],
)
def test_a_law_without_units_or_whose_units_disagree_is_refused(name: str, law: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        asked().scenario.set({"laws": {name: law}})


def test_energy_of_accesses_where_specs_say_it() -> None:
    question = asked().scenario
    assert "memory_energy_j_per_token" not in simcore.estimate(question).values
    stated = {"hardware.chip.memory.hbm.energy": "4 pJ/bit", "hardware.chip.compute.tensor.energy": "0.5 pJ/FLOP"}
    found = simcore.estimate(question.set(stated))
    decode = [row for row in found.operations if row.phase == "decode"]
    assert found.memory_energy_j_per_token == pytest.approx(sum(r.moved_bytes for r in decode) * 32e-12 / 4)
    assert found.array_energy_j_per_token == pytest.approx(sum(r.flop for r in decode) * 0.5e-12 / 4)
    assert found.tpot_s == simcore.estimate(question).tpot_s


def test_assumptions_are_sorted_by_what_each_moves_alone() -> None:
    """Halving groups finds what one at a time finds, and the lines are those of the answer, none lost."""
    question = asked(system="dgx-h100")
    found = assumed(question.scenario)
    alone = {bar.key.split(".", 2)[2]: bar.swing_ratio for bar in swings(question)}
    assert {one.name.split(": ")[1]: one.swings["tpot_mean_s"] for one in found if "tpot_mean_s" in one.swings} == alone
    assert [one.most for one in found] == sorted((one.most for one in found), reverse=True) and found[0].most > 0
    told = simcore.estimate(question.scenario).assumptions
    texts = [f"{name}: {text}" for name, text in told.items()]
    listed = lines(texts, found)
    assert len(listed) == len(texts) and all(any(line.startswith(text) for line in listed) for text in texts)
    assert ": moves " in listed[0] and ": moves " not in listed[-1]
    assert assumed(question.scenario.set({"policy.draft_tokens": 2})) == [], "what cannot be priced is not sorted"
