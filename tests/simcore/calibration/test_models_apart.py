"""Who answers for a model that the table lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware_specs import chip
from simcore.calibration.fit import fit_kernel
from simcore.calibration.tables import Group
from simcore.cost.artefact_io import KERNELS, from_arrays, to_arrays
from simcore.cost.calibrated import Artefact, KernelFit, OperatorModel
from simcore.cost.facts import chip_facts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, law_time_s

FACTS = chip_facts(chip("h100-sxm"))
HIDDEN = (2048.0, 2560.0, 3072.0, 4096.0, 5120.0, 6144.0, 7168.0, 8192.0)
SLOW = (3072.0, 5120.0, 7168.0)
"""models for which the tuner picked a kernel four times slower"""


def made_up() -> Group:
    """Eight models that follow the law with a dip for many rows per expert, three of them four times slower."""
    tokens = np.unique(np.round(np.geomspace(1, 16384, 120)))
    hidden, rows = (a.ravel() for a in np.meshgrid(HIDDEN, tokens))
    constant = {"inter_size": 1536.0, "topk": 8.0, "num_experts": 128.0, "moe_tp_size": 1.0, "moe_ep_size": 1.0}
    shapes = {name: np.full_like(rows, value) for name, value in constant.items()}
    shapes |= {"hidden_size": hidden, "num_tokens": rows, "distribution": 0.0 * rows, "matrices": 3.0 + 0.0 * rows}
    rule, setting = law("moe"), Setting(FACTS, kernel_format("bf16"))
    time_s = law_time_s(rule, rule.work(shapes, setting), setting, np.array(rule.start))
    time_s = time_s * np.where(rows > 512, 0.8, 1.0) * np.where(np.isin(hidden, SLOW), 4.0, 1.0)
    return Group("moe", "own", "1", "bf16", "", "one", shapes, time_s, np.arange(len(rows)))


@pytest.fixture(scope="module")
def fit() -> KernelFit:
    return fit_kernel(made_up(), FACTS, rows_per_number=1.5)[0]


def test_known_models_keep_their_oddities_and_others_are_answered_by_the_shared_trees(fit: KernelFit) -> None:
    group = made_up()
    assert np.median(np.abs(fit.time_s(group.shapes, FACTS) / group.time_s - 1.0)) < 0.05
    assert fit.is_known(group.shapes).all() and len(fit.shared_words)
    between = {**group.shapes, "hidden_size": group.shapes["hidden_size"] + 128.0}
    setting = Setting(FACTS, kernel_format("bf16"))
    work = fit.law.work(between, setting)
    features = np.stack(fit.law.features(work, setting), axis=1).astype(np.float32)
    residual = fit.shared_forest(features)
    outside = fit.octaves_outside(between) > 0
    residual = np.where(outside, np.clip(residual, fit.residual_low, fit.residual_high), residual)
    expected = law_time_s(fit.law, work, setting, fit.parameters) * np.exp(residual)
    assert not fit.is_known(between).any()
    assert np.allclose(fit.time_s(between, FACTS), expected)


def test_the_shared_trees_see_only_what_means_the_same_in_every_model(fit: KernelFit) -> None:
    assert fit.shared_forest.feature.max() < fit.law.shared


def test_the_interval_of_an_unknown_model_is_the_one_of_models_left_out(fit: KernelFit) -> None:
    model = OperatorModel(FACTS, "own", (Artefact("h100-sxm", "own", (fit,), {}, FACTS),), Artefact("any", "d", ()))
    columns = {"num_tokens": 256, "inter_size": 1536, "topk": 8, "num_experts": 128, "matrices": 3}
    spread = [model.predict("moe", {**columns, "hidden_size": h}).relative_error[0] for h in (4096, 4224)]
    assert spread == [fit.spread, fit.away_spread] and fit.away_spread > fit.spread


def test_arrays_without_the_second_forest_are_read_as_before(fit: KernelFit) -> None:
    artefact = Artefact("h100-sxm", "own", (fit, replace(fit, kernel="two")), {"schema": "calibration/1"}, FACTS)
    provenance = {"schema": "calibration/1", "chip": "h100-sxm", "stack": "own"}
    arrays = to_arrays(artefact)
    again = from_arrays(arrays, provenance).fits
    assert (again[1].shared_words == fit.shared_words).all() and (again[1].known == fit.known).all()
    assert again[0].numbers == fit.numbers
    gone = {f"{name}{end}" for name in KERNELS.optional for end in ("", "_count")}
    older = from_arrays({name: a for name, a in arrays.items() if name not in gone}, provenance).fits
    assert not len(older[0].known) and older[0].away_spread == 0.0 and (older[0].words == fit.words).all()
