"""Layer profiles: communication of tensor parallelism, uneven KV."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from simcore.calibration.importers.layer_profile import _alpha, all_reduce_over, gather_over


def test_all_reduce_meets_the_measured_sizes() -> None:
    """Two RTX PRO 6000 over PCIe: microseconds of 0.13, 1, 4 and 17 MB."""
    found = all_reduce_over(64e9, 2, hidden_size=4096)(np.array([16.0, 128.0, 512.0, 2048.0]))
    assert found * 1e6 == pytest.approx([8.2, 30.1, 106.0, 474.9], rel=0.12)


def test_more_gpus_use_a_ring() -> None:
    two, four = (float(all_reduce_over(64e9, tp, 4096)(np.array([128.0]))[0]) for tp in (2, 4))
    assert four > 1.5 * two


def test_gathering_logits_meets_the_measured_size() -> None:
    """16.8 MB of logits on two RTX PRO 6000: 277 us; nothing without sequences."""
    found = gather_over(64e9, 2, vocab_size=131_072)(np.array([0.0, 64.0]))
    assert found[0] == 0.0
    assert found[1] == pytest.approx(277e-6, rel=0.05)


def test_alpha_is_a_median_by_batch_and_share_of_long_sequences() -> None:
    rows = pd.DataFrame({"n": [4, 4, 4, 8], "nb": [1, 1, 3, 2], "alpha": [0.1, 0.3, 0.4, 0.0]})
    table = _alpha(rows)
    assert table.y is not None
    batch, place = table.x.knots(), table.y.knots()
    assert table.values[batch == 4][0][place == 0.25] == pytest.approx(0.2)
    assert table.values[batch == 4][0][place == 1.0] == pytest.approx(0.4)
    assert table.values[batch == 6][0][place == 0.25] == pytest.approx(0.1)
    assert np.all(table.values[batch >= 8] == 0.0)
