"""Predictors from tables: what they find in made-up counters and in measured tiles, told on rows left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simcore.calibration.learnt import bytes_of, chosen_rows, load, train
from simcore.calibration.tables import read_table
from simcore.errors import InputError
from tests.shared import shared

COUNTERS = ("instructions", "branch_misses", "cache_misses")


def counted(rows: int = 600, seed: int = 1) -> pd.DataFrame:
    """Seconds of programs by their counters: cycles of work, of wrong branches, of misses, at 3 GHz."""
    random = np.random.default_rng(seed)
    work = 10.0 ** random.uniform(6, 10, rows)
    branches, misses = work * 10.0 ** random.uniform(-5, -2, rows), work * 10.0 ** random.uniform(-6, -2, rows)
    seconds = (work / 3.0 + 15.0 * branches + 90.0 * misses) / 3e9 * random.lognormal(0.0, 0.03, rows)
    columns = dict(zip(COUNTERS, (work, branches, misses), strict=True))
    return pd.DataFrame({**columns, "seconds": seconds, "program": random.integers(0, 6, rows)})


def test_times_of_a_processor_by_its_counters() -> None:
    found, told = train(counted(), "seconds", COUNTERS)
    assert told[0].way == "law and trees" and told[0].median < 0.1
    by_way = {one.way: one.median for one in told}
    assert by_way["law and trees"] < by_way["law"] < by_way["median"]
    other = counted(200, seed=2)
    wrong = np.abs(found(other) / other["seconds"] - 1.0)
    assert float(np.median(wrong)) == pytest.approx(told[0].median, abs=0.03), "as told, on programs never seen"
    assert found.outside(other).mean() < 0.1
    assert found.outside({name: other[name] * 1e6 for name in COUNTERS}).all()


def test_groups_are_predicted_by_the_others() -> None:
    frame = counted()
    odd = frame["program"] == 0
    frame.loc[odd, "instructions"] *= 1e4  # by which it is known, where rows of it are learnt from
    frame.loc[odd, "seconds"] *= 4.0
    _, apart = train(frame, "seconds", COUNTERS, "program")
    _, mixed = train(frame, "seconds", COUNTERS)
    assert apart[0].rows == len(frame) and apart[0].mean > 1.5 * mixed[0].mean


def test_where_nothing_is_to_be_learnt_the_median_stays() -> None:
    frame = counted(1500).assign(seconds=np.random.default_rng(0).lognormal(0.0, 0.5, 1500))
    _, told = train(frame, "seconds", COUNTERS)
    by_way = {one.way: one.median for one in told}
    assert by_way["median"] < 1.15 * told[0].median


def test_runtime_and_power_of_measured_tiles() -> None:
    frame = read_table(str(shared("measured/operators/h200_sxm/gemm.parquet")))
    frame = chosen_rows(frame, "stack=vllm,gemm_dtype=bfloat16,stack_version=0.22.0").sample(2500, random_state=0)
    errors = {target: train(frame, target, ("m", "n", "k"))[1][0].median for target in ("latency_ms", "power_w")}
    assert errors["latency_ms"] < 0.15 and errors["power_w"] < 0.15, errors


def test_a_kept_predictor_says_the_same(tmp_path: Path) -> None:
    found, _ = train(counted(200), "seconds", COUNTERS)
    path = tmp_path / "seconds.npz"
    path.write_bytes(bytes_of(found))
    assert np.array_equal(load(path)(counted(50)), found(counted(50)))
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a whole npz archive"):
        load(path)


def test_what_cannot_be_learnt_from_is_named() -> None:
    frame = counted(100)
    for target, inputs in (("second", COUNTERS), ("seconds", ("program", "seconds")), ("seconds", ())):
        with pytest.raises(InputError):
            train(frame, target, inputs)
    with pytest.raises(InputError, match="0 or more"):
        train(frame.assign(seconds=0.0), "seconds", COUNTERS)
    with pytest.raises(InputError, match="whole rows"):
        train(frame.head(5), "seconds", COUNTERS)
