"""One replica against hand-worked cases and numbered invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.engine.invariants import violations
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law, steps

NOW = np.zeros(1)


def trace(*rows: tuple[float, int, int]) -> Trace:
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Trace(columns[0].astype(float), columns[1], columns[2])


def test_one_request_takes_its_steps() -> None:
    run = serve(trace((1.0, 100, 5)), steps(step_s=0.01, token_s=0.001), ReplicaSettings())
    row = run.requests[0]
    assert row["first_token_s"] == pytest.approx(1.0 + 0.01 + 0.1)
    assert row["done_s"] == pytest.approx(1.11 + 4 * 0.011)


def test_one_output_token_is_done_with_its_prefill() -> None:
    run = serve(trace((0.0, 10, 1), (0.0, 20, 1)), steps(step_s=0.01), ReplicaSettings())
    assert run.requests["done_s"] == pytest.approx([0.01, 0.01])
    assert run.requests["first_token_s"] == pytest.approx(run.requests["done_s"])


def test_decode_attention_sees_the_new_token() -> None:
    run = serve(trace((0.0, 63, 3)), law(0.0, 0.0, 1e-3), ReplicaSettings())
    assert run.requests[0]["done_s"] == pytest.approx((64 + 65) * 1e-3)


def test_chunks_share_the_budget_with_decodes() -> None:
    how = ReplicaSettings(token_budget=10)
    run = serve(trace((0.0, 5, 4), (0.0, 14, 2)), steps(step_s=1.0), how)
    # steps: 5+5 | 1+9 -> second prompt complete after step 2 | decodes
    assert run.requests["first_token_s"] == pytest.approx([1.0, 2.0])
    assert run.requests["done_s"] == pytest.approx([4.0, 3.0])


def test_prefill_first_stalls_decodes() -> None:
    how = ReplicaSettings(scheduler="prefill-first", token_budget=100)
    run = serve(trace((0.0, 10, 3), (0.5, 10, 2)), steps(step_s=1.0), how)
    assert run.requests["first_token_s"] == pytest.approx([1.0, 2.0])
    assert run.requests["done_s"] == pytest.approx([4.0, 3.0])


def test_arrivals_of_the_same_instant_join_the_same_step() -> None:
    run = serve(trace((0.0, 10, 2), (0.0, 10, 2), (0.0, 10, 2)), steps(step_s=1.0), ReplicaSettings())
    assert run.requests["done_s"] == pytest.approx([2.0, 2.0, 2.0])


def test_a_step_composed_ahead_misses_what_arrives_during_the_one_before() -> None:
    rows = (0.0, 10, 10), (1.5, 10, 1)
    at_once = serve(trace(*rows), steps(step_s=1.0), ReplicaSettings())
    ahead = serve(trace(*rows), steps(step_s=1.0), ReplicaSettings(ahead=True))
    assert at_once.requests["first_token_s"][1] == pytest.approx(3.0)
    assert ahead.requests["first_token_s"][1] == pytest.approx(4.0)


def test_preemption_recomputes_and_loses_nothing() -> None:
    how = ReplicaSettings(kv_blocks=8, block_tokens=4, whole_prompt=True)
    run = serve(trace((0.0, 8, 20), (0.0, 8, 20)), steps(step_s=1.0), how)
    assert run.replicas["preemptions"][0] > 0
    assert run.done.all()
    assert violations(run) == []
    assert run.requests["first_token_s"][1] == pytest.approx(1.0)


def test_swap_keeps_tokens_and_pays_for_the_move() -> None:
    how = ReplicaSettings(kv_blocks=8, block_tokens=4, swap=True, swap_s_per_block=0.25)
    run = serve(trace((0.0, 8, 20), (0.0, 8, 20)), steps(step_s=1.0), how)
    assert run.replicas["prefill_tokens"][0] == 16
    assert run.done.all() and violations(run) == []


def test_a_request_that_can_never_fit_is_refused() -> None:
    run = serve(trace((0.0, 100, 5), (0.0, 8, 5)), steps(step_s=1.0), ReplicaSettings(kv_blocks=4))
    assert list(run.done) == [False, True]


def test_prefix_hits_shorten_the_prefill() -> None:
    hashes = np.array([7, 8, 7, 8, 9])
    shared = Trace(
        np.array([0.0, 10.0]),
        np.array([8, 12]),
        np.array([2, 2]),
        None,
        None,
        None,
        None,
        hashes,
        np.array([0, 2, 5]),
        4,
    )
    how = ReplicaSettings(block_tokens=4, hash_tokens=4, kv_blocks=100, whole_prompt=False)
    run = serve(shared, steps(token_s=1.0), how)
    assert run.requests["cached_tokens"][1] == 8
    assert run.requests["first_token_s"][1] == pytest.approx(14.0)


def test_speculation_speeds_decoding_up() -> None:
    rows = trace(*((0.0, 10, 200),) * 8)
    plain = serve(rows, steps(step_s=1.0), ReplicaSettings())
    drafted = serve(rows, steps(step_s=1.0), ReplicaSettings(draft_tokens=3, acceptance_ratio=0.7))
    per_step = (1 - 0.7**4) / (1 - 0.7)
    gain = plain.requests["done_s"].mean() / drafted.requests["done_s"].mean()
    assert gain == pytest.approx(per_step, rel=0.05)
    assert violations(drafted) == []


@pytest.mark.parametrize("width", [2, 4])
def test_a_wider_draft_tree_gains_by_its_law(width: int) -> None:
    rows = trace(*((0.0, 10, 400),) * 16)
    plain = serve(rows, steps(step_s=1.0), ReplicaSettings())
    drafted = serve(rows, steps(step_s=1.0), ReplicaSettings(draft_tokens=3, draft_width=width, acceptance_ratio=0.5))
    per_step = (1 - 0.5**4) / (1 - 0.5) + (1 - 0.5 ** (width - 1)) * (1 - 0.5**3)
    gain = plain.requests["done_s"].mean() / drafted.requests["done_s"].mean()
    assert gain == pytest.approx(per_step, rel=0.03)
    assert violations(drafted) == []


def test_every_candidate_of_a_draft_tree_is_verified() -> None:
    rows = trace((0.0, 10, 50))
    how = {"draft_tokens": 3, "acceptance_ratio": 0.0}
    narrow, wide = (serve(rows, steps(token_s=1.0), ReplicaSettings(draft_width=w, **how)) for w in (1, 3))
    last = [run.requests["done_s"][0] - run.requests["first_token_s"][0] for run in (narrow, wide)]
    assert last == pytest.approx([49 * 4.0, 49 * 10.0])


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60), st.integers(1, 40)), min_size=1, max_size=25),
    st.sampled_from(["chunked", "prefill-first"]),
    st.integers(8, 40),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 10, 40]),
)
@settings(max_examples=60, deadline=None)
def test_invariants_hold_whatever_arrives(
    rows: list[tuple[float, int, int]], scheduler: str, blocks: int, whole: bool, ahead: bool, cached: bool, window: int
) -> None:
    ordered = trace(*sorted(rows))
    hashes = {}
    if cached:
        counts = ordered.input_tokens // 4
        start = np.concatenate([[0], np.cumsum(counts)])
        values = np.concatenate([np.arange(n) + 1000 * (k % 3) for k, n in enumerate(counts)] or [np.zeros(0)])
        hashes = {"prefix_hashes": values.astype(np.int64), "prefix_start": start, "prefix_block_tokens": 4}
    ordered = Trace(ordered.arrival_s, ordered.input_tokens, ordered.output_tokens, **hashes)
    how = ReplicaSettings(
        scheduler=scheduler,
        kv_blocks=blocks,
        block_tokens=4,
        max_running=5,
        token_budget=64,
        whole_prompt=whole or scheduler == "prefill-first",
        ahead=ahead,
        hash_tokens=4 if cached and not window else 0,
        window_tokens=window,
    )
    run = serve(ordered, law(0.01, 0.001, 1e-5), how, replicas=2, router="least-outstanding")
    assert violations(run) == []
    again = serve(ordered, law(0.01, 0.001, 1e-5), how, replicas=2, router="least-outstanding")
    assert again.requests.tobytes() == run.requests.tobytes()
