"""Does `size` choose well? Groups of measured rows are asked for their own bounds, answers judged by measurements.

A group is one model, system, stack and pair of lengths with at least three plans. It is asked as a person would ask,
`simcore size --model M --on S --stack K --traffic I:O --ttft A --tpot B`, with the group's median TTFT and TPOT as
bounds, its narrowest format, and its own degrees and loads as what can be chosen from. Good: the recommended plan's
best measured output per chip, among its rows that keep both bounds, is within 5 % of the best of all rows that do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planners.sizing import Candidate, SizeQuestion, size
from scenarios.names import resolve
from simcore.errors import SimcoreError
from validation.serving.choice import throughput
from validation.serving.fit import Measured
from validation.serving.measures import grouped
from validation.serving.question import SHORTEST, formats

LEAST_PLANS = 3
GOOD = 0.95


@dataclass(frozen=True)
class Group:
    """Rows of one service."""

    name: str
    rows: tuple[Measured, ...]

    @property
    def ttft_s(self) -> float:
        """The bound: the median measured."""
        return float(np.median([row.ttft_s for row in self.rows]))

    @property
    def tpot_s(self) -> float:
        """The same of TPOT."""
        return float(np.median([row.tpot_s for row in self.rows]))

    def best_of(self, plan: tuple[int, int, int] | None) -> float:
        """Most measured output tokens per second and chip among rows (of a plan) that keep both bounds; 0 for none."""
        kept = (row for row in self.rows if row.ttft_s <= self.ttft_s and row.tpot_s <= self.tpot_s)
        found = (throughput(row, row.ttft_s, row.tpot_s) for row in kept if plan in (None, plan_of(row)))
        return max(found, default=0.0)

    def nearest(self, plan: tuple[int, int, int], users: int) -> Measured:
        """The row of a plan whose load is nearest."""
        own = [row for row in self.rows if plan_of(row) == plan]
        return min(own, key=lambda row: abs(np.log(row.question.users / users)))


def plan_of(row: Measured) -> tuple[int, int, int]:
    """Degrees: tp, attention dp, ep."""
    pool = row.question.pool
    return pool.tp, pool.attention_dp, pool.ep


def groups_of(rows: Sequence[Measured]) -> Iterator[Group]:
    """Aggregated rows by model, system, stack and lengths; those with three plans and more, and rows within bounds."""
    plain = [row for row in rows if row.question.prefill is None]
    keys = []
    for row in plain:
        asked = row.question
        keys.append(f"{asked.model}|{asked.system}|{asked.stack}|{asked.input_tokens}:{asked.output_tokens}")
    for name, places in grouped(keys).items():
        group = Group(name, tuple(plain[at] for at in places))
        if len({plan_of(row) for row in group.rows}) >= LEAST_PLANS and group.best_of(None) > 0.0:
            yield group


def bits(precision: str) -> int:
    """Bits of a checkpoint's weights, the fewest first.

    >>> bits("fp4"), bits("fp8"), bits("bf16")
    (4, 8, 16)
    """
    return int("".join(letter for letter in precision if letter.isdigit()) or 16)


def question_of(group: Group) -> SizeQuestion:
    """What a person would ask for the group."""
    first = group.rows[0].question
    model, plans = resolve("model", first.model).value, {plan_of(row) for row in group.rows}
    vary: dict[str, Any] = {"plan.tp": sorted({tp for tp, _, _ in plans})}
    if model.is_moe:
        vary |= {"plan.attention_dp": sorted({dp for _, dp, _ in plans}), "plan.ep": sorted({ep for _, _, ep in plans})}
    vary["traffic.batch"] = sorted({row.question.users for row in group.rows})
    precision = min((row.question.precision for row in group.rows), key=bits)
    lengths = (first.input_tokens, first.output_tokens)
    spread = [n if first.fixed_lengths else [max(1, int(SHORTEST * n)), n] for n in lengths]
    return SizeQuestion(
        model=model.name,
        systems=(first.system,),
        traffic={"input_tokens": spread[0], "output_tokens": spread[1]},
        ttft=f"{group.ttft_s:.9g} s",
        tpot=f"{group.tpot_s:.9g} s",
        attainment=0.5,
        stack=first.stack,
        settings={f"plan.{k}": v for k, v in formats(model, precision).items()},
        vary=vary,
    )


@dataclass(frozen=True)
class Verdict:
    """How an answer fared."""

    group: str
    ratio: float
    """best measured output per chip of the recommended plan within bounds, over that of any"""
    inside: bool | None
    """whether the measured TTFT and TPOT of the plan's nearest row lie in the told intervals"""
    reason: str = ""

    @property
    def is_good(self) -> bool:
        return self.ratio >= GOOD


def judged(group: Group) -> Verdict:
    """Ask `size` and compare."""
    measured = {plan_of(row) for row in group.rows}
    try:
        found = size(question_of(group))
    except SimcoreError as error:
        return Verdict(group.name, 0.0, None, str(error))
    best = group.best_of(None)
    for one in found.candidates:
        plan = (one.plan["tp"], one.plan["attention_dp"], one.plan["ep"])
        if plan in measured:  # plans that nobody ran cannot be judged
            why = "" if one.meets else "no plan that was measured meets the bounds"
            return Verdict(group.name, group.best_of(plan) / best, lies_inside(group, one, plan), why)
    return Verdict(group.name, 0.0, None, "no plan that was measured is among the best")


def lies_inside(group: Group, one: Candidate, plan: tuple[int, int, int]) -> bool | None:
    """None where the load that was replayed lies further than a quarter from every measured one, or nothing is told."""
    row, told = group.nearest(plan, one.users or 1), one.answer.get("intervals") or {}
    if abs(row.question.users / (one.users or 1) - 1.0) > 0.25 or "tpot_mean_s" not in told:
        return None
    return all(
        told[f"{name}_mean_s"][0] <= value <= told[f"{name}_mean_s"][1]
        for name, value in (("ttft", row.ttft_s), ("tpot", row.tpot_s))
        if f"{name}_mean_s" in told
    )


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Shares over groups, and the bad ones."""
    inside = [v.inside for v in verdicts if v.inside is not None]
    return {
        "groups": len(verdicts),
        "good_share": float(np.mean([v.is_good for v in verdicts])) if verdicts else None,
        "ratio_median": float(np.median([v.ratio for v in verdicts])) if verdicts else None,
        "inside_share": float(np.mean(inside)) if inside else None,
        "judged_inside": len(inside),
        "bad": [
            {"group": v.group, "ratio": v.ratio, "reason": v.reason}
            for v in sorted(verdicts, key=lambda v: v.ratio)
            if not v.is_good
        ],
    }


def validate(rows: Sequence[Measured], progress: Callable[[int, int], None] | None = None) -> list[Verdict]:
    """Every group."""
    groups, found = list(groups_of(rows)), []
    for number, group in enumerate(groups):
        found.append(judged(group))
        if progress is not None:
            progress(number + 1, len(groups))
    return found
