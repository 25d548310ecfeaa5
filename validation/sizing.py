"""Does `size` choose well? Groups of measured rows are asked for their own bounds, answers judged by measurements.

A group is one model, system, stack and pair of lengths with at least three sets of degrees. It is asked as somebody
would who runs those servers: his model, chip, stack and traffic, the group's median TTFT and TPOT as bounds of means
(which the table tells), his launch scripts, and his configurations (formats, degrees and loads that were measured) to
choose from. One question decides formats, degrees and load. Good: the recommended plan's best measured output per chip,
among its rows that keep both bounds, is within 5 % of the best of all rows that do; told beside it, the load alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from planners.sizing import SizeQuestion, size
from scenarios.names import resolve
from simcore.errors import SimcoreError
from validation.serving.choice import throughput
from validation.serving.fit import Measured
from validation.serving.inputs import replayer
from validation.serving.measures import grouped
from validation.serving.question import formats, scenario_tables
from validation.serving.replay import Replayer
from validation.serving.rows import ServingRow
from validation.sizing_left_out import check_part, unseen

LEAST_PLANS = 3
GOOD = 0.95


Choice = tuple[str, str, int, int, int]
"""format of weights and of experts, tp, attention dp, ep"""


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

    def best_of(self, plan: Choice | None, users: int | None = None) -> float:
        """Most measured output tokens per second and chip among rows (of a plan, at a load) that keep both bounds; 0
        for none."""
        kept = (row for row in self.rows if row.ttft_s <= self.ttft_s and row.tpot_s <= self.tpot_s)
        mine = (row for row in kept if plan in (None, plan_of(row)) and users in (None, row.question.users))
        return max((throughput(row, row.ttft_s, row.tpot_s) for row in mine), default=0.0)

    @cached_property
    def newest(self) -> dict[tuple[Choice, int], Measured]:
        """(plan, users) -> the row of the newest release, of repeats."""
        return {(plan_of(row), row.question.users): row for row in sorted(self.rows, key=release_of)}


def release_of(row: Measured) -> tuple[int, ...]:
    """The numbers of a release; none where it is not stated."""
    return tuple(int(part) for part in re.findall(r"\d+", row.question.version))


@cache
def formats_of(model: str, precision: str) -> tuple[str, str]:
    """Weights and experts of a checkpoint."""
    found = formats(resolve("model", model).value, precision)
    return found["weights"], found.get("experts", found["weights"])


def plan_of(row: Measured) -> Choice:
    """What a row was served with."""
    pool = row.question.pool
    return *formats_of(row.question.model, row.question.precision), pool.tp, pool.attention_dp, pool.ep


def measured_rows(rows: Sequence[ServingRow], frame: Any) -> list[Measured]:
    """Aggregated rows that can be asked, with what was measured; the same result under one model's name counts once."""
    found: dict[Any, Measured] = {}
    for row, ttft_ms, tpot_ms in zip(rows, frame["silicon_ttft_ms"], frame["silicon_tpot_ms"], strict=True):
        asked = row.question
        if asked is not None and asked.mode == "agg" and asked.prefill is None:
            key = (asked.model, asked.curve, asked.users, f"{ttft_ms:.5g}", f"{tpot_ms:.4g}")
            found.setdefault(key, Measured(asked, ttft_ms / 1e3, tpot_ms / 1e3))
    return list(found.values())


def groups_of(rows: Sequence[Measured]) -> Iterator[Group]:
    """Rows by model, system, stack and lengths; those with three sets of degrees and more, and rows within bounds."""
    keys = []
    for row in rows:
        asked = row.question
        keys.append(f"{asked.model}|{asked.system}|{asked.stack}|{asked.input_tokens}:{asked.output_tokens}")
    for name, places in grouped(keys).items():
        group = Group(name, tuple(rows[at] for at in places))
        if len({plan_of(row)[2:] for row in group.rows}) >= LEAST_PLANS and group.best_of(None) > 0.0:
            yield group


DEGREES = ("plan.tp", "plan.attention_dp", "plan.ep")
FORMATS = ("plan.weights", "plan.experts")


def question_of(group: Group, asks: Replayer, stated: bool = True) -> SizeQuestion:
    """What somebody would ask who runs those servers: which of my configurations, under my launch scripts?

    The scripts are the recipes of `validate serving`, which `asks` holds; not `stated`, documented defaults.
    """
    first = group.rows[0].question
    model = resolve("model", first.model).value
    plans = {plan for plan, _ in group.newest}
    keys = [*FORMATS, *DEGREES] if model.is_moe else [FORMATS[0], DEGREES[0]]
    places = [(*FORMATS, *DEGREES).index(key) for key in keys]
    vary: dict[str, Any] = {key: sorted({plan[at] for plan in plans}) for key, at in zip(keys, places, strict=True)}
    vary["traffic.batch"] = sorted({row.question.users for row in group.rows})

    def offer(choice: Mapping[str, Any]) -> dict[str, Any] | None:
        plan = chosen_plan(choice)
        row = group.newest.get((plan, choice["traffic.users"]))
        if row is None:
            return None
        found = settings_of(scenario_tables(row.question, asks.recipes(first.stack), asks.models))
        return found if stated else {key: value for key, value in found.items() if key in CLIENT}

    lengths = scenario_tables(first, asks.recipes(first.stack), asks.models)["traffic"]
    return SizeQuestion(
        model=model.name,
        systems=(first.system,),
        traffic={key: lengths[key] for key in ("input_tokens", "output_tokens")},
        ttft=f"{group.ttft_s:.9g} s",
        tpot=f"{group.tpot_s:.9g} s",
        means=True,
        stack=first.stack,
        vary=vary,
        offer=offer,
    )


