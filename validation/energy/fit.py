"""Fitting what a release's servers add, and the law of board power, to measured servers.

Three seconds (per layer, per sequence, per layer of eight-bit models) from output tokens per second, six numbers from
board watts; each again without every architecture. Residuals are log(predicted / measured), robust; derivatives are
finite differences of the replay itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simcore.cost.board_power import BoardPower
from simcore.step.served import Served
from simcore.step.times import Floats
from validation.energy.replay import Replayer
from validation.energy.rows import EnergyRow
from validation.robust import robust_weight

EFFECTS = {"layer_s": 1e-5, "sequence_s": 1e-5, "quantise_layer_s": 3e-5}
"""fitted effects -> seconds that count as one step"""
POWER = ("matrix", "matrix_exponent", "memory", "memory_exponent")
FITTED_GROUPS = ("dense", "experts")
POWER_GROUPS = (*FITTED_GROUPS, "gpqa")
PRIOR = 5e-5
"""weight of the start beside one measurement"""
POWER_PRIOR = 1e-2
ROUNDS = 4
START_POWER = (0.75, 0.43, 0.53, 0.22)
START_AWAKE = 0.1
Residuals = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Fit:
    """Unknowns from all rows, and without each architecture."""

    unknowns: Floats
    without: Mapping[str, Floats]
    rows: int


def solve(left: Floats, slopes: Floats, at: Floats, start: Floats, prior: float) -> Floats:
    """Unknowns that make left + slopes (x - at) small, robustly. Shapes `[n]`, `[n, p]`, `[p]`, `[p]`."""
    unknowns = at.copy()
    for _ in range(40):
        now = left + slopes @ (unknowns - at)
        weight = robust_weight(now)
        normal = (slopes * weight[:, None]).T @ slopes + np.eye(len(at)) * prior * len(left)
        gradient = (slopes * weight[:, None]).T @ now + prior * len(left) * (unknowns - start)
        unknowns = unknowns - np.linalg.solve(normal, gradient)
    return unknowns


def fit(residuals: Residuals, rows: Sequence[EnergyRow], start: Floats, step: float, prior: float) -> Fit:
    """Gauss-Newton on the replay, then once more without each architecture from the slopes of the last round."""
    unknowns = start.copy()
    left, slopes, at = np.zeros(0), np.zeros((0, 0)), unknowns
    for _ in range(ROUNDS):
        at = unknowns
        left = residuals(at)
        moved = (at + step * row for row in np.eye(len(at)))
        slopes = np.stack([(residuals(one) - left) / step for one in moved], axis=1)
        unknowns = solve(left, slopes, at, start, prior)
    labels = np.array([row.architecture for row in rows])
    without = {
        str(name): solve(left[labels != name], slopes[labels != name], at, start, prior) for name in np.unique(labels)
    }
    return Fit(unknowns, without, len(rows))


def effects(unknowns: Floats, base: Served) -> Served:
    """Unknowns as effects on top of the newest release's; seconds per sequence and format are not negative."""
    steps = dict(zip(EFFECTS, unknowns, strict=True))
    found = {name: getattr(base, name) + float(value) * EFFECTS[name] for name, value in steps.items()}
    return replace(base, **{name: value if name == "layer_s" else max(value, 0.0) for name, value in found.items()})


def fit_effects(replayer: Replayer, rows: Sequence[EnergyRow], tokens_per_s: Floats, base: Served) -> Fit:
    """What the servers add, from their throughput."""

    def residuals(unknowns: Floats) -> Floats:
        by = effects(unknowns, base)
        return np.log([replayer.answer(row, by).output_tokens_per_s for row in rows]) - np.log(tokens_per_s)

    return fit(residuals, rows, np.zeros(len(EFFECTS)), 0.5, PRIOR)


def power_parameters(unknowns: Floats, generations: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """(the law's numbers, share of TDP between kernels by generation)."""
    values = [float(value) for value in np.exp(unknowns)]
    return dict(zip(POWER, values, strict=False)), dict(zip(generations, values[len(POWER) :], strict=True))


def fit_power(
    replayer: Replayer, rows: Sequence[EnergyRow], watts: Floats, generation: Callable[[EnergyRow], str], by: Served
) -> tuple[Fit, list[str]]:
    """(the law of board power, generations in order), under effects `by`."""
    kinds = sorted({generation(row) for row in rows})

    def residuals(unknowns: Floats) -> Floats:
        numbers, awake = power_parameters(unknowns, kinds)
        laws = {kind: BoardPower(awake[kind], **numbers) for kind in kinds}
        answers = [replayer.answer(row, by, laws[generation(row)]) for row in rows]
        return np.log([answer.chip_power_w for answer in answers]) - np.log(watts)

    start = np.log([*START_POWER, *[START_AWAKE] * len(kinds)])
    return fit(residuals, rows, start, 0.1, POWER_PRIOR), kinds
