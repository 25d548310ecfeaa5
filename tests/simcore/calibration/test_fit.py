"""Fitting on made-up kernels whose truth is known; the split; what a table may and may not hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hardware_specs import chip
from simcore.calibration.fit import fit_kernel
from simcore.calibration.forest import evaluate, words
from simcore.calibration.residual import Manner, grow, learn
from simcore.calibration.split import held_out
from simcore.calibration.tables import groups
from simcore.calibration.validate import predictions, report, score
from simcore.cost.calibrated import Artefact, OperatorModel
from simcore.cost.facts import chip_facts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, law_time_s
from simcore.cost.trees import unpack
from simcore.errors import InputError


def made_up(rows: int = 6000) -> pd.DataFrame:
    """A gemm table that follows the law with other efficiencies, one per cent noise and a dip at multiples of 8."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: (2 ** rng.uniform(4, 12, rows)).astype(int) for name in "mnk"})
    rule, facts = law("gemm"), chip_facts(chip("h100-sxm"))
    setting = Setting(facts, kernel_format("bf16"))
    truth = np.array(rule.start) * 1.2
    work = rule.work({name: frame[name].to_numpy(float) for name in "mnk"}, setting)
    time_s = law_time_s(rule, work, setting, truth) * np.where(frame["m"] % 8 == 0, 0.9, 1.0)
    noisy = time_s * np.exp(rng.normal(0, 0.01, rows))
    labels = {"stack": "own", "stack_version": "1", "kernel_source": "one", "gemm_dtype": "bfloat16"}
    return frame.assign(latency_ms=noisy * 1e3, **labels)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_up()


@pytest.fixture(scope="module")
def model(frame: pd.DataFrame) -> OperatorModel:
    (group,), _ = groups(frame, "gemm")
    facts = chip_facts(chip("h100-sxm"))
    fit, _ = fit_kernel(group, facts)
    return OperatorModel(
        facts, "own", (Artefact("h100-sxm", "own", (fit,), {}, facts),), Artefact("any", "datasheet", ())
    )


def test_a_known_truth_is_found_within_its_noise(frame: pd.DataFrame) -> None:
    (group,), _ = groups(frame, "gemm")
    fit, error = fit_kernel(group, chip_facts(chip("h100-sxm")))
    assert error.median < 0.02 and error.p90 < 0.08 and error.rows > 400
    assert fit.numbers <= 0.1 * len(frame)


def test_predictions_do_not_look_at_the_measured_column(frame: pd.DataFrame, model: OperatorModel) -> None:
    blind = frame.drop(columns="latency_ms")
    seen, unseen = (score(f, "gemm", lambda stack: model) for f in (frame, blind))
    assert seen.predicted_s.tobytes() == unseen.predicted_s.tobytes()
    assert "newest" in report(seen) and "newest" not in report(unseen)


def test_rows_that_make_no_sense_are_left_empty_with_a_reason(frame: pd.DataFrame, model: OperatorModel) -> None:
    bad = frame.head(10).assign(m=[0, *frame["m"].head(9)])
    table = predictions(score(bad, "gemm", lambda stack: model))
    assert np.isnan(table["predicted_latency_ms"][0]) and "zero" in table["reason"][0]
    assert table["predicted_latency_ms"][1:].notna().all()


def test_one_shape_lies_on_one_side_of_the_split(frame: pd.DataFrame) -> None:
    shapes = {name: frame[name].to_numpy(float) for name in "mnk"}
    again = {name: column[::-1] for name, column in shapes.items()}
    assert (held_out(shapes) == held_out(again)[::-1]).all()
    assert 0.15 < held_out(shapes).mean() < 0.25


def test_baked_words_say_what_the_trees_say() -> None:
    rng = np.random.default_rng(1)
    features = rng.uniform(0, 10, (2000, 4)).astype(np.float32)
    target = np.sin(features[:, 0]) + 0.1 * features[:, 1]
    trees = grow(features, target, 300, Manner(12, 2.0))
    packed = words(trees)
    assert len(packed) <= 300
    assert np.allclose(unpack(packed)(features), evaluate(trees, features), rtol=1e-3, atol=1e-3)
    assert np.abs(evaluate(trees, features) - target).mean() < 0.2 * np.abs(target - np.median(target)).mean()
    assert len(learn(features[:50], target[:50], 5)) == 0


def test_a_missing_column_is_told(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no column 'k'"):
        groups(frame.drop(columns="k"), "gemm")
    with pytest.raises(InputError, match="no law"):
        groups(frame, "sort")
