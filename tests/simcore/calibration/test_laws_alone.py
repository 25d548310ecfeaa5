"""The laws of products and prompts without what is learned on top, against an A100's tables."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_specs import calibration
from simcore.calibration.tables import read_table
from simcore.calibration.validate import errors, score
from tests.shared import shared

BEST_CYCLE_SIMULATOR = 0.1398
"""error that the best cycle simulator of GPUs states on its own cases"""


@pytest.mark.parametrize("operation", ["gemm", "attention_prefill"])
def test_the_law_alone_is_as_close_as_a_cycle_simulator(operation: str) -> None:
    path = shared(f"measured/operators/a100_sxm/{operation}.parquet")
    scored = score(read_table(str(path)), operation, lambda stack: calibration("a100-sxm", stack).laws_alone)
    hidden = scored.unseen & (scored.measured_s > 0)
    for stack in ("vllm", "sglang", "trtllm"):
        ours = hidden & np.array([scored.label[g][0] == stack for g in scored.group])
        assert errors(scored.predicted_s[ours], scored.measured_s[ours])["median"] <= BEST_CYCLE_SIMULATOR


def test_a_law_alone_has_learned_nothing() -> None:
    whole = calibration("a100-sxm", "vllm")
    alone = whole.laws_alone
    assert all(not len(fit.words) + len(fit.shared_words) for a in alone.artefacts for fit in a.fits)
    shapes = {"m": np.array([1.0, 333.0]), "n": 4096.0, "k": 4096.0}
    assert np.all(alone.predict("gemm", shapes).time_s != whole.predict("gemm", shapes).time_s)
    assert alone.predict("gemm", shapes).source == whole.predict("gemm", shapes).source
