"""Layer profiles: communication of tensor parallelism, uneven KV."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simcore.calibration.importers.layer_profile import (
    Shape,
    _alpha,
    all_reduce_over,
    exchange_over,
    gather_over,
    layer_step_times,
    shared_layer_steps,
)


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
    assert table.values[batch == 6][0][place == 0.25] == pytest.approx(0.2 * 4 / 6 / 2)
    assert np.all(table.values[batch >= 8] == 0.0)


def test_alpha_is_not_carried_across_the_batch_from_which_sequences_are_read_whole() -> None:
    """Split batches have no tail; from 6 sequences on the tail of 8 is one of the same length."""
    rows = pd.DataFrame({"n": [4, 8], "nb": [2, 4], "alpha": [0.0, 0.3]})
    table = _alpha(rows, whole_batch=6.0)
    found = {count: table.values[table.x.knots() == count][0][0] for count in (4.0, 5.0, 6.0, 8.0, 16.0)}
    assert found == pytest.approx({4.0: 0.0, 5.0: 0.0, 6.0: 0.4, 8.0: 0.3, 16.0: 0.3})


def write_profile(folder: Path, experts: bool = False) -> Path:
    """A made-up profile: 10 us of dense work, attention by chunk and by KV read, experts by those that are active."""
    folder.mkdir(parents=True)
    dense = [("qkv_proj", tokens, 10.0 + 0.1 * tokens) for tokens in (1, 64, 2048)] + [("layernorm", 1, 1.0)]
    pd.DataFrame(dense, columns=["layer", "tokens", "time_us"]).to_csv(folder / "dense.csv", index=False)
    rows = [(chunk, 0, 0, 0, 0.05 * chunk) for chunk in (16, 2048)]
    rows += [(0, 0, batch, kv, 1.0 + 1e-3 * batch * kv) for batch in (1, 256) for kv in (16, 16384)]
    rows += [(16, 0, batch, 16, 1.8) for batch in (1, 256)]
    names = ["prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "attention.csv", index=False)
    head = [("lm_head", 1, 100.0), ("lm_head", 256, 200.0)]
    pd.DataFrame(head, columns=["layer", "sequences", "time_us"]).to_csv(folder / "per_sequence.csv", index=False)
    if experts:
        moe = [(tokens, n, 6.0 * n + 0.2 * tokens) for n in (8, 64, 128) for tokens in (1, 128, 4096)]
        names = ["tokens", "activated_experts", "time_us"]
        pd.DataFrame(moe, columns=names).to_csv(folder / "moe.csv", index=False)
    return folder


def shared_s(folder: Path, ranks: int, tokens: float) -> float:
    """The experts' part of a step of `tokens` in all, of two layers, with a free exchange."""
    shape = Shape(layers=2, experts=128, experts_per_token=8, expert_ranks=ranks)
    table = shared_layer_steps(folder, shape, lambda moved: 0.0 * moved).shared.dense_pure
    return float(np.interp(tokens, table.x.knots(), table.values))


def test_one_token_reads_its_own_experts_and_ranks_share_work_and_weights(tmp_path: Path) -> None:
    folder = write_profile(tmp_path / "tp1", experts=True)
    assert shared_s(folder, 1, 1.0) == pytest.approx(2 * (6.0 * 8 + 0.2) * 1e-6)
    assert shared_s(folder, 1, 4096.0) == pytest.approx(2 * (6.0 * 128 + 0.2 * 4096) * 1e-6, rel=1e-3)
    assert shared_s(folder, 2, 4096.0) == pytest.approx(0.5 * shared_s(folder, 1, 4096.0), rel=1e-3)


def test_own_and_shared_parts_add_up_to_the_whole_step(tmp_path: Path) -> None:
    folder = write_profile(tmp_path / "tp1", experts=True)
    shape = Shape(layers=2, experts=128, experts_per_token=8)
    whole = layer_step_times(folder, shape).dense_mixed
    parts = shared_layer_steps(folder, shape, lambda moved: 0.0 * moved)
    own = parts.own.dense_mixed
    for tokens in (1.0, 32.0, 1024.0):
        mine = np.interp(tokens, own.x.knots(), own.values)
        assert mine + shared_s(folder, 1, tokens) == pytest.approx(np.interp(tokens, whole.x.knots(), whole.values))


def test_the_exchange_moves_all_tokens_there_and_back() -> None:
    """Two ranks, 2,048 tokens of 2,048 values in all: half of them each way."""
    found = float(exchange_over(64e9, 2, hidden_size=2048)(np.array([2048.0]))[0])
    assert found > 2 * 0.5 * 2048 * 2048 * 2 / 64e9
