"""Kernel calls: the laws, rows left out, tables that are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hardware_specs
from simcore.cost.facts import chip_facts
from simcore.cost.kernel_calls import CALLS
from simcore.errors import InputError
from tests.shared import shared
from validation.kernels.fit import fit
from validation.kernels.proof import errors, held_out, predict, shipped
from validation.kernels.rows import groups

CHIP = chip_facts(hardware_specs.chip("a100-sxm-80gb"))
ROW = {"device": "A100", "operator": "matmul", "m": 64, "n": 128, "k": 256}
sides = st.integers(1, 20_000)


@given(
    st.sampled_from(sorted(CALLS)), st.sampled_from(sorted(shipped())), sides, sides, sides, st.sampled_from(range(3))
)
@settings(max_examples=60, deadline=None)
def test_more_work_is_never_faster(kind: str, chip: str, m: int, n: int, k: int, grown: int) -> None:
    call, facts = CALLS[kind], chip_facts(hardware_specs.chip(chip))
    shapes = np.array([[m, n, k], [m, n, k]], float)
    shapes[1, grown] *= 2.0
    numbers = np.array([shipped()[chip][kind][name] for name in call.parameters])
    less_s, more_s = call.time_s(facts, shapes, numbers)
    assert 0.0 < less_s <= more_s * (1.0 + 1e-12)


def test_a_fit_finds_the_numbers_that_made_the_rows() -> None:
    call = CALLS["gelu"]
    shapes = np.array([[1.0, 2.0**power, 0.0] for power in range(10, 30)])
    true = np.array([4.5e-5, 2.5e-5, 0.6])
    found = fit("gelu", call, CHIP, shapes, call.time_s(CHIP, shapes, true))
    np.testing.assert_allclose(found, true, rtol=0.02)


def test_shapes_left_out_of_the_measured_table() -> None:
    frame = pd.read_csv(shared("measured/devices/llmcompass_kernels.csv"))
    frame = frame[frame["device"] == "A100"].reset_index(drop=True)
    found = {one["operator"]: one["median"] for one in errors(frame, held_out(frame, "x.csv"), "x.csv")}
    assert found.pop("all") <= 0.03 and max(found.values()) <= 0.08


def test_predictions_look_at_no_measured_column() -> None:
    rows = [ROW, ROW | {"operator": "softmax", "k": np.nan}, ROW | {"device": "MI210"}]
    frame = pd.DataFrame(rows)
    told = predict(frame, "x.csv")
    assert np.all(told.predicted_s > 0) and not any(told.reasons)
    again = predict(frame.assign(latency_us=1.0), "x.csv")
    assert told.predicted_s.tobytes() == again.predicted_s.tobytes()


def test_what_nobody_measured_has_a_reason() -> None:
    rows = [ROW | {"device": "H100"}, ROW | {"device": "abacus"}, ROW | {"operator": "conv"}]
    told = predict(pd.DataFrame(rows), "x.csv")
    assert np.isnan(told.predicted_s).all()
    for reason, words in zip(told.reasons, ("no calls were measured on H100", "unknown chip", "conv"), strict=True):
        assert words in reason


@pytest.mark.parametrize(
    ("change", "words"),
    [({"k": np.nan}, "a matmul without k"), ({"m": 0}, "no whole number"), ({"n": 1.5}, "no whole")],
)
def test_bad_tables_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(groups(pd.DataFrame([ROW | change]), "x.csv"))
    with pytest.raises(InputError, match="has no column 'n'"):
        list(groups(pd.DataFrame([ROW]).drop(columns="n"), "x.csv"))
