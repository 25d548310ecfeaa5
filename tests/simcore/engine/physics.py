"""Step times for tests: constants and small laws whose answers can be worked out by hand."""

from __future__ import annotations

import numpy as np

from simcore.step.times import Axis, StepTimes, Table, constant

NO_ATTENTION = Table(Axis(1.0), np.zeros((2, 2)), Axis(1.0))


def steps(step_s: float = 0.0, token_s: float = 0.0, **more: float) -> StepTimes:
    """Every step takes `step_s` and `token_s` per token; attention is free."""
    tokens = Axis(4096, linear_count=4096)
    dense = Table(tokens, step_s + token_s * tokens.knots())
    return StepTimes(dense, dense, NO_ATTENTION, NO_ATTENTION, NO_ATTENTION, **more)


def law(step_s: float, token_s: float, kv_token_s: float) -> StepTimes:
    """Decode attention costs `kv_token_s` per KV token of each sequence, prefill attention nothing."""
    tokens, batch, kv = Axis(4096, linear_count=4096), Axis(256, linear_count=64), Axis(65536, linear_count=16)
    dense = Table(tokens, step_s + token_s * tokens.knots())
    decode = Table(batch, kv_token_s * batch.knots()[:, None] * kv.knots()[None, :], kv)
    return StepTimes(dense, dense, NO_ATTENTION, decode, decode, head=constant(0.0))
