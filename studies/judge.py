"""Claims against answers: value, null, interval, tolerance, state."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simcore.spec.expression import Expression
from studies.answers import Answers, Point
from studies.form import Claim, Settings, Study, Tried
from studies.rules import metrics

REPRODUCED, EXPLAINED, UNEXPLAINED = "reproduced", "explained", "UNEXPLAINED"
FITTED, MISSING = "fitted", "not expressible"
WORST = (REPRODUCED, FITTED, EXPLAINED, MISSING, UNEXPLAINED)


@dataclass(frozen=True)
class Judged:
    """One claim and what was found."""

    claim: Claim
    ours: float | None
    state: str
    gap_percent: float | None = None
    low: float | None = None
    high: float | None = None
    """over the ranges of assumed inputs"""
    mover: str = ""
    """the input that moves it most"""
    at: Settings = field(default_factory=dict)
    """where in [vary] the best was found"""
    tried: tuple[tuple[str, float | None], ...] = ()
    null: float | None = None
    reason: str = ""
    """why there is no answer, or what of it does not fit and is timed as if it did"""
    tolerance: float | None = None
    """absolute, from the edge of what was published"""


def judged(study: Study, answers: Answers) -> list[Judged]:
    """Every claim of a study that can be expressed."""
    return [judge(study, claim, answers) for claim in study.claims]


def judge(study: Study, claim: Claim, answers: Answers) -> Judged:
    """One claim."""
    if claim.missing or study.ask is None:
        return Judged(claim, None, MISSING)
    points = list(places(study, claim))
    values = [(value_at(study, claim, answers, point), point) for point in points]
    known = [(value, point) for value, point in values if value is not None]
    if not known:
        state = EXPLAINED if claim.why else UNEXPLAINED
        return Judged(claim, None, state, reason=reason_of(study, claim, answers, points[0]))
    choose = min if claim.pick == "min" else max
    ours, at = choose(known, key=lambda pair: pair[0])
    null = null_of(study, claim, answers, at)
    low, high, mover = sweep(study, claim, answers, at, ours)
    tried = tuple((one.says, value_at(study, claim, answers, at, one)) for one in claim.tried)
    width = tolerance(claim, null)
    inside = is_inside(claim, ours, width)
    is_fitted = any(one.kind == "fitted" and claim.name in one.fitted_to for one in study.inputs)
    state = FITTED if is_fitted else REPRODUCED if inside else EXPLAINED if claim.why else UNEXPLAINED
    return Judged(
        claim,
        ours,
        state,
        gap(claim, ours),
        low,
        high,
        mover,
        at,
        tried,
        null,
        infeasible(study, claim, answers, at),
        width,
    )


def reason_of(study: Study, claim: Claim, answers: Answers, at: Settings) -> str:
    """What a variant without an answer said; else which metric is not there."""
    for variant, metric in metrics(claim, study.inputs):
        found = answers.of(Point(variant, settings_of(claim, at, variant)))
        if metric not in found:
            return f"{variant}: {found.get('reason') or f'has no {metric}'}"
    return ""


def infeasible(study: Study, claim: Claim, answers: Answers, at: Settings) -> str:
    """Variants of a claim about times that do not fit their chips, and why."""
    found = []
    for variant, metric in dict.fromkeys(metrics(claim, study.inputs)):
        row = answers.of(Point(variant, settings_of(claim, at, variant)))
        if row.get("reason") and metric in row and not metric.endswith(("_bytes", "parameters")):
            found.append(f"{variant}: {row['reason']}")
    return "; ".join(dict.fromkeys(found))


def places(study: Study, claim: Claim) -> Iterator[Settings]:
    """Points of [vary] that a claim looks at: all with `pick`, else only `at`."""
    axes = {key: values for key, values in study.vary.items() if key not in claim.at} if claim.pick else {}
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def value_at(
    study: Study, claim: Claim, answers: Answers, at: Settings, tried: Tried | None = None, inputs: Any = None
) -> float | None:
    """The claim's expression at a point; None where a metric is not there (a plan that does not fit)."""
    swept = inputs or {}
    columns = figures_of(study, swept)
    for variant, metric in metrics(claim, study.inputs):
        more = tried.set if tried and variant in (tried.variants or (variant,)) else {}
        settings = {**settings_of(claim, at, variant), **more}
        found = answers.of(Point(variant, settings, swept)).get(metric)
        if found is None:
            return None
        columns[f"{variant}.{metric}"] = found
    return float(Expression(claim.ours).number(columns))


