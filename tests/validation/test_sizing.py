"""`validate size`: what is asked of `size` for a group of measured rows, and how its answers are judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas
import pytest

import simcore
from hardware_specs.shelves import using
from planners.estimate import estimate
from planners.sizing import size
from scenarios.stacks import served
from simcore.errors import InputError
from tests.shared import shared
from validation.serving.fit import Measured
from validation.serving.inputs import parameters, read_frame, read_questions, replayer
from validation.serving.rows import read_row
from validation.sizing import GOOD, Group, groups_of, judged, measured_rows, plan_of, question_of, validate
from validation.sizing_left_out import unseen

ROW = {"backend": "vllm", "precision": "fp8", "mode": "agg", "isl": 1024, "osl": 1024, "system": "h100_sxm"}


def row(tp: int, users: int, ttft_s: float, tpot_s: float, **more: object) -> Measured:
    found = read_row({**ROW, "id": f"x_c{users}_", "model_path": "Qwen/Qwen3-8B", "tp_size": tp, **more}).question
    assert found is not None
    return Measured(found, ttft_s, tpot_s)


ROWS = [row(1, 8, 0.1, 0.01), row(1, 64, 0.5, 0.02), row(2, 64, 0.3, 0.011), row(4, 64, 0.2, 0.008)]


def test_a_group_is_asked_for_what_was_measured_under_its_scripts() -> None:
    (group,) = groups_of(ROWS)
    assert (group.ttft_s, group.tpot_s) == (pytest.approx(0.25), pytest.approx(0.0105))
    assert not list(groups_of(ROWS[:3])), "two sets of degrees are no choice"
    asked = question_of(group, replayer())
    choice = {"plan.weights": "fp8", "plan.tp": 1, "traffic.users": 8}
    stated, plain = asked.offered(choice), question_of(group, replayer(), stated=False).offered(choice)
    assert stated is not None and stated["traffic.requests"] == 80 and "policy.memory_fraction" in stated
    assert plain is not None and set(plain) == {"traffic.requests", "traffic.think"}
    assert asked.offered({**choice, "plan.tp": 2}) is None and asked.offered({**choice, "plan.weights": "bf16"}) is None
    found = size(asked)
    assert {(one.plan["tp"], one.users) for one in found.candidates} <= {(1, 8), (1, 64), (2, 64), (4, 64)}


def test_the_plan_is_judged_by_its_best_row_and_the_load_by_its_own() -> None:
    group = Group("g", tuple(ROWS))
    best = 64 * 1024 / (0.2 + 0.008 * 1023) / 4
    slow = 8 * 1024 / (0.1 + 0.01 * 1023)
    assert group.best_of(None) == pytest.approx(max(best, slow)) and group.best_of(plan_of(ROWS[2])) == 0.0
    assert group.best_of(plan_of(ROWS[0])) == pytest.approx(slow) == group.best_of(plan_of(ROWS[0]), 8)
    assert group.best_of(plan_of(ROWS[0]), 64) == 0.0, "its bounds are not kept there"
    newer = replace(ROWS[3], question=replace(ROWS[3].question, version="0.20.1"), tpot_s=0.007)
    again = Group("g", (newer, *ROWS))
    assert again.newest[plan_of(newer), 64].tpot_s == 0.007, "of repeats the newest release is asked"


def test_a_part_left_out_is_left_out_of_every_verb() -> None:
    """Meanwhile the stack's own parameters are those fitted without the model, whose intervals are a stranger's."""
    question = ROWS[0].question
    seen = replace(question, model="Qwen/Qwen3-32B")
    plain = simcore.scenario("qwen3-32b", "h100-sxm", stack="vllm", batch=8)
    known, without = estimate(plain), parameters(seen, "model")
    with unseen(seen, "model"):
        strange = estimate(plain)
        told = str(strange.flat["notes"])
        assert served("vllm") == without
    assert served("vllm") == parameters(seen) != without
    again = estimate(plain)
    times_s = [one.result.tpot_s for one in (strange, known, again)]
    assert times_s[0] != times_s[1] == times_s[2]
    assert "never measured" in told and "never measured" not in str(known.flat["notes"])
    with pytest.raises(InputError, match="model or system"):
        validate(ROWS, held_out_by="curve")


@pytest.mark.parametrize("text", ["x = [", "", "[parameters]\nhost_s = 'a'", "[parameters]\nhosts = 1.0"])
def test_spoilt_parameters_are_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "vllm.toml").write_text(text)
    with using([tmp_path]), pytest.raises(InputError, match=r"vllm\.toml"):
        served("vllm")


def test_six_groups_of_the_table() -> None:
    frame = read_frame(shared("measured/serving/silicon_serving.csv"), measured=True)
    groups = {group.name: group for group in groups_of(measured_rows(read_questions(frame), frame))}
    asks = replayer()
    found = [judged(groups[name], asks) for name in pandas.Series([*groups]).sample(6, random_state=3)]
    assert len(groups) == 78
    assert sum(one.ratio >= GOOD for one in found) >= 4, found
    assert sum(max(abs(one.ttft or 9.0), abs(one.tpot or 9.0)) <= 1.0 for one in found) >= 5, found
