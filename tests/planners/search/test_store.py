"""The store: nothing lost, nothing done twice, whatever kills the search."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from planners.search.method import method
from planners.search.run import SearchResult, Setting, open_store, search
from planners.search.store import Record, Store, compact, merge
from simcore.errors import InputError
from tests.planners.search.problems import problem, slow_work

ROOT = Path(__file__).resolve().parents[3]


def go(folder: Path, name: str = "mutation", budget: float = 60, **setting: object) -> SearchResult:
    asked = problem()
    with open_store(folder, asked) as store:
        return search(asked, method(name), Setting(budget=budget, **setting), store)  # type: ignore[arg-type]


def test_a_second_run_evaluates_nothing_and_finds_the_same(tmp_path: Path) -> None:
    first, again = go(tmp_path), go(tmp_path)
    assert first.evaluated > 0 and again.evaluated == 0
    assert np.array_equal(first.values, again.values, equal_nan=True)
    assert first.frontier[0] == again.frontier[0]


def test_a_longer_search_goes_on_from_a_shorter_one(tmp_path: Path) -> None:
    short, long = go(tmp_path, budget=30), go(tmp_path, budget=60)
    assert np.array_equal(long.units[:30], short.units)
    assert long.evaluated <= 30


def test_shards_share_the_work_and_merge(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole", "random", 100)
    parts = [go(tmp_path / f"part{i}", "random", 100, shard=(i, 3)) for i in range(3)]
    assert sum(len(p.units) for p in parts) == 100
    assert merge(tmp_path / "all", [tmp_path / f"part{i}" for i in range(3)]) == 3
    joined = go(tmp_path / "all", "random", 100)
    assert joined.evaluated == 0
    assert joined.frontier[0] == whole.frontier[0]


def test_compact_keeps_every_answer(tmp_path: Path) -> None:
    for seed in range(4):
        go(tmp_path, seed=seed, budget=20)
    before = len(open_store(tmp_path, problem()))
    assert compact(tmp_path) == 3 and len(list(tmp_path.glob("*.parquet"))) == 1
    assert len(open_store(tmp_path, problem())) == before
    assert go(tmp_path, seed=2, budget=20).evaluated == 0


def test_another_evaluator_never_sees_these_answers(tmp_path: Path) -> None:
    go(tmp_path)
    other = Store(tmp_path, "something else", ("time_s", "cost", "violation"))
    assert len(other) == 0


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    names = ("x", "violation")
    one, two = Store(tmp_path, "f", names), Store(tmp_path, "f", names)
    for store, key in ((one, "a"), (two, "b"), (two, "a")):
        store.append(Record([key], ["{}"], [0], [0], {"x": np.array([1.0]), "violation": np.zeros(1)}), flush=True)
    assert one.refresh() == 1 and two.refresh() == 0
    assert len(Store(tmp_path, "f", names)) == 2


def test_a_foreign_file_is_refused_in_words(tmp_path: Path) -> None:
    store = open_store(tmp_path, problem())
    (tmp_path / f"{store.prefix}-x.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="not a shard"):
        open_store(tmp_path, problem())


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_and_repeats_at_most_the_chunk_in_flight(tmp_path: Path, kills: int) -> None:
    store, log = tmp_path / "store", tmp_path / "log"
    budget = 120 if kills == 2 else 400
    clock = random.Random(7)
    known = 0
    for _ in range(kills):
        process = _start(store, log, budget)
        deadline = time.monotonic() + 30
        calls = _calls(log)
        while _calls(log) == calls and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(clock.uniform(0.0, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        found = len(open_store(store, problem(slow_work)))
        assert found >= known, "nothing recorded is lost"
        known = found
    assert _start(store, log, budget).wait(timeout=120) == 0
    asked = problem(slow_work)
    killed = search(asked, method("mutation"), Setting(budget=budget, seed=3, batch=40), open_store(store, asked))
    assert killed.evaluated == 0
    plain = search(problem(), method("mutation"), Setting(budget=budget, seed=3, batch=40))
    assert killed.frontier[0] == plain.frontier[0]
    assert np.array_equal(killed.frontier[1], plain.frontier[1])
    distinct = len({row.tobytes() for row in plain.units})
    chunk = 0.6 / 0.004  # answers younger than the flush time, and the chunk in work
    assert distinct <= _calls(log) <= distinct + kills * chunk


def _start(store: Path, log: Path, budget: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SEARCH_TEST_LOG": str(log), "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "tests.planners.search.problems", str(store), "mutation", str(budget)]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment)


def _calls(log: Path) -> int:
    return log.read_text().count(".") if log.exists() else 0
