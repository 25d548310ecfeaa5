"""Loads of a row at its peak hour: how busy each class is, drawn with a common and an own part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planners.power.problem import PowerProblem

Floats = NDArray[np.float64]


def busy_shares(problem: PowerProblem, count: int, seed: int) -> Floats:
    """Share of busy time, [scenarios, classes].

    Inference: mean + swing x (sqrt(c) common + sqrt((1 - c) / n) own), normal, cut to [0, 1]: what n servers of a class
    have of their own averages out. Training runs in lockstep: at full power, or with probability 0.2 in the lull
    between two steps (a third of it), all servers at once.
    """
    random = np.random.default_rng(seed)
    common = random.standard_normal((count, 1))
    own = random.standard_normal((count, len(problem.classes)))
    noise = np.sqrt(problem.common_load) * common + own_spread(problem) * own
    mean = np.array([k.utilisation for k in problem.classes])
    swing = np.array([k.swing for k in problem.classes])
    busy = np.clip(mean + swing * noise, 0.0, 1.0)
    training = np.array([k.work == "training" for k in problem.classes])
    lull = random.random((count, 1)) < 0.2
    return np.where(training, np.where(lull, mean / 3.0, mean), busy)


def own_spread(problem: PowerProblem) -> Floats:
    """sqrt((1 - c) / n) with n the servers of each class in a nameplate row, [classes]."""
    servers = np.array([max(k.share * problem.nameplate_servers, 1.0) for k in problem.classes])
    return np.asarray(np.sqrt((1.0 - problem.common_load) / servers))
