"""Contracts of schedulers and routers, for shipped ones and one's own: `check_scheduler("my-scheduler")`."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.engine.invariants import violations
from simcore.engine.serving import ServingRun, serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Slo, Trace
from simcore.step.served import Work
from simcore.step.times import SampleRange, StepParts, StepSample, StepTimes, sample_step_times

WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"kv_blocks": 60, "max_running": 8},
    {"whole_prompt": False, "chunk_tokens": 64, "token_budget": 128},
    {"reserve_output": True, "kv_blocks": 120},
    {"batch_wait_s": 0.05, "max_running": 4},
)
"""settings that squeeze a policy: little KV, chunks, reserved output, few slots"""
SLOS = (Slo(ttft_s=0.5), Slo())


def check_scheduler(name: str, rank: str = "") -> None:
    """Serve random traffic in several ways; raise AssertionError for a broken invariant or two different answers.

    `rank` is the program of scheduler `ranked`.
    """
    for number, more in enumerate(WAYS):
        limits = {"kv_blocks": 400, "max_running": 32, "token_budget": 512} | more
        how = ReplicaSettings(scheduler=name, rank=rank, **limits)
        first, second = (_served(how, number) for _ in range(2))
        broken = violations(first)
        assert not broken, f"scheduler {name}, {more or 'plain settings'}: {'; '.join(map(str, broken))}"
        same = all(np.array_equal(first.requests[n], second.requests[n]) for n in ("scheduled_s", "done_s"))
        assert same, f"scheduler {name}, {more or 'plain settings'}: two runs of one trace differ"


def check_router(name: str) -> None:
    """As `check_scheduler`, for a router over three replicas."""
    how = ReplicaSettings(kv_blocks=400, max_running=32, token_budget=512)
    run = _served(how, 0, replicas=3, router=name)
    broken = violations(run)
    assert not broken, f"router {name}: {'; '.join(map(str, broken))}"
    places = run.requests["replica"]
    assert ((places >= 0) & (places < 3)).all(), f"router {name} names a replica that does not exist"


def _served(how: ReplicaSettings, seed: int, **more: Any) -> ServingRun:
    return serve(random_trace(seed), step_times(), how, slos=SLOS, **more)


def random_trace(seed: int, count: int = 200) -> Trace:
    """`count` requests with sessions, priorities and two SLO classes."""
    random = np.random.default_rng(seed)
    return Trace(
        np.cumsum(random.exponential(0.02, count)),
        random.integers(1, 300, count),
        random.integers(1, 60, count),
        session=random.integers(0, 20, count),
        priority=random.integers(0, 3, count),
        slo_class=random.integers(0, 2, count),
    )


def step_times() -> StepTimes:
    """5 ms per step, 0.1 ms per token, and a little per token of context."""

    def evaluate(sample: StepSample) -> StepParts:
        tokens = sample.chunk_tokens + sample.decodes
        attention = sample.decodes * sample.kv_tokens * 1e-7
        return StepParts(Work(elementwise=5e-3 + tokens * 1e-4), attention, 0.0 * tokens, 0.0 * tokens)

    return sample_step_times(evaluate, SampleRange(), source="contract")