def chosen_plan(choice: Mapping[str, Any]) -> Choice:
    """What keys of a scenario choose."""
    weights = str(choice["plan.weights"])
    tp, attention_dp, ep = (int(choice.get(key, 1)) for key in DEGREES)
    return weights, str(choice.get("plan.experts", weights)), tp, attention_dp, ep


def settings_of(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a row's scenario that say how its server was started and what its client did, but for plan and load."""
    policy = {f"policy.{key}": value for key, value in tables["policy"].items()}
    client = {key: value for key in CLIENT if (value := tables["traffic"].get(key.removeprefix("traffic.")))}
    return {**policy, **client, "plan.kv": tables["plan"]["kv"]}


CLIENT = ("traffic.requests", "traffic.think", "traffic.shared_prefix")
"""what the client did"""


@dataclass(frozen=True)
class Verdict:
    """How an answer fared."""

    group: str
    ratio: float
    """best measured output per chip of the recommended plan within bounds, over that of any"""
    row_ratio: float
    """the same of the recommended load alone"""
    ttft: float | None
    """where the measured mean lies: 0 in the middle of the told interval, 1 and -1 at its ends, by logarithms"""
    tpot: float | None
    reason: str = ""

    @property
    def is_good(self) -> bool:
        return self.ratio >= GOOD


def judged(group: Group, asks: Replayer, stated: bool = True, held_out_by: str | None = None) -> Verdict:
    """Ask `size` and compare."""
    try:
        with unseen(group.rows[0].question, held_out_by):
            found = size(question_of(group, asks, stated))
    except SimcoreError as error:
        return Verdict(group.name, 0.0, 0.0, None, None, str(error))
    one, best = found.candidates[0], group.best_of(None)
    plan, users = chosen_plan({**{f"plan.{k}": v for k, v in one.plan.items()}, **one.other}), one.users or 0
    row = group.newest[plan, users]
    away = {name: place_in(one.intervals.get(f"{name}_mean_s"), getattr(row, f"{name}_s")) for name in ("ttft", "tpot")}
    why = "" if one.meets else "no plan keeps the bounds"
    return Verdict(group.name, group.best_of(plan) / best, group.best_of(plan, users) / best, **away, reason=why)


def place_in(told: Sequence[float] | None, value_s: float) -> float | None:
    """Where a value lies in an interval: 0 in its middle, 1 and -1 at its ends, by logarithms; None without one.

    >>> round(place_in([1.0, 4.0], 2.0), 9), round(place_in([1.0, 4.0], 8.0), 9)
    (0.0, 2.0)
    """
    if told is None:
        return None
    low, high = np.log(told)
    return float((np.log(value_s) - (low + high) / 2.0) / ((high - low) / 2.0))


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Shares over groups, and the bad ones."""
    told = [v for v in verdicts if v.ttft is not None and v.tpot is not None]
    away = np.abs(np.array([(v.ttft, v.tpot) for v in told], float).reshape(-1, 2))
    return {
        "groups": len(verdicts),
        "good_share": float(np.mean([v.is_good for v in verdicts])) if verdicts else None,
        "ratio_median": float(np.median([v.ratio for v in verdicts])) if verdicts else None,
        "row_good_share": float(np.mean([v.row_ratio >= GOOD for v in verdicts])) if verdicts else None,
        "inside_share": float((away.max(axis=1) <= 1.0).mean()) if told else None,
        "ttft_inside_share": float((away[:, 0] <= 1.0).mean()) if told else None,
        "tpot_inside_share": float((away[:, 1] <= 1.0).mean()) if told else None,
        "judged_inside": len(told),
        "bad": [
            {"group": v.group, "ratio": v.ratio, "reason": v.reason}
            for v in sorted(verdicts, key=lambda v: v.ratio)
            if not v.is_good
        ],
    }


def validate(
    rows: Sequence[Measured],
    stated: bool = True,
    held_out_by: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """Every group, its servers started as the recipes say, or, not `stated`, by their documented defaults.

    `held_out_by` model or system: with parameters, and of a model recipes, that have not seen the group's. Raises
    InputError for another part.
    """
    check_part(held_out_by)
    groups, found, asks = list(groups_of(rows)), [], replayer(held_out_by)
    for number, group in enumerate(groups):
        found.append(judged(group, asks, stated, held_out_by))
        if progress is not None:
            progress(number + 1, len(groups))
    return found
