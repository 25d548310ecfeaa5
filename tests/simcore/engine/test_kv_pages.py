"""KV of hybrids and windows in the event engine: state once a sequence, capped layers to their window."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.invariants import violations
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from simcore.step.served import Work
from simcore.step.times import SampleRange, StepParts, StepSample, StepTimes, sample_step_times


def step_times() -> StepTimes:
    def evaluate(steps: StepSample) -> StepParts:
        tokens = steps.chunk_tokens + steps.decodes
        return StepParts(Work(elementwise=0.01 + tokens * 1e-5), 0.0 * tokens, 0.0 * tokens, 0.0 * tokens)

    return sample_step_times(evaluate, SampleRange(tokens=4096, past_tokens=8192))


TIMES = step_times()


def at_once(count: int, tokens: tuple[int, int]) -> Trace:
    return Trace(np.zeros(count), np.full(count, tokens[0]), np.full(count, tokens[1]))


def most_running(settings: ReplicaSettings, count: int, tokens: tuple[int, int]) -> int:
    """Sequences that decode together, from requests that all arrive at once."""
    run = serve(at_once(count, tokens), TIMES, settings, log_steps=100_000)
    assert not violations(run) and not run.requests["preemptions"].any()
    return int(run.log["decodes"].max())


@pytest.mark.parametrize(("state", "expected"), [(0, 10), (7, 5), (63, 1)])
def test_state_is_held_once_a_sequence(state: int, expected: int) -> None:
    """100 prompt + 12 output tokens in blocks of 16 are 7 blocks; the state comes on top."""
    how = ReplicaSettings(kv_blocks=70, state_blocks=state, reserve_output=True)
    assert most_running(how, 20, (100, 12)) == expected


def test_a_sequence_whose_state_exceeds_the_pool_is_refused() -> None:
    run = serve(at_once(3, (100, 12)), TIMES, ReplicaSettings(kv_blocks=70, state_blocks=64))
    assert len(run.requests) == 3 and not run.done.any() and not violations(run)


def test_capped_layers_keep_their_window_and_the_others_all() -> None:
    """Of 4 blocks per 16 tokens one grows beyond the window of 64: 112 tokens hold 7 + 3 x 4 = 19 blocks."""
    pages = {"block_pages": 4, "kept_pages": 1, "window_tokens": 64}
    assert most_running(ReplicaSettings(kv_blocks=190, reserve_output=True, **pages), 20, (100, 12)) == 10
    assert most_running(ReplicaSettings(kv_blocks=189, reserve_output=True, **pages), 20, (100, 12)) == 9


@pytest.mark.parametrize("window", [0, 48, 64, 1000])
@pytest.mark.parametrize("whole_prompt", [True, False])
@pytest.mark.parametrize("kv_blocks", [120, 100_000])
def test_blocks_come_back_whatever_happens(window: int, whole_prompt: bool, kv_blocks: int) -> None:
    """Growth, caps, preemption and release of uneven lengths keep used + free = capacity (invariant 4)."""
    random = np.random.default_rng(3)
    trace = Trace(np.sort(random.random(80)), random.integers(10, 150, 80), random.integers(1, 120, 80))
    pages = {"block_pages": 5, "kept_pages": 2, "window_tokens": window, "state_blocks": 3}
    run = serve(trace, TIMES, ReplicaSettings(kv_blocks=kv_blocks, whole_prompt=whole_prompt, **pages))
    assert run.done.all() and not violations(run)
    assert bool(run.requests["preemptions"].any()) == (kv_blocks == 120)
    assert not run.replicas["phase_count"].any()


def test_drafts_and_prefix_hits_keep_the_books() -> None:
    random = np.random.default_rng(4)
    trace = Trace(np.sort(random.random(40)), random.integers(64, 150, 40), random.integers(1, 90, 40))
    counts = trace.input_tokens // 16
    hashes = np.concatenate([np.arange(count) for count in counts])
    shared = Trace(
        trace.arrival_s,
        trace.input_tokens,
        trace.output_tokens,
        prefix_hashes=hashes,
        prefix_start=np.concatenate([[0], np.cumsum(counts)]),
        prefix_block_tokens=16,
    )
    for more in ({"hash_tokens": 16}, {"hash_tokens": 16, "radix": True}, {"draft_tokens": 3, "acceptance_ratio": 0.5}):
        pages = {"block_pages": 4, "kept_pages": 1, "window_tokens": 48, "state_blocks": 2}
        run = serve(shared, TIMES, ReplicaSettings(kv_blocks=400, **pages, **more))
        assert run.done.all() and not violations(run)


def test_a_block_of_one_page_is_the_plain_cache() -> None:
    """Twice the pages in twice the pool change nothing, bit by bit."""
    random = np.random.default_rng(5)
    trace = Trace(np.sort(random.random(60)), random.integers(10, 150, 60), random.integers(1, 120, 60))
    one = serve(trace, TIMES, ReplicaSettings(kv_blocks=60, watermark_blocks=2, spare_block=True))
    two = serve(trace, TIMES, ReplicaSettings(kv_blocks=120, block_pages=2, watermark_blocks=2, spare_block=True))
    assert one.requests["preemptions"].any()
    for name in ("scheduled_s", "first_token_s", "done_s", "preemptions"):
        assert one.requests[name].tobytes() == two.requests[name].tobytes()
