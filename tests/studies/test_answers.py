"""What is found: states, tolerances, intervals, placebo, tampering, drift; cheap studies rerun."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from scenarios.toml import dumps
from studies.answers import Answers
from studies.catalogue import SHIPPED, parse, recorded
from studies.checks import moves_nothing, problems, rows_of, tampered
from studies.form import Claim
from studies.judge import EXPLAINED, FITTED, REPRODUCED, UNEXPLAINED, is_inside, judged, tolerance
from studies.run import drift, outcome
from tests.studies.test_rules import small


def made(**changes: Any) -> Any:
    raw: dict[str, Any] = small()
    raw["claims"][0] |= changes
    return parse(dumps(raw), "small.toml")


def test_states_follow_from_the_gap_and_the_reason() -> None:
    study = made()
    answers = Answers(study.ask)
    found = judged(study, answers)
    ours = found[0].ours
    assert ours is not None and 1.2 < ours < 2.1 and found[0].null == 1.0
    time = found[1]
    assert time.low is not None and time.ours is not None and time.high is not None
    assert time.low < time.ours < time.high and time.mover == "bandwidth" and time.null is None

    def state(**changes: Any) -> str:
        return judged(made(**changes), answers)[0].state

    assert state(published=ours) == REPRODUCED
    assert state(published=3 * ours) == UNEXPLAINED
    assert state(published=3 * ours, why="the bandwidth") == EXPLAINED


def test_a_fitted_input_takes_its_claim_out() -> None:
    raw: dict[str, Any] = small()
    raw["claims"][1]["name"] = "tpot"
    raw["inputs"][0] |= {"kind": "fitted", "fitted_to": ["tpot"]}
    study = parse(dumps(raw), "small.toml")
    assert judged(study, Answers(study.ask))[1].state == FITTED  # type: ignore[arg-type]


def test_a_ratio_is_at_most_half_way_to_no_difference() -> None:
    claim = Claim("a", "headline", "a.x / b.x", published=1.3)
    assert tolerance(claim, 1.0) == pytest.approx(0.15) and tolerance(claim, None) == pytest.approx(0.325)
    assert is_inside(claim, 1.45, 0.15) and not is_inside(claim, 1.46, 0.15)
    ranged = replace(claim, published=(2.0, 19.0))
    assert is_inside(ranged, 10.0, tolerance(ranged, 1.0)) and not is_inside(ranged, 1.4, tolerance(ranged, 1.0))


def test_metrics_that_move_nothing_are_told() -> None:
    assert moves_nothing(Claim("a", "inner", "a.x / b.x")) == []
    assert moves_nothing(Claim("a", "inner", "a.x / b.x + 0 * a.y")) == ["a.y"]


def test_a_placebo_that_is_no_baseline_is_told() -> None:
    raw: dict[str, Any] = small()
    assert problems(parse(dumps(raw), "small.toml")) == []
    raw["placebo"]["off"] = {"traffic.batch": 5}
    assert any("mechanism off" in text for text in problems(parse(dumps(raw), "small.toml")))


def test_doubled_claims_leave_every_row_as_it_is() -> None:
    study = SHIPPED("megatron-sequence-parallelism")
    twice = tampered(study)
    assert [c.published for c in twice.claims] != [c.published for c in study.claims]
    assert json.dumps(rows_of(study)) == json.dumps(rows_of(twice))


def test_every_shipped_study_keeps_the_rules_and_is_on_the_page() -> None:
    for name in SHIPPED:
        study = SHIPPED(name)
        assert study.name == name and set(recorded()[name]) == {claim.says for claim in study.claims}


CHEAP = [name for name in SHIPPED if SHIPPED(name).cheap]


@pytest.mark.parametrize("name", CHEAP)
def test_cheap_studies_answer_what_the_page_says(name: str) -> None:
    found = outcome(name, is_checked=True)
    assert found["problems"] == [] and drift(found) == [] and found["state"] != UNEXPLAINED
