"""What a trace may go through without changing a request's life: its rows in another order, a cut where nothing runs,
twice the requests on twice the replicas."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import steps

STEPS = steps(step_s=1 / 64, token_s=1 / 1024)
"""powers of two: sums of them are exact, in whatever order"""
IDLE_S = 4096.0
"""longer than any of these traces takes"""
TIMES = ("first_token_s", "done_s")
requests = st.lists(st.tuples(st.integers(0, 640), st.integers(1, 300), st.integers(1, 40)), min_size=1, max_size=12)
policies = st.builds(
    ReplicaSettings,
    scheduler=st.sampled_from(["chunked", "prefill-first", "orca", "shortest-job"]),
    token_budget=st.sampled_from([64, 512]),
    max_running=st.sampled_from([1, 3, 64]),
    kv_blocks=st.sampled_from([60, 600]),
)


def trace(rows: list[tuple[int, int, int]]) -> Trace:
    arrival, inputs, outputs = (np.array(column) for column in zip(*rows, strict=True))
    return Trace.sorted(arrival / 64, inputs, outputs)


def lives(found: Trace, policy: ReplicaSettings, replicas: int = 1) -> list[np.ndarray]:
    """When each request got its first and its last token, after its arrival."""
    run = serve(found, STEPS, policy, replicas=replicas, router="round-robin")
    assert run.done.all()
    return [run.requests[name] - found.arrival_s for name in TIMES]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(requests, policies, st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(
    rows: list[tuple[int, int, int]], policy: ReplicaSettings, draw: object
) -> None:
    rows = list({row[0]: row for row in rows}.values())  # of one instant, the first row is served first
    other = list(rows)
    draw.shuffle(other)  # type: ignore[attr-defined]
    same(lives(trace(rows), policy), lives(trace(other), policy))


@settings(max_examples=40, deadline=None)
@given(requests, requests, policies)
def test_halves_apart_are_halves_alone(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], policy: ReplicaSettings
) -> None:
    one, two = trace(first), trace(second)
    later = two.arrival_s + IDLE_S
    whole = Trace(*(np.concatenate(pair) for pair in (
        (one.arrival_s, later), (one.input_tokens, two.input_tokens), (one.output_tokens, two.output_tokens)
    )))  # fmt: skip
    alone = [np.concatenate(pair) for pair in zip(lives(one, policy), lives(two, policy), strict=True)]
    same(lives(whole, policy), alone)


@settings(max_examples=40, deadline=None)
@given(requests, policies)
def test_twice_the_requests_on_twice_the_replicas(rows: list[tuple[int, int, int]], policy: ReplicaSettings) -> None:
    once = trace(rows)
    twice = Trace(*(np.repeat(column, 2) for column in (once.arrival_s, once.input_tokens, once.output_tokens)))
    same(lives(twice, policy, replicas=2), [np.repeat(column, 2) for column in lives(once, policy)])
