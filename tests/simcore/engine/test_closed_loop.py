"""The closed loop of clients: who sends when, lockstep ranks, Little's law."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.engine.invariants import violations
from simcore.engine.serving import Clients, Ranks, serve_clients
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import law, steps


def lengths(count: int, inputs: int = 10, outputs: int = 4) -> Trace:
    return Trace(np.zeros(count), np.full(count, inputs), np.full(count, outputs))


def test_one_user_sends_one_after_the_other() -> None:
    run = serve_clients(lengths(5), steps(step_s=1.0), ReplicaSettings(), Clients(1, think_s=0.5))
    assert run.requests["arrival_s"] == pytest.approx(np.arange(5) * 4.5)
    assert run.requests["done_s"] == pytest.approx(np.arange(5) * 4.5 + 4.0)
    assert violations(run) == []


def test_an_arrival_misses_the_step_that_starts_with_it() -> None:
    rows = Trace(np.zeros(3), np.array([10, 10, 10]), np.array([2, 6, 2]))
    run = serve_clients(rows, steps(step_s=1.0), ReplicaSettings(), Clients(2))
    assert run.requests["done_s"][0] == pytest.approx(2.0)
    assert run.requests["first_token_s"][2] == pytest.approx(4.0)


@pytest.mark.parametrize("ranks", [1, 4])
@pytest.mark.parametrize("scheduler", ["chunked", "sglang", "inflight", "prefill-first"])
def test_littles_law(scheduler: str, ranks: int) -> None:
    random = np.random.default_rng(3)
    rows = Trace(np.zeros(400), random.integers(50, 100, 400), random.integers(80, 101, 400))
    how = ReplicaSettings(scheduler=scheduler, token_budget=512)
    run = serve_clients(rows, law(0.01, 1e-4, 1e-7), how, Clients(16), ranks=ranks)
    assert violations(run) == []
    spent_s = (run.requests["done_s"] - run.requests["arrival_s"]).sum()
    assert spent_s / run.requests["done_s"].max() == pytest.approx(16, rel=0.05)


def test_lockstep_ranks_wait_for_the_slowest() -> None:
    one = serve_clients(lengths(8, 100, 50), law(0.01, 1e-4, 1e-6), ReplicaSettings(), Clients(8), ranks=8)
    assert one.replicas["now_s"] == pytest.approx(np.full(8, one.replicas["now_s"][0]))
    assert one.requests["done_s"] == pytest.approx(np.full(8, one.requests["done_s"][0]))


def test_frontend_reads_prompts_one_after_the_other() -> None:
    """Ten tokens of a second each and steps of a second: the second of two users is seen 10 s after the first."""
    rows = lengths(2, 10, 1)
    run = serve_clients(rows, steps(step_s=1.0), ReplicaSettings(), Clients(2, token_s=1.0))
    assert run.requests["first_token_s"] == pytest.approx([11.0, 21.0])
    assert (run.requests["arrival_s"] == 0.0).all()


def test_balance_holds_prompts_until_every_rank_has_one() -> None:
    """Rank 0 gets its second prompt first: without balance it prefills at once, with it it waits for rank 1's."""
    times, how = law(0.01, 1e-4, 1e-7), ReplicaSettings()
    rows = lengths(8, 100, 20)
    rows.output_tokens[0] = 5
    waits = [serve_clients(rows, times, how, Clients(4), Ranks(2, hold)) for hold in (0, 100)]
    first = [float(run.requests["first_token_s"][4] - run.requests["arrival_s"][4]) for run in waits]
    assert first[1] > first[0] + 0.05
    assert all(run.done.all() for run in waits)
