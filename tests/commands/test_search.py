"""`simcore search` from end to end."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import simcore as simcore_api
from commands.search import register
from simcore.errors import SimcoreError

ROOT = Path(__file__).resolve().parents[2]
TIERED = str(ROOT / "examples/search/tiered.toml")


@dataclass
class Done:
    stdout: str
    stderr: str


def simcore(*arguments: str, code: int = 0) -> Done:
    """The commands in this process; bad input as `cli` shows it."""
    app = typer.Typer()
    register(app)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            app(["search", *map(str, arguments)], standalone_mode=False)
        except SimcoreError as error:
            assert code == 2, error
            return Done(out.getvalue(), f"{error}\n")
        except typer.Exit as stop:
            assert code == stop.exit_code
            return Done(out.getvalue(), "")
    assert code == 0
    return Done(out.getvalue(), "")


def test_run_writes_files_and_finds_answers_again(tmp_path: Path) -> None:
    arguments = (TIERED, "--method", "mutation", "--budget", "60", "--out", str(tmp_path), "--json")
    first, again = (json.loads(simcore(*arguments).stdout) for _ in range(2))
    assert first["evaluated_now"] > 0 and again["evaluated_now"] == 0
    assert first["frontier"] == again["frontier"] and first["knee"] in [
        {k: v for k, v in row.items() if not k.startswith("log_")} for row in first["frontier"]
    ]
    assert {"frontier.csv", "evaluations.csv", "search.json", "search.html", "store"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_the_python_face_finds_the_same(tmp_path: Path) -> None:
    found = simcore_api.search(TIERED, method="mutation", budget=60, store=tmp_path)
    told = json.loads(simcore(TIERED, "--method", "mutation", "--budget", "60", "--out", str(tmp_path / "o"),
                              "--store", str(tmp_path), "--json").stdout)  # fmt: skip
    assert told["evaluated_now"] == 0 and told["hypervolume"] == found.hypervolume


def test_an_optuna_journal_has_every_evaluation(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal = tmp_path / "study.log"
    arguments = (TIERED, "--method", "random", "--budget", "30", "--out", str(tmp_path / "o"), "--optuna", str(journal))
    for _ in range(2):  # the second replaces the first
        told = json.loads(simcore(*arguments, "--json").stdout)
    study = optuna.load_study(study_name=told["name"], storage=JournalStorage(JournalFileBackend(str(journal))))
    done = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(study.trials) == 30 and len(done) == told["feasible_evaluations"]
    assert sorted(trial.values for trial in study.best_trials) == sorted(
        [row[name] for name in told["objectives"]] for row in told["frontier"]
    )
    journal.write_text("mine")
    assert "another kind of file" in simcore(*arguments, code=2).stderr


def test_an_unfinished_search_wants_resume(tmp_path: Path) -> None:
    (tmp_path / "unfinished-1-of-1").write_text("killed\n")
    arguments = (TIERED, "--method", "random", "--budget", "20", "--out", str(tmp_path), "--quiet")
    refused = simcore(*arguments, code=2)
    assert "--resume" in refused.stderr and refused.stderr.count("\n") == 1
    simcore(*arguments, "--resume")
    assert "no unfinished search" in simcore(*arguments, "--resume", code=2).stderr


def test_parts_of_a_job_array_and_merge(tmp_path: Path) -> None:
    for part in ("1/2", "2/2"):
        out = tmp_path / part[0]
        simcore(TIERED, "--method", "random", "--budget", "40", "--shard", part, "--out", str(out), "--quiet")
    simcore("merge", str(tmp_path / "all"), str(tmp_path / "1" / "store"), str(tmp_path / "2" / "store"), "--compact")
    found = simcore(TIERED, "--method", "random", "--budget", "40", "--out", str(tmp_path / "whole"),
                    "--store", str(tmp_path / "all"), "--json")  # fmt: skip
    assert json.loads(found.stdout)["evaluated_now"] == 0


def test_compare_tells_ratios_and_who_was_left_out(tmp_path: Path) -> None:
    done = simcore("compare", TIERED, "--methods", "mutation,cma-es", "--budget", "40", "--seeds", "3", "--draws", "1",
                   "--out", str(tmp_path), "--json")  # fmt: skip
    found = json.loads(done.stdout)
    assert {row["method"] for row in found["rows"]} == {"random", "mutation"}
    assert "several objectives" in found["left_out"]["cma-es"]
    assert all(0 < row["mean_ratio"] <= 1 for row in found["rows"])
    assert (tmp_path / "compare-methods.html").exists() and (tmp_path / "comparison.md").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((TIERED, "--method", "mutatoin"), "did you mean mutation"),
        ((TIERED, "--shard", "3/2"), "not a part"),
        ((TIERED, "--backend", "dusk"), "did you mean dask"),
        (("missing.toml",), "no such file"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = simcore(*arguments, "--out", str(tmp_path), code=2)
    assert words in done.stderr and done.stderr.count("\n") == 1
