"""`simcore study`: lists, runs, checks and shows; what it refuses; what it writes and finds again."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.study import show_study
from planners.experts.question import read_question
from planners.power.problem import read_problem
from planners.tasks.form import schedule_of
from scenarios.read import from_raw, read
from scenarios.toml import dumps
from simcore.spec.load import read_file
from studies.catalogue import names, study
from tests.commands.test_commands import run
from tests.studies.test_rules import small

Said = tuple[int, str, str]


@pytest.fixture
def simcore(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    return lambda *words: run([str(word) for word in words], capsys, monkeypatch)


def written(folder: Path, **changes: object) -> Path:
    raw = small()
    raw["claims"][0] |= changes  # type: ignore[index, operator]
    file = folder / "mine.toml"
    file.write_text(dumps(raw), encoding="utf-8")
    return file


def test_every_study_is_listed_by_group(simcore: Callable[..., Said]) -> None:
    told = json.loads(simcore("study", "list", "--group", "training", "--json")[1])["studies"]
    assert len(told) == 24 == len(names("training")) and {one["group"] for one in told} == {"training"}


def test_a_study_of_ones_own_is_run_and_says_no_where_a_gap_has_no_reason(
    tmp_path: Path, simcore: Callable[..., Said]
) -> None:
    code, out, _ = simcore("study", "run", written(tmp_path, published=1000.0), "--json")
    one = json.loads(out)["studies"][0]
    assert code == 1 and (one["name"], one["group"], one["state"]) == ("small", "serving", "UNEXPLAINED")
    assert {"says", "kind", "published", "ours", "gap_percent", "state", "why"} <= set(one["claims"][0])
    code, out, _ = simcore("study", "run", written(tmp_path, published=1000.0, why="a test"))
    assert code == 0 and "explained" in out and "a test" in out


def test_what_was_finished_is_found_again(tmp_path: Path, simcore: Callable[..., Said]) -> None:
    file, out = written(tmp_path, why="a test"), tmp_path / "out"
    assert simcore("study", "run", file, "--out", out, "-q")[0] == 0
    assert {"studies.json", "studies.md", "studies-serving.svg"} <= {path.name for path in out.iterdir()}
    kept = next((out / ".studies").iterdir())
    kept.write_text(kept.read_text(encoding="utf-8").replace("faster", "found again"), encoding="utf-8")
    assert "found again" in simcore("study", "run", file, "--out", out)[1]
    written(tmp_path, why="another")
    assert "found again" not in simcore("study", "run", file, "--out", out)[1]


def test_a_system_becomes_a_scenario_of_ones_own(tmp_path: Path, simcore: Callable[..., Said]) -> None:
    out = simcore("study", "show", "gpipe", "--scenario", "--variant", "eight")[1]
    (tmp_path / "mine.toml").write_text(out, encoding="utf-8")
    assert read(tmp_path / "mine.toml").plan.pp == 8 and "claims" not in tomllib.loads(out)
    assert 'schema = "study/2"' in simcore("study", "show", "gpipe")[1]


def whole(file: Path, evaluator: str) -> Any:
    """What the command that the file names reads of it."""
    if evaluator == "power":
        return read_problem(file)
    if evaluator == "experts":
        return read_question(file)
    if 'schema = "tasks/1"' in file.read_text(encoding="utf-8"):
        return schedule_of(read_file(file, "schedule"), str(file)).work
    if evaluator not in ("step", "streams", "schedule", "accuracy"):
        return read(file)
    raw = read_file(file, "scenario")
    asked = raw.pop("asked", None) or evaluator == "accuracy"
    return asked and (raw["chip"] if "chip" in raw else from_raw(raw, str(file)))


def test_every_system_can_be_taken_as_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (n for n in names() if not study(n).missing):
        show_study(name, scenario=True)
        file = tmp_path / f"{name}.toml"
        file.write_text(capsys.readouterr().out, encoding="utf-8")
        assert whole(file, study(name).ask.evaluator)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "gpip"), "did you mean gpipe"),
        (("list", "--group", "mine"), "unknown group"),
        (("show", "oneflow", "--scenario"), "cannot be expressed yet"),
        (("show", "gpipe", "--scenario", "--variant", "nine"), "unknown variant"),
        (("run", "missing.toml"), "no such file"),
    ],
)
def test_bad_words_are_refused_in_one_line(words: tuple[str, ...], says: str, simcore: Callable[..., Said]) -> None:
    code, _, err = simcore("study", *words)
    assert code == 2 and says in err and err.count("\n") == 1


def test_a_study_that_drifts_is_told(
    tmp_path: Path, simcore: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert simcore("study", "check", "gpipe") == (0, "1 studies keep their rules\n", "")
    monkeypatch.setattr("studies.run.recorded", lambda: {"gpipe": {}})
    code, out, _ = simcore("study", "check", "gpipe")
    assert code == 1 and "recorded None" in out
