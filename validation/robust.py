"""Weights of residuals for fits that wrong rows must not decide."""

from __future__ import annotations

import numpy as np

from simcore.step.times import Floats

NEAR = 0.03
"""residuals below count as squares, above by their size"""
FAR = 0.4
"""beyond it they count ever less"""


def robust_weight(left: Floats) -> Floats:
    """1 / max(|r|, NEAR) / (1 + (r / FAR)^2), `[n]`: of iteratively reweighted least squares."""
    return np.asarray(1.0 / np.maximum(np.abs(left), NEAR) / (1.0 + (left / FAR) ** 2))
