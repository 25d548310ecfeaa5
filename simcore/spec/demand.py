"""What must be served, as the analytic engine sees it: lengths as a summary, a target latency."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from simcore.spec.base import MOST_COUNT, Count, Sourced, Spec


class Lengths(Spec):
    """A length distribution in tokens: its mean and quantiles (keys such as "0.5")."""

    mean_tokens: float = Field(gt=0, le=MOST_COUNT)
    """of all requests"""
    mean_square_tokens: float | None = Field(default=None, gt=0)
    """E[length^2]; None: as for a fixed length"""
    quantiles: dict[str, float] = Field(default_factory=dict)
    """probability -> length, `"0.5" = 512`, between which lengths are interpolated; empty: the mean stands for all"""

    @field_validator("quantiles")
    @classmethod
    def _of_lengths(cls, value: dict[str, float]) -> dict[str, float]:
        for key, tokens in value.items():
            if not re.fullmatch(r"[01]|[01]?\.[0-9]+", key) or not 0 <= float(key) <= 1:
                raise ValueError(f'{key!r} is no quantile: write for example "0.5" = 512')
            if not 0 < tokens <= MOST_COUNT:
                raise ValueError(f"{tokens:g} at {key} is no length in tokens")
        return value

    def quantile(self, q: float) -> float:
        """Linear interpolation between the stored quantiles; the mean where none are stored."""
        import numpy as np

        if not self.quantiles:
            return self.mean_tokens
        points = sorted((float(k), v) for k, v in self.quantiles.items())
        return float(np.interp(q, [p for p, _ in points], [v for _, v in points]))


def fixed(tokens: float) -> Lengths:
    """Every request has this length."""
    return Lengths(mean_tokens=tokens, mean_square_tokens=tokens**2)


class Demand(Sourced):
    """Request lengths of one kind of traffic, derived from a trace or stated."""

    input: Lengths
    """lengths of the prompts"""
    output: Lengths
    """lengths of the answers"""
    requests: Count | None = None
    """how many requests the summary was derived from"""
    mean_context_tokens: float | None = Field(default=None, gt=0)
    """time-weighted mean context of a decoding request, E[(input + output/2) output] / E[output]"""
    rate_requests_per_s: float | None = Field(default=None, gt=0)
    """mean rate of the trace that it was derived from, told only; None: not said"""

    @property
    def decode_context_tokens(self) -> float:
        """Mean context that a decode step sees per sequence."""
        return self.mean_context_tokens or self.input.mean_tokens + self.output.mean_tokens / 2


class Objectives(Spec):
    """Latency targets of a sweep, at a quantile of the input length; None: no target."""

    ttft_s: float | None = Field(default=None, gt=0)
    tpot_s: float | None = Field(default=None, gt=0)
    quantile: float = Field(default=0.5, gt=0, lt=1)
