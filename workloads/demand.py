"""A trace as the analytic engine sees it: lengths, their quantiles, the mean context, the mean rate."""

from __future__ import annotations

import numpy as np

from simcore.errors import InputError
from simcore.spec.demand import Demand, Lengths
from simcore.spec.traffic import Ints, Trace

QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


def demand_of(trace: Trace, name: str = "trace") -> Demand:
    """Means, squares and quantiles of lengths in tokens, and requests per second over the span.

    The mean context weights each request by the steps it decodes: E[(input + output / 2) output] / E[output]. No rate
    where all requests arrive at once. Raises InputError for an empty trace.
    """
    if not len(trace):
        raise InputError("holds no request", file=trace.source or None)
    inputs, outputs = trace.input_tokens.astype(float), trace.output_tokens.astype(float)
    return Demand(
        name=name,
        input=_lengths(trace.input_tokens),
        output=_lengths(trace.output_tokens),
        requests=len(trace),
        mean_context_tokens=float(((inputs + outputs / 2.0) * outputs).mean() / outputs.mean()),
        rate_requests_per_s=trace.rate_requests_per_s or None,
    )


def _lengths(tokens: Ints) -> Lengths:
    values = tokens.astype(float)
    found = np.quantile(values, QUANTILES)
    return Lengths(
        mean_tokens=float(values.mean()),
        mean_square_tokens=float((values**2).mean()),
        quantiles={f"{q:g}": float(v) for q, v in zip(QUANTILES, found, strict=True)},
    )
