"""What can only be checked by asking: the placebo, that every metric moves its claim, that claims are out of sight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simcore.spec.expression import Expression
from studies.answers import Answers, Point
from studies.form import Claim, Study
from studies.judge import judged
from studies.rules import metrics

PLACEBO_RATIO = 1e-6


def problems(study: Study, answers: Answers | None = None) -> list[str]:
    """What is wrong with a study that keeps the written rules; empty where all is well."""
    if study.ask is None:
        return []
    answers = answers or Answers(study.ask)
    return [f"{study.name}: {text}" for text in (*placebo(study, answers), *still(study, answers))]


def placebo(study: Study, answers: Answers) -> Iterator[str]:
    """With its mechanism off, the system answers what its baseline answers: every metric of a claim, within 1e-6."""
    off = study.placebo
    if off.none:
        return
    used = {metric for claim in study.claims if claim.ours for _, metric in metrics(claim, study.inputs)}
    first = {key: values[0] for key, values in study.vary.items()} | dict(off.at)
    with_off, baseline = (
        answers.of(Point(off.variant, {**first, **off.off})),
        answers.of(Point(off.baseline, first)),
    )
    if not used & set(with_off) & set(baseline):
        yield f"placebo: {off.variant} or {off.baseline} answers nothing at the first point of [vary]"
    for metric in sorted(used):
        left, right = with_off.get(metric), baseline.get(metric)
        if left is None and right is None:
            continue
        same = left is not None and right is not None and abs(left - right) <= PLACEBO_RATIO * max(abs(right), 1e-300)
        if not same:
            yield f"placebo: {metric} of {off.variant} with its mechanism off is {left}, of {off.baseline} {right}"


def still(study: Study, answers: Answers) -> Iterator[str]:
    """Metrics that do not move the claim they stand in."""
    for claim in study.claims:
        if claim.ours and not claim.missing:
            for name in moves_nothing(claim):
                yield f"{claim.says}: {name} does not move it"


def moves_nothing(claim: Claim) -> list[str]:
    """Names of an expression that may change by 1 % and leave it as it is, wherever the others stand.

    >>> moves_nothing(Claim("a", "inner", "a.x / b.x + 0 * a.y"))
    ['a.y']
    """
    made = Expression(claim.ours)
    base = {name: 1.0 + 0.37 * number for number, name in enumerate(made.names)}
    value = float(made.number(base))
    return [n for n in made.names if float(made.number({**base, n: base[n] * 1.01})) == value]


def tampered(study: Study) -> Study:
    """The study with every published figure doubled: its answers must be the same to the last byte."""

    def doubled(claim: Claim) -> Claim:
        value = claim.published
        twice = tuple(2 * one for one in value) if isinstance(value, tuple) else None if value is None else 2 * value
        bounds = {key: None if (b := getattr(claim, key)) is None else 2 * b for key in ("at_least", "at_most")}
        return replace(claim, published=twice, **bounds)  # type: ignore[arg-type]

    return replace(study, claims=tuple(doubled(claim) for claim in study.claims))


def rows_of(study: Study) -> dict[str, dict[str, Any]]:
    """Every row that judging a study asks for."""
    assert study.ask is not None
    answers = Answers(study.ask)
    judged(study, answers)
    return answers.rows