def null_of(study: Study, claim: Claim, answers: Answers, at: Settings) -> float | None:
    """What a comparison would be if the system were its baseline; None where one variant stands alone."""
    if claim.null is not None:
        return claim.null
    names = metrics(claim, study.inputs)
    if len({metric for _, metric in names}) == len(names):
        return None
    by_metric: dict[str, float] = {}
    columns = figures_of(study, {})
    for variant, metric in reversed(names):
        settings = settings_of(claim, at, variant)
        by_metric.setdefault(metric, answers.of(Point(variant, settings)).get(metric, float("nan")))
        columns[f"{variant}.{metric}"] = by_metric[metric]
    found = float(Expression(claim.ours).number(columns))
    return found if found == found else None


def settings_of(claim: Claim, at: Settings, variant: str) -> Settings:
    """Keys set in a variant at a point: the claim's, the point's, those of the variant alone."""
    return {**claim.at, **at, **claim.set.get(variant, {})}


def figures_of(study: Study, swept: Settings) -> dict[str, float]:
    """Inputs that are numbers, by name; `swept` in place of their own."""
    values = {one.name: swept.get(one.name, one.value) for one in study.inputs}
    return {n: float(v) for n, v in values.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def sweep(
    study: Study, claim: Claim, answers: Answers, at: Settings, ours: float
) -> tuple[float | None, float | None, str]:
    """(low, high, the input that moves it most) over the ranges of assumed inputs, one at a time."""
    low, high, most, mover = ours, ours, 0.0, ""
    used = {variant for variant, _ in metrics(claim, study.inputs)}
    for one in study.inputs:
        if one.kind != "assumed" or one.range is None or (one.variants and not used & set(one.variants)):
            continue
        ends = [value_at(study, claim, answers, at, None, {one.name: end}) for end in one.range]
        known = [end for end in ends if end is not None]
        low, high = min([low, *known]), max([high, *known])
        reach = max((abs(end - ours) for end in known), default=0.0)
        if reach > most:
            most, mover = reach, one.name
    return (low, high, mover) if mover else (None, None, "")


def edges(claim: Claim) -> tuple[float, float]:
    """The published range; a figure is a range of one."""
    assert claim.published is not None
    if isinstance(claim.published, tuple):
        return claim.published
    return claim.published, claim.published


def tolerance(claim: Claim, null: float | None) -> float | None:
    """Absolute: the smaller of the stated share and half the distance from what was published to the null."""
    if claim.kind == "shape":
        return None
    low, high = edges(claim)
    stated = claim.percent / 100 * min(abs(low), abs(high))
    distances = [] if null is None else [abs(low - null), abs(high - null)]
    return min([stated, *(0.5 * distance for distance in distances)])


def is_inside(claim: Claim, ours: float, width: float | None) -> bool:
    """Within the bounds of a shape, or the tolerance around what was published."""
    if claim.kind == "shape":
        floor = float("-inf") if claim.at_least is None else claim.at_least
        ceiling = float("inf") if claim.at_most is None else claim.at_most
        return floor <= ours <= ceiling
    low, high = edges(claim)
    slack = (width or 0.0) * (1 + 1e-12)
    return low - slack <= ours <= high + slack


def gap(claim: Claim, ours: float) -> float | None:
    """Percent of the nearest edge of what was published; 0 inside a range; None for shapes."""
    if claim.kind == "shape":
        return None
    low, high = edges(claim)
    near = low if ours < low else high if ours > high else ours
    return 100 * (ours - near) / abs(near) if near else None


def state_of(study: Study, found: list[Judged]) -> str:
    """Of a whole study: its worst claim's, claims that lack a primitive aside unless all do."""
    if study.ask is None or all(one.state == MISSING for one in found):
        return MISSING
    return max((one.state for one in found if one.state not in (MISSING, FITTED)), key=WORST.index, default=FITTED)
