"""Artefacts as values: where they hold, what they say, what they weigh."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_specs import calibration
from hardware_specs.calibrations import measured_stacks
from simcore.cost.artefact_io import from_arrays, to_arrays
from simcore.cost.built_on import whole
from simcore.cost.trees import BULK_STEPS, pack, unpack
from simcore.errors import InputError

DECODE = {"batch_size": 16, "step": 4095, "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128}


def test_a_shape_outside_the_box_is_marked_and_its_interval_is_wider() -> None:
    model = calibration("h200-sxm", "trtllm")
    answer = model.predict("gemm", {"m": np.array([512.0, 1e7]), "n": 4096, "k": 4096})
    assert answer.extrapolated.tolist() == [False, True]
    assert answer.relative_error[1] > 2 * answer.relative_error[0] > 0
    assert answer.source == "trtllm:torch_flow"


def test_outside_the_box_the_residual_is_bounded() -> None:
    model = calibration("h200-sxm", "trtllm")
    far = model.predict("gemm", {"m": np.array([1e6, 1e7, 1e8]), "n": 8192, "k": 8192}).time_s
    ideal = 2.0 * np.array([1e6, 1e7, 1e8]) * 8192 * 8192 / model.chip.peak("bf16")
    assert (far > ideal).all() and (far < 3 * ideal).all()


def test_without_a_fit_the_data_sheet_answers_and_says_so() -> None:
    assert calibration("b300-sxm", "vllm").predict("attention_decode", DECODE).source == "datasheet:siblings"
    assert calibration("h200-sxm").predict("attention_decode", DECODE).source == "datasheet"
    assert calibration("h200-sxm", "vllm").predict("attention_decode", DECODE).source.startswith("vllm:")
    assert calibration("h200-sxm", "vllm").predict("attention_decode", DECODE).time_s.shape == (1,)


def test_collectives_belong_to_every_stack() -> None:
    columns = {"op": "all_reduce", "message_bytes": 1e6, "ranks": 8}
    answers = [calibration("h200-sxm", stack).predict("collective", columns) for stack in ("vllm", "sglang")]
    assert answers[0].source.startswith("nccl") and answers[0].time_s == answers[1].time_s


@pytest.mark.parametrize("stack", ["trtllm", "vllm", "sglang"])
def test_artefacts_are_small(stack: str) -> None:
    (artefact, *_) = calibration("h200-sxm", stack).artefacts
    for fit in artefact.fits:
        assert len(fit.words) * 4 + len(fit.parameters) * 4 <= 30_000
        assert fit.numbers <= max(0.1 * fit.rows / 0.75, 20)
    assert sum(fit.numbers for fit in artefact.fits) <= 0.1 * sum(fit.rows for fit in artefact.fits) / 0.79


def test_arrays_round_trip() -> None:
    (artefact, *_) = calibration("h200-sxm", "vllm").artefacts
    bare = from_arrays(to_arrays(artefact), artefact.provenance)
    again = whole(bare, lambda stack: calibration("h200-sxm", stack).artefacts[0])
    assert [f.kernel for f in again.fits] == [f.kernel for f in artefact.fits]
    assert all((a.words == b.words).all() for a, b in zip(again.fits, artefact.fits, strict=True))
    with pytest.raises(InputError, match="schema"):
        from_arrays({}, {"schema": "calibration/0"})


def test_both_walks_through_a_forest_agree() -> None:
    (artefact, *_) = calibration("h200-sxm", "trtllm").artefacts
    forest = max(artefact.fits, key=lambda f: len(f.words)).forest
    rng = np.random.default_rng(1)
    rows = BULK_STEPS // len(forest.roots) + 10
    features = rng.uniform(0, 16, (rows, 62)).astype(np.float32)
    assert (forest._compiled_walk(features)[:50] == forest._walk(features[:50])).all()  # 18 bits a leaf: sums are exact


def test_words_hold_trees_of_any_shape() -> None:
    feature = np.array([0, 1, -1, -1, 2, -1, 3, -1, -1, 0, -1, -1])
    value = np.array([0.5, 0.5, 1, 2, 0.5, 3, 0.5, 4, 5, 0.5, 10, 20], np.float32)
    forest = unpack(pack(feature, value))
    assert forest.roots.tolist() == [0, 9]
    rows = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 1]], np.float32)
    assert np.allclose(forest(rows), [11, 12, 23, 25], rtol=1e-4)


def test_every_stack_with_a_file_is_found() -> None:
    assert {"nccl", "sglang", "trtllm", "vllm"} <= set(measured_stacks("h200-sxm"))
    assert measured_stacks("arc-pro-b60") == []


def test_lengths_that_are_not_those_of_the_numbers_are_one_line() -> None:
    (artefact, *_) = calibration("a100-sxm-80gb", "trtllm").artefacts
    arrays = to_arrays(artefact)
    for name in ("parameters_count", "low_count"):
        cut = arrays | {name: np.zeros_like(arrays[name])}
        with pytest.raises(InputError, match="its lengths are not those of its numbers"):
            from_arrays(cut, artefact.provenance, "mine.npz")
