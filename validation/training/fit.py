"""Constants of a framework on a chip, fitted on measured steps in log space with priors; groups are left out whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simcore.engine.training.job import Job
from simcore.engine.training.step import parts_s, pipelined
from simcore.step.framework import Framework

Floats = NDArray[np.float64]
LOSS_SCALE = 0.06
"""of the log error, where the loss turns from squares to absolute values"""
FOLDS = 5
DATA_WEIGHT = 12.0
"""one prior sigma weighs as much as one row that is off by 1 / 12"""


@dataclass(frozen=True)
class Free:
    """A constant that a fit may move: its prior in the framework's file or here, its spread in log space, bounds."""

    start: float
    sigma: float = 0.5
    low: float = 0.0
    high: float = np.inf


def step_s(job: Job) -> float:
    """Seconds of a step, memory left aside."""
    found = pipelined(job)
    return sum(parts_s(job, found).values())


def fit(
    jobs: Sequence[Job],
    measured_s: Floats,
    free: Mapping[str, Free],
    tags: Sequence[frozenset[str]] | None = None,
    weights: Floats | None = None,
) -> dict[str, float]:
    """The constants that make the jobs take their measured seconds.

    A name such as `matrix_ratio@gb300` is a factor on that constant for the jobs with the tag.
    """
    from scipy.optimize import least_squares

    names = list(free)
    start = np.log([free[name].start for name in names])
    sigma = np.array([free[name].sigma for name in names])
    low = np.array([np.log(free[n].low) if free[n].low > 0 else -np.inf for n in names])
    high = np.array([np.log(free[n].high) for n in names])
    kept = np.arange(len(jobs)) if weights is None else np.flatnonzero(weights > 0)
    share = np.ones(len(jobs)) if weights is None else np.sqrt(weights)
    marks = tags or [frozenset()] * len(jobs)
    jobs, marks, measured_s, share = (
        [jobs[int(i)] for i in kept],
        [marks[int(i)] for i in kept],
        measured_s[kept],
        share[kept],
    )

    def residuals(x: Floats) -> Floats:
        constants = dict(zip(names, np.exp(x), strict=True))
        pairs = zip(jobs, marks, strict=True)
        logs = np.array([np.log(step_s(with_constants(job, told(constants, m)))) for job, m in pairs])
        logs -= np.log(measured_s)
        robust = 2.0 * LOSS_SCALE**2 * (np.sqrt(1.0 + (logs / LOSS_SCALE) ** 2) - 1.0)
        return np.concatenate([share * np.sign(logs) * np.sqrt(robust) * DATA_WEIGHT, (x - start) / sigma])

    inside = np.clip(start, low + 1e-6, high - 1e-6)
    found = least_squares(residuals, inside, bounds=(low, high), diff_step=1e-3, max_nfev=14, xtol=1e-4, ftol=1e-4)
    return {name: float(value) for name, value in zip(names, np.exp(found.x), strict=True)}


def told(constants: Mapping[str, float], tags: frozenset[str]) -> dict[str, float]:
    """The constants of a job with these tags."""
    found = {name: value for name, value in constants.items() if "@" not in name}
    for name, value in constants.items():
        base, _, tag = name.partition("@")
        if tag and tag in tags:
            found[base] = found[base] * value
    return found


def with_constants(job: Job, constants: Mapping[str, float]) -> Job:
    """The same job under other constants."""
    return replace(job, constants=job.constants.changed(**constants))


def held_out(
    jobs: Sequence[Job],
    measured_s: Floats,
    groups: Sequence[str],
    free: Mapping[str, Free],
    tags: Sequence[frozenset[str]] | None = None,
    weights: Floats | None = None,
) -> tuple[Floats, list[dict[str, float]]]:
    """(seconds of each job by constants that saw no row of its group, the constants of each fold)."""
    order = fold_of(groups, FOLDS)
    marks = tags or [frozenset()] * len(jobs)
    found, constants = np.full(len(jobs), np.nan), []
    for fold in range(int(order.max()) + 1):
        kept = np.flatnonzero(order != fold)
        own = None if weights is None else weights[kept]
        these = fit([jobs[int(i)] for i in kept], measured_s[kept], free, [marks[int(i)] for i in kept], own)
        constants.append(these)
        for i in np.flatnonzero(order == fold):
            found[i] = step_s(with_constants(jobs[int(i)], told(these, marks[int(i)])))
    return found, constants


def fold_of(groups: Sequence[str], folds: int) -> NDArray[np.int64]:
    """A fold for every row; rows of one group share it, groups in the order of their digest."""
    import zlib

    names = sorted(set(groups), key=lambda g: (zlib.crc32(g.encode()), g))
    place = {name: at % min(folds, len(names)) for at, name in enumerate(names)}
    return np.array([place[g] for g in groups], np.int64)


def used(framework: Framework, names: Sequence[str]) -> dict[str, float]:
    """The constants by name."""
    return {name: float(getattr(framework, name)) for name in names}
