"""Queueing theory as limiting cases: one-token service makes a replica an M/M/1, M/M/c or M/D/1 queue."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.simcore.engine.physics import steps

COUNT = 20_000
BATCHES = 20


def confidence(values: np.ndarray) -> tuple[float, float]:
    """99.9 % interval of a mean from batch means, the first batch left out as warm-up."""
    means = values[: len(values) // BATCHES * BATCHES].reshape(BATCHES, -1).mean(axis=1)[1:]
    half = stats.t.ppf(0.9995, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means))
    return means.mean() - half, means.mean() + half


def arrivals(rate: float, seed: int) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, COUNT))


def waits(trace: Trace, servers: int, **law: float) -> np.ndarray:
    how = ReplicaSettings(scheduler="orca", max_running=servers)
    rows = serve(trace, steps(**law), how).requests
    return np.asarray(rows["scheduled_s"] - rows["arrival_s"])


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_mm1(load: float) -> None:
    """W_q = rho / (mu - lambda): a prompt of exponential length served alone."""
    tokens = np.maximum(1, np.rint(np.random.default_rng(1).exponential(200.0, COUNT))).astype(np.int64)
    service_s = 1e-3 * tokens.mean()
    trace = Trace(arrivals(load / service_s, 2), tokens, np.ones(COUNT, dtype=np.int64))
    low, high = confidence(waits(trace, 1, token_s=1e-3))
    assert low <= load * service_s / (1 - load) <= high


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_md1(load: float) -> None:
    """W_q = rho D / (2 (1 - rho)): prompts of one length (Pollaczek-Khinchine)."""
    trace = Trace(arrivals(load / 0.2, 3), np.full(COUNT, 200), np.ones(COUNT, dtype=np.int64))
    low, high = confidence(waits(trace, 1, token_s=1e-3))
    assert low <= load * 0.2 / (2 * (1 - load)) <= high


@pytest.mark.parametrize("servers", [2, 8])
def test_mmc(servers: int) -> None:
    """Erlang C: `servers` slots, steps of constant length, geometric outputs of many steps."""
    mean, step_s, load = 400, 1e-3, 0.8
    outputs = np.random.default_rng(4).geometric(1 / mean, COUNT)
    rate = load * servers / (outputs.mean() * step_s)
    trace = Trace(arrivals(rate, 5), np.ones(COUNT, dtype=np.int64), outputs)
    offered = load * servers
    last = offered**servers / math.factorial(servers) / (1 - load)
    waiting = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
    expected_s = waiting * outputs.mean() * step_s / (servers * (1 - load))
    low, high = confidence(waits(trace, servers, step_s=step_s))
    assert low - step_s <= expected_s <= high + step_s
