"""A trace in figures: rates, lengths, how bursty arrivals are, how much of prompts was seen before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simcore.errors import InputError
from simcore.spec.traffic import Floats, Ints, Trace

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
BINS = 60
"""intervals of the span that a rate is told for"""
WINDOWS_S = (1.0, 10.0, 60.0, 600.0)
FEWEST_WINDOWS = 20
"""of a length, for its dispersion to mean anything"""


@dataclass(frozen=True)
class Described:
    """What a trace is like."""

    requests: int
    span_s: float
    rate_per_s: float
    """mean over the span; 0 where all arrive at once"""
    busiest_rate_per_s: float
    """of the busiest sixtieth of the span"""
    input: dict[str, float]
    """mean_tokens, p50_tokens, p90_tokens, p99_tokens, most_tokens"""
    output: dict[str, float]
    length_correlation: float
    """of the ranks of inputs and outputs; nan where one never changes"""
    gap_cv: float
    """standard deviation over mean of the gaps between arrivals: 1 for a Poisson process; nan below three requests"""
    together_ratio: float
    """share of requests that arrive with the one before: clocks that tick slowly make bursts of no meaning"""
    dispersion: dict[str, float]
    """seconds of a window -> variance over mean of the requests in it: 1 for a Poisson process"""
    sessions: int
    turns_per_session: float
    classes: tuple[str, ...]
    prefix_hit_ratio: float | None
    """share of input tokens that an unbounded cache would hold; None without hashes"""
    prefix_tokens: int | None
    """tokens that such a cache holds at the end"""
    skipped: int
    reading: tuple[str, ...]
    """what was concluded of columns and units"""


def describe(trace: Trace) -> Described:
    """Figures of a trace. Raises InputError for an empty one."""
    if not len(trace):
        raise InputError("holds no request", file=trace.source or None)
    hits = prefix_hits(trace)
    unique = None if trace.prefix_hashes is None else len(np.unique(trace.prefix_hashes))
    sessions = len(trace) if trace.session is None else len(np.unique(trace.session))
    named = () if trace.slo_class is None else tuple(trace.slo_names[int(one)] for one in np.unique(trace.slo_class))
    rates = rate_over_time(trace)[1]
    return Described(
        requests=len(trace),
        span_s=float(trace.arrival_s[-1] - trace.arrival_s[0]),
        rate_per_s=trace.rate_requests_per_s,
        busiest_rate_per_s=float(rates.max()) if len(rates) else 0.0,
        input=lengths(trace.input_tokens),
        output=lengths(trace.output_tokens),
        length_correlation=rank_correlation(trace.input_tokens, trace.output_tokens),
        gap_cv=gap_cv(trace.arrival_s),
        together_ratio=float(np.mean(np.diff(trace.arrival_s, prepend=-np.inf) == 0.0)),
        dispersion=dispersion(trace.arrival_s),
        sessions=sessions,
        turns_per_session=len(trace) / sessions,
        classes=named,
        prefix_hit_ratio=None if hits is None else float(hits.sum() / trace.input_tokens.sum()),
        prefix_tokens=None if unique is None else unique * trace.prefix_block_tokens,
        skipped=trace.skipped,
        reading=reading_of(trace),
    )


def reading_of(trace: Trace) -> tuple[str, ...]:
    """What the reader concluded, as lines."""
    told = trace.notes.get("reading", ())
    return (str(told),) if isinstance(told, str) else tuple(str(line) for line in told)


def lengths(tokens: Ints) -> dict[str, float]:
    """Mean, quantiles and the longest."""
    found = {f"{name}_tokens": float(np.quantile(tokens, q)) for name, q in QUANTILES.items()}
    return {"mean_tokens": float(tokens.mean()), **found, "most_tokens": float(tokens.max())}


def rank_correlation(one: Ints, other: Ints) -> float:
    """Spearman's; nan where a side is constant."""
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other).statistic)


def gap_cv(arrival_s: Floats) -> float:
    """Coefficient of variation of the gaps between arrivals."""
    gaps = np.diff(arrival_s)
    return float(gaps.std() / gaps.mean()) if len(gaps) > 1 and gaps.mean() > 0 else float("nan")


def dispersion(arrival_s: Floats) -> dict[str, float]:
    """Variance over mean of counts, for windows of which the span has twenty or more."""
    found, span_s = {}, float(arrival_s[-1] - arrival_s[0])
    for window_s in WINDOWS_S:
        whole = int(min(span_s / window_s, 1e7))
        if whole >= FEWEST_WINDOWS:
            at = (arrival_s - arrival_s[0]) / window_s
            counts = np.bincount(at[at < whole].astype(np.int64), minlength=whole)
            found[f"{window_s:g}"] = float(counts.var() / counts.mean())
    return found


def rate_over_time(trace: Trace) -> tuple[Floats, Floats]:
    """(middles [60] s, requests per second [60]); empty where all arrive at once."""
    span_s = float(trace.arrival_s[-1] - trace.arrival_s[0])
    if span_s <= 0.0:
        return np.empty(0), np.empty(0)
    counts, edges = np.histogram(trace.arrival_s, BINS)
    return (edges[1:] + edges[:-1]) / 2.0, counts / (span_s / BINS)


def prefix_hits(trace: Trace) -> Ints | None:
    """[requests] input tokens whose block an earlier request had too; None without hashes.

    A bound for caches: nothing is evicted, and a block counts from the arrival of the request that has it first.
    """
    if trace.prefix_hashes is None or trace.prefix_start is None:
        return None
    counts = np.diff(trace.prefix_start)
    owner = np.repeat(np.arange(len(trace)), counts)
    _, first, place = np.unique(trace.prefix_hashes, return_index=True, return_inverse=True)
    seen = owner > owner[first][place]
    blocks = np.bincount(owner[seen], minlength=len(trace))
    return np.minimum(blocks * trace.prefix_block_tokens, trace.input_tokens)
