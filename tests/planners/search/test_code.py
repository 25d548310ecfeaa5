"""A study is data: the Python function that it names runs on request only."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.search import run
from planners.search.study import problem_of, read_search
from simcore.errors import InputError

STUDY = """
schema = "search/1"
name = "{name}"
[evaluator]
kind = "python"
call = "{call}"
outputs = ["cost"]
[space]
x = {{ integer = [1, 4] }}
[objective]
minimise = ["cost"]
[search]
method = "random"
budget = 4
"""
CODE = """
from pathlib import Path
Path(__file__).with_name("RAN").touch()
def f(x):
    return {"cost": float(x)}
number = 3
"""


def study(folder: Path, call: str, name: str = "own") -> Path:
    file = folder / "own.toml"
    file.write_text(STUDY.format(call=call, name=name))
    return file


def test_code_beside_the_study_runs_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "my_costs_a.py").write_text(CODE)
    file = study(tmp_path, "my_costs_a:f")
    with pytest.raises(InputError, match=r"own.toml: evaluator.call.*--allow-code"):
        run(file, out=tmp_path / "out")
    assert not (tmp_path / "RAN").exists() and not (tmp_path / "out").exists()
    run(file, out=tmp_path / "out", allow_code=True, quiet=True, shard="1/1")
    assert (tmp_path / "RAN").exists() and (tmp_path / "out" / "frontier.csv").read_text().startswith("x,cost\n1,1")


@pytest.mark.parametrize("call", ["os:system", "subprocess:getoutput", "builtins:exec", "shutil:rmtree"])
def test_no_function_of_the_language_runs_unasked(call: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allow-code"):
        problem_of(read_search(study(tmp_path, call)))


@pytest.mark.parametrize(
    "call",
    ["/tmp/x:f", "../x:f", "./x:f", "x/y:f", "x", "x:", ":f", "x:f.g", "x:f()", "a b:f", "x..y:f", ".x:f", "x:f:g"],
)
def test_paths_are_no_names(call: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names no function|needs call"):
        problem_of(read_search(study(tmp_path, call)), allow_code=True)


def test_what_cannot_be_imported_is_told(tmp_path: Path) -> None:
    (tmp_path / "my_costs_b.py").write_text(CODE)
    (tmp_path / "my_costs_c.py").write_text("raise RuntimeError('broken')")
    (tmp_path / "json.py").write_text(CODE)
    for call, problem in (
        ("my_costs_b:g", "cannot import"),
        ("my_costs_b:number", "not a function"),
        ("my_costs_c:f", "broken"),
        ("my_costs_missing:f", "cannot import"),
        ("json:loads", "also an installed module"),
    ):
        with pytest.raises(InputError, match=problem):
            problem_of(read_search(study(tmp_path, call)), allow_code=True)


@pytest.mark.parametrize("name", ["../../up", "/abs", "a/b", "..", "a b", "$(x)", "<b>"])
def test_names_never_leave_the_output_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name"):
        read_search(study(tmp_path, "x:f", name))


def test_compaction_leaves_foreign_files(tmp_path: Path) -> None:
    from planners.search.store import compact, merge

    for name in ("data-1.parquet", "data-2.parquet", "notes.txt"):
        (tmp_path / name).write_bytes(b"mine")
    assert compact(tmp_path) == 0
    with pytest.raises(InputError, match="holds no answers"):
        merge(tmp_path / "other", [tmp_path])
    assert not (tmp_path / "other").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data-1.parquet", "data-2.parquet", "notes.txt"]
