"""The numbers of `simcore.cost.kernel_calls` from measured calls, one chip and one kind of kernel at a time."""

from __future__ import annotations

import numpy as np

from simcore.cost.facts import ChipFacts
from simcore.cost.kernel_calls import Call, Floats

STARTS, SPREAD, SEED = 6, 0.4, 0
PULL = {"matmul": 0.04, "softmax": 0.02, "layernorm": 0.02, "gelu": 0.03}
"""weight of each number's distance from where the fit starts, in logarithms: it decides where the rows say nothing"""
OUTLIER = 0.05
"""relative error from which a row counts linearly, not by its square"""


def fit(kind: str, call: Call, chip: ChipFacts, shapes: Floats, measured_s: Floats) -> Floats:
    """Least squares of the relative errors, robust, from a few starts; the same rows give the same numbers."""
    from scipy.optimize import least_squares

    start = np.log(call.start)

    def errors(logs: Floats) -> Floats:
        told = np.log(call.time_s(chip, shapes, np.exp(logs)) / measured_s)
        return np.concatenate([told, PULL[kind] * (logs - start)])

    rng = np.random.default_rng(SEED)
    starts = [start, *(start + rng.normal(0.0, SPREAD, len(start)) for _ in range(STARTS - 1))]
    found = [least_squares(errors, one, loss="soft_l1", f_scale=OUTLIER) for one in starts]
    return np.asarray(np.exp(min(found, key=lambda one: one.cost).x))
