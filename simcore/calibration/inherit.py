"""What chips of one family have in common beyond the law: a residual for members of the family never measured.

Chips of one generation run the same binaries, so most of what the law leaves unsaid is the same on all of them: kernel
choices, tile tables, host overheads. Across generations that share only a kernel family (FlashAttention-2 on GA100,
AD102 and GB202) less of it is, so only a part is handed on. No chip of another family inherits anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simcore.calibration.fit import deviations
from simcore.calibration.residual import learn
from simcore.calibration.tables import Group
from simcore.cost.calibrated import KernelFit
from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.trees import unpack

NUMBERS = 1000
"""of a residual at most; 600 lose a tenth of the gain"""
ROWS_PER_NUMBER = 10
ACROSS_GENERATIONS = 0.75
"""of the residual that chips of several generations agree on: on attention left out, decode would take all of it and
prefill a half"""
TAILS = 0.02
"""of the deviations on either side that are taken for noise"""
ALONE = ("collective", "allreduce_custom")
"""whose siblings share a link and not the node around it: leaving chips out gains nothing"""


def inherited(fit: KernelFit, family: Sequence[tuple[ChipFacts, Group]]) -> KernelFit:
    """The law `fit` with the residual of the family's measurements, small enough for what they say.

    Where a law names models the residual sees only features that mean the same in every model.
    """
    if fit.operation in ALONE:
        return fit
    kind, shared = kernel_format(fit.format), fit.law.shared if fit.law.identity else None
    features, target = deviations(fit.law, [(g, Setting(chip, kind)) for chip, g in family], fit.parameters)
    features = np.ascontiguousarray(features[:, :shared])
    low, high = np.quantile(target, [TAILS, 1.0 - TAILS])
    share = ACROSS_GENERATIONS if len({chip.generation for chip, _ in family}) > 1 else 1.0
    budget = min(NUMBERS, len(target) // ROWS_PER_NUMBER - len(fit.parameters) - 5)
    words = learn(features, share * np.clip(target, low, high), budget)
    left = np.abs(target - unpack(words)(features))
    return replace(
        fit,
        words=words,
        residual_low=float(share * low),
        residual_high=float(share * high),
        spread=float(np.quantile(left, 0.8)),
        rows=len(target),
    )
