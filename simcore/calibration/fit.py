"""Fitting one kernel: the law's efficiencies by robust least squares, then the residual, then the held-out error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.models_apart import Residuals, learn_residuals, models_of
from simcore.calibration.residual import learn, promise
from simcore.calibration.split import held_out
from simcore.calibration.tables import Group
from simcore.cost.built_on import on_base
from simcore.cost.calibrated import KernelFit
from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.laws._base import Law, Setting
from simcore.cost.operator_laws import law, law_time_s

Array = NDArray[np.float64]
SAMPLE = 2500
"""rows that fit the law's few efficiencies"""
ROWS_PER_NUMBER = 10.0
MAX_WORDS = 7400
"""30 kB of four-byte words"""
BASE_GAIN = 0.05
"""of the error on rows set aside, below which a fit depends on no other"""
MINIMUM_ROOM = 12
"""numbers below which nothing can be chosen"""


@dataclass(frozen=True)
class FitError:
    """Absolute relative errors on held-out shapes."""

    rows: int
    median: float
    mean: float
    p90: float
    law_median: float
    """the law alone"""


def fit_law(rule: Law, groups: list[tuple[Group, Setting]], start: Array, pull: float = 0.05) -> Array:
    """Efficiencies that minimise the robust log error over groups, each weighed alike; `pull` towards `start`."""
    from scipy.optimize import least_squares

    works = _joined_work(rule, groups)
    scale = np.sqrt(sum(len(group.time_s) for group, _ in groups) / len(groups))

    def wrong(logs: Array) -> Array:
        p = np.exp(logs)
        parts = [
            (np.log(law_time_s(rule, work, setting, p)) - target) * weight * scale
            for work, setting, target, weight in works
        ]
        return np.concatenate([*parts, pull * np.sqrt(scale) * (logs - np.log(start))])

    begin = np.log(start)
    found = least_squares(wrong, begin, loss="soft_l1", f_scale=0.1, max_nfev=80, bounds=(begin - 7.0, begin + 7.0))
    return np.asarray(np.exp(found.x), float)


def _joined_work(
    rule: Law, groups: list[tuple[Group, Setting]]
) -> list[tuple[dict[str, Array], Setting, Array, Array]]:
    """(work, setting, log seconds, weight) with all groups of one setting laid end to end: fewer, longer arrays."""
    alike: dict[tuple[str, str], list[tuple[Group, Setting]]] = {}
    for group, setting in groups:
        alike.setdefault((setting.chip.name, setting.format.name), []).append((group, setting))
    found = []
    for same in alike.values():
        works = [rule.work(group.shapes, setting) for group, setting in same]
        joined = {name: np.concatenate([work[name] for work in works]) for name in works[0]}
        logs = np.concatenate([np.log(group.time_s) for group, _ in same])
        weight = np.concatenate([np.full(len(g.time_s), 1.0 / np.sqrt(len(g.time_s))) for g, _ in same])
        found.append((joined, same[0][1], logs, weight))
    return found


def sample(group: Group, rows: int = SAMPLE, seed: int = 0) -> Group:
    """At most `rows` of a group, at random."""
    if len(group.time_s) <= rows:
        return group
    chosen = np.random.default_rng(seed).choice(len(group.time_s), rows, replace=False)
    return group.take(np.sort(chosen))


