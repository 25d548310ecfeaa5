"""`compare`: the inputs that differ, the figures that move, the same from a file as from its finished run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import mount
from planners.comparing import Side, compare, read_side
from planners.comparing.words import flat, in_words
from simcore.errors import InputError
from tests.reports.pages import shown

BASE = """
schema = "scenario/2"
name = "one"
[model]
name = "llama-3.1-8b"
[hardware]
system = "{system}"
stack = "datasheet"
[traffic]
input_tokens = 500
output_tokens = 50
requests = 60
rate_per_s = {rate}
"""


def scenario(folder: Path, name: str, system: str = "h100-sxm", rate: float = 4.0) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(BASE.format(system=system, rate=rate))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A scenario, the folder of its run, and the same on another chip."""
    folder = tmp_path_factory.mktemp("compare")
    one, other = scenario(folder, "one"), scenario(folder, "other", "h200-sxm")
    done = CliRunner().invoke(mount(), ["simulate", str(one), "--out", str(folder / "run"), "-q"])
    assert done.exit_code == 0, done.output
    return one, folder / "run", other


def test_a_file_is_as_its_finished_run(files: tuple[Path, Path, Path]) -> None:
    (found,) = compare([read_side(files[0]), read_side(files[1])])
    assert not found.differences and all(move.before == move.after for move in found.moves)
    assert found.base.samples["ttft_s"].tolist() == found.other.samples["ttft_s"].tolist()
    assert in_words(found)[1:] == ["The same inputs.", "No main figure moved by 1 % or more."]


def test_a_chip_is_told_and_what_it_moves(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run, other = files[1:]
    words = ["compare", str(run), str(other), "--json", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(mount(), words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)["against_first"][0]
    assert told["inputs"] == [{"key": "hardware.system", "before": "h100-sxm", "after": "h200-sxm"}]
    (tpot,) = (move for move in told["moves"] if move["name"] == "tpot_p50_s")
    assert tpot["better"] and tpot["ratio"] == tpot["after"] / tpot["before"] < 1.0
    page = shown(tmp_path / "out/compare.html")
    assert "h200-sxm" in page.text and page.figure("What moved")["rows"] and page.figure("TPOT")["series"]


def test_a_side_without_an_answer_says_why(tmp_path: Path) -> None:
    small = scenario(tmp_path, "small", "rtx-4070")
    (found,) = compare([read_side(scenario(tmp_path, "one"), "estimate"), read_side(small, "estimate")])
    assert "does not fit" in found.other.reason and any("has no answer" in line for line in in_words(found))


def test_what_seeds_do_not_tell_apart_is_chance() -> None:
    base = Side("a", "simulate", {"x": 1}, {"tpot_p50_s": 1.0}, spread={"tpot_p50_s": 0.1})
    near, far = (
        Side("b", "simulate", {"x": 2}, {"tpot_p50_s": value}, spread={"tpot_p50_s": 0.1}) for value in (1.12, 1.2)
    )
    matters = [one.moves[0].matters for one in compare([base, near, far])]
    assert matters == [False, True] and flat(compare([base, near]))["against_first"][0]["inputs"]


@pytest.mark.parametrize("what", ["nothing", "summary", "asked"])
def test_a_folder_that_is_no_run_is_refused(what: str, tmp_path: Path, files: tuple[Path, Path, Path]) -> None:
    if what != "nothing":
        (tmp_path / "summary.json").write_text("{}" if what == "summary" else (files[1] / "summary.json").read_text())
        (tmp_path / "asked.json").write_text("{}")
    with pytest.raises(InputError):
        read_side(tmp_path)
