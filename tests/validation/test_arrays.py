"""Cycles of spatial arrays: SCALE-Sim's own on 90 random products, laws of the closed forms, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.cost.dataflows import dataflow
from simcore.cost.dataflows._base import Gemm
from simcore.errors import InputError
from validation.arrays.rows import cycles_of

CYCLES = Path(__file__).with_name("scalesim_cycles.csv")
"""of `python -m benchmarks arrays --keep FILE`, every eighth row"""
sides = st.integers(1, 300)


def test_cycles_are_those_of_scalesim() -> None:
    frame = pd.read_csv(CYCLES)
    assert set(frame["dataflow"]) == set(dataflow) and len(frame) == 90
    told = cycles_of(frame.drop(columns="cycles"), "x.csv")
    assert told.tolist() == frame["cycles"].tolist()


@given(st.sampled_from(sorted(dataflow)), sides, sides, sides, st.integers(1, 64), st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_laws_of_arrays(name: str, m: int, n: int, k: int, height: int, width: int) -> None:
    flow, gemm = dataflow(name), Gemm(m, n, k)
    cold = float(flow.cycles(gemm, height, width))
    assert float(flow.warm_cycles(gemm, height, width)) <= cold
    assert 0.0 < float(flow.utilisation_ratio(gemm, height, width)) <= 1.0
    for more in (Gemm(m + 1, n, k), Gemm(m, n + 1, k), Gemm(m, n, k + 1)):
        assert float(flow.cycles(more, height, width)) >= cold


def test_a_long_stream_fills_the_array() -> None:
    flow = dataflow("weight")
    ratio = flow.utilisation_ratio(Gemm(np.array([1e3, 1e6]), 128, 128), 128, 128)
    assert ratio[0] < 0.75 < 0.999 < ratio[1] <= 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataflow": "row"}, "unknown dataflow 'row'"),
        ({"height": 0}, "row 0: 0 is no whole number from 1"),
        ({"m": 2.5}, "row 0: 2.5 is no whole number from 1"),
        ({"k": "many"}, "is not a number from 0"),
    ],
)
def test_bad_tables_are_refused(change: dict[str, object], words: str) -> None:
    row = {"dataflow": "output", "height": 4, "width": 4, "m": 3, "n": 3, "k": 3} | change
    with pytest.raises(InputError, match=words):
        cycles_of(pd.DataFrame([row]), "x.csv")
    with pytest.raises(InputError, match="has no column 'k'"):
        cycles_of(pd.DataFrame([row]).drop(columns="k"), "x.csv")
