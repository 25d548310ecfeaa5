"""Engines give the same search as one process, and survive the loss of a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planners.search.backend import BACKENDS, backend
from planners.search.method import method
from planners.search.run import Setting, search
from tests.planners.search.problems import deadly_work, noisy_work, problem

CASES = [pytest.param(n, marks=pytest.mark.slow) if n in ("ray", "dask") else n for n in BACKENDS.names()]


@pytest.fixture(params=CASES)
def engine(request: Any) -> Iterator[Any]:
    name = request.param
    if name in ("dask", "ray"):
        pytest.importorskip({"dask": "distributed", "ray": "ray"}[name])
    found = backend(name, workers=2)
    yield found
    found.close()


def test_same_search_everywhere(engine: Any) -> None:
    for asked in (problem(), problem(noisy_work, noisy=True)):
        setting = Setting(budget=120, seed=5, batch=30)
        local = search(asked, method("mutation"), setting)
        away = search(asked, method("mutation"), setting, backend=engine)
        assert np.array_equal(local.units, away.units)
        assert np.array_equal(local.values, away.values, equal_nan=True)
        assert local.frontier[0] == away.frontier[0]


LOSERS = ["joblib", pytest.param("dask", marks=pytest.mark.slow), pytest.param("ray", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", LOSERS)
def test_a_lost_worker_costs_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    monkeypatch.setenv("SEARCH_TEST_FLAG", str(tmp_path / "died"))
    engine = backend(name, workers=2)
    away = search(problem(deadly_work), method("random"), Setting(budget=40, seed=1), backend=engine)
    engine.close()
    assert (tmp_path / "died").exists()
    local = search(problem(), method("random"), Setting(budget=40, seed=1))
    assert np.array_equal(local.values, away.values, equal_nan=True)


@pytest.mark.slow
def test_dask_by_address_equals_the_local_run() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        engine = backend("dask", address=cluster.scheduler_address)
        assert engine.workers == 2
        setting = Setting(budget=60, seed=5, batch=20)
        away = search(problem(), method("mutation"), setting, backend=engine)
        engine.close()
    local = search(problem(), method("mutation"), setting)
    assert np.array_equal(local.values, away.values, equal_nan=True)
