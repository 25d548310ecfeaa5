"""A small campaign of each kind in the suite; `make fuzz`, `make laws` and `make kill` try more."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from simcore.spec.load import read_toml
from tests.fuzz import kill, laws, together
from tests.fuzz.campaign import Tally, campaign, told
from tests.fuzz.judge import Outcome, verdict
from tests.fuzz.mutate import Change, as_toml, spoilt_rows, spoilt_tree
from tests.fuzz.spoil import Input


def test_spoilt_inputs_are_refused_or_answered() -> None:
    tally = campaign(200, 2, per_process=200)
    assert tally.tried == 200 and tally.codes["2"] > 60 and tally.codes["0"] > 20
    assert not tally.failures, told(tally)


@pytest.mark.parametrize("engine", laws.ENGINES)
def test_random_questions_obey_the_laws(engine: str) -> None:
    said: list[str] = []
    tried, broken = laws.campaign(engine, 60, 3, said.append)
    assert tried == 60 and not broken, "\n".join(said)


@pytest.mark.parametrize("name", ["import-model", "migrate"])
def test_a_kill_leaves_the_old_or_the_new(name: str) -> None:
    said: list[str] = []
    assert not kill.campaign(2, 5, said.append, only=name), "\n".join(said)
    assert said == [f"{name}: 2 kills, 0 failures"]


def test_writers_of_one_folder_leave_whole_sets() -> None:
    said: list[str] = []
    assert not together.campaign(2, 3, said.append), "\n".join(said)


ASKED = Input(Change("replaced", "plan.tp", "2", "-1", True), ("estimate", "s.toml", "--json"))
SOUND = Input(Change("replaced", "plan.tp", "2", "4"), ("estimate", "s.toml", "--json"))


@pytest.mark.parametrize(
    ("asked", "done", "said"),
    [
        (ASKED, Outcome(2, "", "simcore: s.toml: plan.tp: -1 is below zero\n", "", 0.1), ""),
        (ASKED, Outcome(0, "{}", "", "", 0.1), "taken in silence"),
        (SOUND, Outcome(0, '{"ttft_s": NaN}', "", "", 0.1), "nonsense"),
        (SOUND, Outcome(0, '{"ttft_s": -1.0}', "", "", 0.1), "nonsense"),
        (SOUND, Outcome(0, '{"ttft_s": 1.0}', "", "", 0.1), ""),
        (SOUND, Outcome(0, "simcore", "", "", 0.1), "no JSON"),
        (SOUND, Outcome(0, "{}", "", "", 21.0), "hang"),
        (SOUND, Outcome(2, "", "simcore: not enough memory: x\n", "", 0.1), "memory"),
        (SOUND, Outcome(2, "", "", "", 0.1), "message of 0 lines"),
        (SOUND, Outcome(3, "", "", "", 0.1), "exit code 3"),
        (SOUND, Outcome(None, "", "", 'File "/x/simcore/api.py", line 3\nKeyError: 1', 0.1), "traceback"),
    ],
)
def test_the_judge_sees_what_is_wrong(asked: Input, done: Outcome, said: str) -> None:
    found = verdict(asked, done, 20.0)[0]
    assert found.startswith(said) and bool(found) == bool(said)


def test_spoiling_changes_one_thing() -> None:
    raw = {"a": {"b": [1, {"c": "1 s"}]}, "d": 1.5, "e": True}
    assert read_toml(as_toml(raw), "") == raw
    for number in range(200):
        draw = random.Random(number)
        other, change = spoilt_tree(raw, draw)
        assert change.how and raw == {"a": {"b": [1, {"c": "1 s"}]}, "d": 1.5, "e": True}
        assert repr(other) != repr(raw) or change.new
    assert all(spoilt_rows("a,b\n1,2\n3,4\n", random.Random(n))[1].how for n in range(50))


def test_shrinking_keeps_what_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(raw: laws.Raw) -> list[str]:
        return ["too many"] if raw.get("traffic", {}).get("requests", 0) > 5 else []

    monkeypatch.setitem(laws.ENGINES, "event", (laws.event_question, breaks))
    raw = {"seed": 1, "name": "x", "policy": {"max_running": 4}, "traffic": {"requests": 80, "turns": 3}}
    assert laws.shrunk("event", raw) == {"seed": 1, "name": "x", "traffic": {"requests": 10}}


def test_a_tally_names_the_places() -> None:
    tally = Tally(
        tried=2, failures=[{"asks": 1, "said": "traceback: x", "group": "simcore/a.py:3", "words": "estimate"}]
    )
    assert "1 traceback | simcore/a.py:3 | input 1" in told(tally)


def test_sets_of_files_are_told_apart(tmp_path: Path) -> None:
    old, new = {"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2", "c": "1"}
    for name in "abc":
        (tmp_path / name).write_text("x")
    digest = kill.content(tmp_path)["a"]
    old, new = ({k: digest if v == kept else v for k, v in files.items()} for files, kept in ((old, "1"), (new, "0")))
    assert kill.judged(tmp_path, old, new) == []
    (tmp_path / "a").write_text("y")
    assert "neither old nor new" in kill.judged(tmp_path, old, new)[0]
    shutil.rmtree(tmp_path)
