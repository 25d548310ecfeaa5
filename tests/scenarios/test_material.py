"""Carbon and material of work: by hand, in both engines and in training; nothing where nobody asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simcore
from planners.engines import engines

LOAD = {"input_tokens": 500, "output_tokens": 100, "batch": 4, "requests": 24}
GRID = {"carbon": "0.4 kg/kWh", "lifetime": "3 year", "utilisation_ratio": 0.5, "pue_ratio": 1.2}


def weighed(tmp_path: Path) -> Any:
    path = tmp_path / "weighed.toml"
    path.write_text(
        'schema = "chip/1"\nextends = "a100-sxm-80gb"\nname = "weighed"\n'
        '[sources.guess]\nkind = "assumed"\ntitle = "made up"\n'
        '[material]\nembodied = { value = "150 kg", source = "guess" }\n'
        'masses.copper = { value = "1.5 kg", source = "guess" }\nmasses.tin = { value = "20 g", source = "guess" }\n'
    )
    return simcore.scenario("llama-3.1-8b", str(path), stack="datasheet", traffic=LOAD, economics=GRID)


def test_per_million_tokens_by_hand(tmp_path: Path) -> None:
    question = weighed(tmp_path)
    for told in (engines("analytic")(question), simcore.simulate(question).flat):
        chip_s = 1e6 / told["throughput_tokens_per_s"]
        used = chip_s / (3 * 365.25 * 86400 * 0.5)
        assert told["chips_used_per_million_tokens"] == pytest.approx(used)
        kwh = chip_s * told["facility_power_w"] / 3.6e6
        assert told["carbon_kg_per_million_tokens"] == pytest.approx(0.4 * kwh + 150 * used)
        assert told["material_kg_per_million_tokens"] == pytest.approx({"copper": 1.5 * used, "tin": 0.02 * used})


def test_a_longer_life_and_a_cleaner_grid_take_less(tmp_path: Path) -> None:
    question = weighed(tmp_path)
    base = engines("analytic")(question)
    longer = engines("analytic")(question.set({"economics.lifetime": "6 year"}))
    cleaner = engines("analytic")(question.set({"economics.carbon": "0 kg/kWh"}))
    name = "carbon_kg_per_million_tokens"
    assert longer["chips_used_per_million_tokens"] == pytest.approx(base["chips_used_per_million_tokens"] / 2)
    assert 0.0 < cleaner[name] < base[name] and longer[name] < base[name]


def test_nobody_asks_nothing_is_told() -> None:
    question = simcore.scenario("llama-3.1-8b", "h100-sxm", stack="datasheet", traffic=LOAD)
    assert not [key for key in engines("analytic")(question) if "carbon" in key or "chips_used" in key]
    told = engines("analytic")(question.set({"economics.carbon": "0.4 kg/kWh"}))
    assert told["carbon_kg_per_million_tokens"] > 0.0 and "material_kg_per_million_tokens" not in told


def test_a_training_run_uses_up_chips() -> None:
    """Twice the life is half of the chips (arXiv 2512.04142 counts a model's footprint so)."""
    root = Path(__file__).resolve().parents[2]
    question = simcore.read(root / "examples" / "train-llama-8b.toml")
    question = question.set({"economics": GRID, "training.tokens": 1e12})
    once = simcore.train(question).flat
    twice = simcore.train(question.set({"economics.lifetime": "6 year"})).flat
    assert once["chips_used"] == pytest.approx(once["chip_hours"] / (3 * 365.25 * 24 * 0.5), rel=1e-6)
    assert twice["chips_used"] == pytest.approx(once["chips_used"] / 2) and once["carbon_kg"] > 0.0