def fit_kernel(
    group: Group,
    chip: ChipFacts,
    rows_per_number: float = ROWS_PER_NUMBER,
    kin: Sequence[tuple[Group, ChipFacts]] = (),
    bases: Mapping[str, KernelFit] | None = None,
) -> tuple[KernelFit, FitError]:
    """(fit on four fifths of the shapes, error on the held-out fifth).

    `kin`: the same kernel measured on sibling chips, learnt from alike. Their held-out shapes take no part either.
    `bases`: fits of larger tables of the operation on this chip, by name; the fit stands on one where rows set aside
    say that it is better by BASE_GAIN.
    """
    rule: Law = law(group.operation)
    setting = Setting(chip, kernel_format(group.format))
    aside = held_out(group.shapes)
    known = group.take(~aside)
    pairs = [(known, setting)]
    pairs += [(g.take(~held_out(g.shapes)), Setting(c, kernel_format(g.format))) for g, c in kin]
    parameters = fit_law(rule, [(sample(g), s) for g, s in pairs], np.array(rule.start))
    table, target = deviations(rule, pairs, parameters)
    rows = len(group.time_s) + sum(len(g.time_s) for g, _ in kin)
    room = int(rows / rows_per_number * 0.99) - 3
    name, base = _best_base(known, chip, (table, target, room - len(parameters)), bases or {})
    if base is None:
        trees = learn_residuals(rule, known, table, target, min(MAX_WORDS, room - len(parameters)))
    else:
        trees = _on_top(rule, known, base, table, _above(known, base, chip), room)
        _, target = deviations(rule, pairs, base.parameters)
    low, high = _box(known)
    fit = KernelFit(
        operation=group.operation,
        format=group.format,
        kv_format=group.kv_format,
        kernel=group.kernel,
        parameters=parameters,
        words=trees.words,
        low=low,
        high=high,
        residual_low=float(np.quantile(target, 0.05)),
        residual_high=float(np.quantile(target, 0.95)),
        spread=0.0,
        rows=len(target),
        shared_words=trees.shared_words,
        known=trees.known,
        away_spread=trees.away_spread,
        base=name,
    )
    fit = on_base(fit, base) if base else fit
    return _judge(fit, group.take(aside) if aside.sum() >= 10 else known, setting)


def _on_top(rule: Law, known: Group, base: KernelFit, table: Any, target: Array, room: int) -> Residuals:
    """What a fit adds to its base; of models it did not measure it knows no more than the base."""
    models = models_of(known, rule.identity)[0].ravel() if rule.identity else np.empty(0)
    words = learn(table, target, min(MAX_WORDS - len(base.words), room - len(models) - 1))
    return Residuals(words, known=models, away_spread=base.away_spread)


def _best_base(
    known: Group, chip: ChipFacts, alone: tuple[Any, Array, int], bases: Mapping[str, KernelFit]
) -> tuple[str, KernelFit | None]:
    """The base that promises more than the law `alone` (features, deviations, numbers), by name, or none."""
    table, target, room = alone
    usable = {name: fit for name, fit in bases.items() if not len(fit.shared_words)}
    if not usable or room < MINIMUM_ROOM:
        return "", None
    left = {name: promise(table, _above(known, fit, chip), room) for name, fit in usable.items()}
    best = min(left, key=lambda name: left[name])
    if left[best] >= (1.0 - BASE_GAIN) * promise(table, target, room):
        return "", None
    return best, usable[best]


def _above(known: Group, base: KernelFit, chip: ChipFacts) -> Array:
    """log(measured / what the base says) `[rows]`."""
    return np.asarray(np.log(known.time_s / base.time_s(known.shapes, chip)))


def deviations(rule: Law, pairs: Sequence[tuple[Group, Setting]], parameters: Array) -> tuple[Any, Array]:
    """(features, log(measured / law)) of all groups, one after the other."""
    tables, targets = [], []
    for group, setting in pairs:
        work = rule.work(group.shapes, setting)
        targets.append(np.log(group.time_s / law_time_s(rule, work, setting, parameters)))
        tables.append(np.stack(rule.features(work, setting), axis=1).astype(np.float32))
    return np.concatenate(tables), np.concatenate(targets)


def _judge(fit: KernelFit, unseen: Group, setting: Setting) -> tuple[KernelFit, FitError]:
    """The fit with its spread, and its errors."""
    from dataclasses import replace

    logs = np.log(unseen.time_s / fit.time_s(unseen.shapes, setting.chip))
    bare = law_time_s(fit.law, fit.law.work(unseen.shapes, setting), setting, fit.parameters)
    wrong = np.abs(np.expm1(-logs))
    error = FitError(
        len(wrong),
        float(np.median(wrong)),
        float(wrong.mean()),
        float(np.quantile(wrong, 0.9)),
        float(np.median(np.abs(bare / unseen.time_s - 1.0))),
    )
    return replace(fit, spread=float(np.quantile(np.abs(logs), 0.8))), error


def _box(group: Group) -> tuple[Array, Array]:
    """Least and greatest value of each column, in sorted order of names."""
    names = sorted(group.shapes)
    low = np.array([group.shapes[name].min() for name in names])
    return low, np.array([group.shapes[name].max() for name in names])
