"""Generated traffic: arrival processes, length distributions, sessions and fan-out. Same seed, same trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.spec.traffic import MOST_TOKENS, Floats, Ints, Trace, block_starts

Random = np.random.Generator
Arrivals = Callable[[int, Random], Floats]
"""(how many, random) -> arrival times, ascending from about 0"""
LengthLaw = Callable[[int, Random], tuple[Ints, Ints]]
"""(how many, random) -> (input tokens, output tokens)"""


def generate(count: int, arrivals: Arrivals, lengths: LengthLaw, seed: int = 0) -> Trace:
    """`count` independent requests."""
    random = np.random.default_rng(seed)
    inputs, outputs = lengths(count, random)
    return Trace(arrivals(count, random), inputs, outputs, source="generated")


def with_arrivals(trace: Trace, arrivals: Arrivals, seed: int = 0) -> Trace:
    """The same requests in the same order at other times."""
    return replace(trace, arrival_s=arrivals(len(trace), np.random.default_rng(seed)))


# arrival processes


def poisson(rate_per_s: float) -> Arrivals:
    """Exponential gaps."""
    _positive(rate_per_s, "rate")
    return lambda count, random: np.cumsum(random.exponential(1.0 / rate_per_s, count))


def gamma(rate_per_s: float, cv: float) -> Arrivals:
    """Gamma gaps with coefficient of variation `cv`: above 1 bursty, below 1 regular, 1 is Poisson."""
    _positive(rate_per_s, "rate")
    _positive(cv, "cv")
    shape = 1.0 / cv**2
    return lambda count, random: np.cumsum(random.gamma(shape, 1.0 / (rate_per_s * shape), count))


def weibull(rate_per_s: float, shape: float) -> Arrivals:
    """Weibull gaps; shape below 1 is heavy-tailed."""
    from math import gamma as gamma_function

    _positive(rate_per_s, "rate")
    _positive(shape, "shape")
    scale_s = 1.0 / (rate_per_s * gamma_function(1.0 + 1.0 / shape))
    return lambda count, random: np.cumsum(random.weibull(shape, count) * scale_s)


def uniform(rate_per_s: float) -> Arrivals:
    """Equal gaps."""
    _positive(rate_per_s, "rate")
    return lambda count, random: np.arange(count) / rate_per_s


def at_once() -> Arrivals:
    """A fixed batch: everything at time 0."""
    return lambda count, random: np.zeros(count)


def varying(rate_at: Callable[[Floats], Floats], highest_per_s: float) -> Arrivals:
    """Poisson arrivals whose rate changes with time, by thinning (Lewis and Shedler 1979)."""

    def draw(count: int, random: Random) -> Floats:
        kept: list[Floats] = []
        have, now_s = 0, 0.0
        while have < count:
            times = now_s + np.cumsum(random.exponential(1.0 / highest_per_s, max(256, count)))
            now_s = float(times[-1])
            good = times[random.random(len(times)) * highest_per_s < rate_at(times)]
            kept.append(good)
            have += len(good)
        return np.concatenate(kept)[:count]

    return draw


def diurnal(mean_per_s: float, swing_ratio: float = 0.6, period_s: float = 86_400.0) -> Arrivals:
    """A day: rate = mean (1 + swing sin(2 pi t / period)), swing in [0, 1]."""
    _positive(mean_per_s, "rate")

    def rate_at(time_s: Floats) -> Floats:
        return np.asarray(mean_per_s * (1.0 + swing_ratio * np.sin(2.0 * np.pi * time_s / period_s)))

    return varying(rate_at, mean_per_s * (1.0 + swing_ratio))


def on_off(on_per_s: float, on_s: float, off_s: float, off_per_s: float = 0.0) -> Arrivals:
    """Alternating phases of fixed length with two rates."""
    _positive(on_per_s, "rate")

    def rate_at(time_s: Floats) -> Floats:
        return np.where(np.mod(time_s, on_s + off_s) < on_s, on_per_s, off_per_s)

    return varying(rate_at, max(on_per_s, off_per_s))


def steps(rates_per_s: list[float], each_s: float) -> Arrivals:
    """A ramp: one rate after another, each for `each_s`; the last one stays."""
    table = np.array(rates_per_s, dtype=float)

    def rate_at(time_s: Floats) -> Floats:
        return np.asarray(table[np.minimum((time_s / each_s).astype(int), len(table) - 1)])

    return varying(rate_at, float(table.max()))


# length distributions


def fixed(input_tokens: int, output_tokens: int) -> LengthLaw:
    """Every request alike."""
    return lambda count, random: (
        np.full(count, input_tokens, dtype=np.int64),
        np.full(count, output_tokens, dtype=np.int64),
    )


def uniform_range(input_range: tuple[int, int], output_range: tuple[int, int]) -> LengthLaw:
    """Each uniform over its range, ends included."""
    return lambda count, random: (
        random.integers(input_range[0], input_range[1] + 1, count),
        random.integers(output_range[0], output_range[1] + 1, count),
    )


def lognormal(
    input_mean: float, input_cv: float, output_mean: float, output_cv: float, correlation: float = 0.0
) -> LengthLaw:
    """Lognormal lengths with these means and coefficients of variation, logarithms correlated."""

    def draw(count: int, random: Random) -> tuple[Ints, Ints]:
        z = random.standard_normal((2, count))
        z[1] = correlation * z[0] + np.sqrt(1.0 - correlation**2) * z[1]
        return _lognormal(z[0], input_mean, input_cv), _lognormal(z[1], output_mean, output_cv)

    return draw


def lognormal_quantiles(
    inputs: tuple[float, float], outputs: tuple[float, float], longest: int | None = None
) -> LengthLaw:
    """Independent lognormal lengths from (median, P90) of each; inputs cut so that the sum stays within `longest`."""
    z90 = 1.2815515655446004

    def draw(count: int, random: Random) -> tuple[Ints, Ints]:
        z = random.standard_normal((2, count))
        drawn = [
            _tokens(median * np.exp(np.log(p90 / median) / z90 * row))
            for (median, p90), row in zip((inputs, outputs), z, strict=True)
        ]
        if longest is not None:
            drawn[1] = np.minimum(drawn[1], longest - 1)
            drawn[0] = np.maximum(1, np.minimum(drawn[0], longest - drawn[1]))
        return drawn[0], drawn[1]

    return draw


def _lognormal(z: Floats, mean: float, cv: float) -> Ints:
    sigma = np.sqrt(np.log1p(cv**2))
    return _tokens(np.exp(np.log(mean) - sigma**2 / 2 + sigma * z))


def from_quantiles(
    input_quantiles: dict[float, float], output_quantiles: dict[float, float], correlation: float = 0.0
) -> LengthLaw:
    """Lengths by their quantile functions, linear between the points; ranks joined by a Gaussian copula."""

    def draw(count: int, random: Random) -> tuple[Ints, Ints]:
        from workloads.normal import ndtr

        z = random.standard_normal((2, count))
        z[1] = correlation * z[0] + np.sqrt(1.0 - correlation**2) * z[1]
        ranks = ndtr(z)
        return _by_rank(ranks[0], input_quantiles), _by_rank(ranks[1], output_quantiles)

    return draw


def _by_rank(ranks: Floats, quantiles: dict[float, float]) -> Ints:
    points = sorted(quantiles.items())
    return _tokens(np.interp(ranks, [p for p, _ in points], [v for _, v in points]))


def resampled(trace: Trace) -> LengthLaw:
    """Pairs of lengths drawn from a trace, so that their correlation is kept."""

    def draw(count: int, random: Random) -> tuple[Ints, Ints]:
        rows = random.integers(0, len(trace), count)
        return trace.input_tokens[rows], trace.output_tokens[rows]

    return draw


def _tokens(values: Floats) -> Ints:
    """Whole lengths from 1; what does not fit 32 bits stays beyond, for the trace to refuse."""
    return np.asarray(np.clip(np.rint(values), 1, 2.0 * MOST_TOKENS), np.int64)


# structure


def sessions(
    first: Trace,
    turns: int,
    pause_s: float,
    token_s: float,
    block_tokens: int = 16,
    seed: int = 0,
    copies: int = 1,
    answers: bool = False,
) -> Trace:
    """Multi-turn sessions with tool pauses: every request of `first` opens one; each turn's input is all before it.

    The next turn comes an exponential pause after the estimated end of the last (`token_s` per output token); prefix
    hashes tell the cache what is shared. The arrivals are an open-loop estimate: served with `wait`, a turn is sent
    `pause_s` (a column of the trace) after the last answer instead. `copies` sends each turn so many times at once
    (best of N, agents that fan out); one answer goes on. With `answers` the hashes cover a turn's answer too, so that a
    cache keeps it for the next turn, as servers do.
    """
    random = np.random.default_rng(seed)
    rows: list[tuple[float, int, int, int, int, float]] = []
    for session in range(len(first)):
        now_s, context, pause = float(first.arrival_s[session]), 0, 0.0
        for turn in range(turns):
            new, out = int(first.input_tokens[session]), int(first.output_tokens[session])
            rows += [(now_s, context + new, out, session, turn, pause)] * copies
            context += new + out
            pause = float(random.exponential(pause_s))
            now_s += out * token_s + pause
    rows.sort(key=lambda row: row[0])
    counts = np.array([(row[1] + answers * row[2]) // block_tokens for row in rows])
    start, longest = block_starts(counts), int(counts.max(initial=1))
    hashes = np.concatenate([row[3] * longest + np.arange(n) for row, n in zip(rows, counts, strict=True)])
    columns: list[NDArray[np.int64]] = [np.array([row[k] for row in rows], dtype=np.int64) for k in (1, 2, 3, 4)]
    return Trace(
        np.array([row[0] for row in rows]),
        columns[0],
        columns[1],
        session=columns[2],
        turn=columns[3],
        pause_s=np.array([row[5] for row in rows]),
        prefix_hashes=hashes.astype(np.int64),
        prefix_start=start,
        prefix_block_tokens=block_tokens,
        source="generated sessions",
    )


def fan_out(trace: Trace, copies: int, block_tokens: int = 16) -> Trace:
    """Best-of-N and agentic fan-out: each request is sent `copies` times at once, its prompt shared."""
    which = np.repeat(np.arange(len(trace)), copies)
    counts = trace.input_tokens[which] // block_tokens
    start, longest = block_starts(counts), int(counts.max(initial=1))
    hashes = np.concatenate([k * longest + np.arange(n) for k, n in zip(which, counts, strict=True)])
    return Trace(
        trace.arrival_s[which],
        trace.input_tokens[which],
        trace.output_tokens[which],
        session=which,
        prefix_hashes=hashes.astype(np.int64),
        prefix_start=start,
        prefix_block_tokens=block_tokens,
        source="generated fan-out",
    )


def _positive(value: float, what: str) -> None:
    if not value > 0:
        raise InputError(f"{what} must be positive, not {value}", key=what)
