"""Generators keep what they promise: rates, burstiness, means, correlation; same seed, same trace."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.errors import InputError
from workloads import generate

COUNT = 20_000
LENGTHS = generate.fixed(10, 5)


@pytest.mark.parametrize(
    ("arrivals", "rate", "cv"),
    [
        (generate.poisson(4.0), 4.0, 1.0),
        (generate.gamma(4.0, 2.0), 4.0, 2.0),
        (generate.gamma(4.0, 0.5), 4.0, 0.5),
        (generate.uniform(4.0), 4.0, 0.0),
        (generate.weibull(4.0, 1.0), 4.0, 1.0),
    ],
)
def test_rate_and_burstiness(arrivals: generate.Arrivals, rate: float, cv: float) -> None:
    trace = generate.generate(COUNT, arrivals, LENGTHS, seed=1)
    gaps = np.diff(trace.arrival_s)
    assert trace.rate_requests_per_s == pytest.approx(rate, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, abs=0.07)


def test_rates_that_change() -> None:
    ramp = generate.generate(3000, generate.steps([1.0, 5.0], 500.0), LENGTHS, seed=2)
    assert (ramp.arrival_s < 500).sum() == pytest.approx(500, rel=0.15)
    day = generate.generate(COUNT, generate.diurnal(2.0, 0.8, 1000.0), LENGTHS, seed=3)
    phase = np.mod(day.arrival_s, 1000.0)
    assert (phase < 500).mean() == pytest.approx(0.5 + 0.8 / np.pi, abs=0.02)
    bursts = generate.generate(2000, generate.on_off(10.0, 1.0, 9.0), LENGTHS, seed=4)
    assert (np.mod(bursts.arrival_s, 10.0) <= 1.0).all()


def test_lengths() -> None:
    law = generate.lognormal(1000, 0.8, 200, 0.5, correlation=0.7)
    trace = generate.generate(COUNT, generate.at_once(), law, seed=5)
    assert trace.input_tokens.mean() == pytest.approx(1000, rel=0.03)
    assert trace.output_tokens.mean() == pytest.approx(200, rel=0.03)
    logs = np.corrcoef(np.log(trace.input_tokens), np.log(trace.output_tokens))[0, 1]
    assert logs == pytest.approx(0.7, abs=0.03)
    points = {0.0: 10.0, 0.5: 100.0, 1.0: 1000.0}
    drawn = generate.generate(COUNT, generate.at_once(), generate.from_quantiles(points, points), seed=6)
    assert np.median(drawn.input_tokens) == pytest.approx(100, rel=0.03)
    again = generate.generate(50, generate.poisson(1.0), generate.resampled(trace), seed=7)
    assert set(again.input_tokens) <= set(trace.input_tokens)


def test_same_seed_same_trace() -> None:
    law = generate.uniform_range((5, 50), (1, 9))
    first, second, other = (generate.generate(100, generate.poisson(1.0), law, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.arrival_s, second.arrival_s) and np.array_equal(first.input_tokens, second.input_tokens)
    assert not np.array_equal(first.arrival_s, other.arrival_s)


def test_sessions_share_their_past() -> None:
    first = generate.generate(20, generate.poisson(1.0), generate.fixed(64, 32), seed=1)
    trace = generate.sessions(first, turns=3, pause_s=5.0, token_s=0.02)
    assert len(trace) == 60
    one = np.nonzero(trace.session == 4)[0]
    assert list(trace.input_tokens[one]) == [64, 160, 256]
    assert trace.prefix_start is not None and trace.prefix_hashes is not None
    own = [set(trace.prefix_hashes[trace.prefix_start[k] : trace.prefix_start[k + 1]]) for k in one]
    assert own[0] < own[1] < own[2]


def test_fan_out_shares_the_prompt() -> None:
    trace = generate.fan_out(generate.generate(5, generate.poisson(1.0), LENGTHS, seed=1), copies=4)
    assert len(trace) == 20 and len(np.unique(trace.arrival_s)) == 5


def test_bad_rates_are_refused() -> None:
    with pytest.raises(InputError, match="rate must be positive"):
        generate.poisson(0.0)
