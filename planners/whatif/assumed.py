"""Assumed numbers of an answer in the order of how far each moves it, by the analytic engine (`train` of a recipe)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planners.estimate import estimate
from planners.whatif.numbers import parts_of
from planners.whatif.question import Number, WhatIf, numbers_of, scaled
from planners.whatif.tornado import STILL
from simcore.errors import InputError
from simcore.spec.scenario import Scenario

FACTOR = 1.5
FIGURES = {
    "ttft_mean_s": "TTFT",
    "tpot_mean_s": "TPOT",
    "step_time_s": "step time",
    "throughput_per_chip_tokens_per_s": "tokens/s per chip",
    "usd_per_million_tokens": "cost per token",
    "usd_per_hour": "cost per hour",
    "energy_j_per_token": "energy per token",
}
"""that an assumption is judged by -> what it is called; of a step time tokens/s are the same thing again"""


@dataclass(frozen=True)
class Moved:
    """An assumed number, and by which share it moves each figure, over and times `FACTOR`; infinite: to no answer."""

    name: str
    """as answers tell assumptions: SPEC: path"""
    swings: Mapping[str, float]

    @property
    def most(self) -> float:
        """The largest swing."""
        return max(self.swings.values(), default=0.0)


def assumed(scenario: Scenario) -> list[Moved]:
    """Every assumed number of a scenario's hardware, the one that moves most first; none where nothing can be priced.

    One at a time, everything else as asked. Numbers are first changed in groups, which are halved where anything moves:
    a few dozen prices for twenty numbers, half a second to one. Arrivals count as the batch that they keep in flight.
    Wrong where two of a group move a figure to opposite sides by the same share.
    """
    try:
        asked = WhatIf(steady(scenario), "")
        known = {key: number for key, number in numbers_of(asked.system).items() if number.assumed}
        base = figures_of(asked, {})
    except InputError:
        return []
    if not base:
        return []
    names = {f"hardware.{part}.": spec.name for part, spec in parts_of(asked.system).items() if spec is not None}
    moving = set(movers(asked, known, list(known), base))
    found = []
    for key in known:
        part = next(part for part in names if key.startswith(part))
        swings = swung(asked, known, key, base) if key in moving else {}
        found.append(Moved(f"{names[part]}: {key.removeprefix(part)}", swings))
    return sorted(found, key=lambda one: -one.most)


def steady(scenario: Scenario) -> Scenario:
    """The scenario with the batch that its load keeps in flight. Raises InputError for what cannot be priced."""
    if scenario.training is not None or scenario.traffic is None or scenario.models or scenario.jobs:
        return scenario
    return scenario.set({"traffic.batch": estimate(scenario).case.batch})


def figures_of(asked: WhatIf, changes: Mapping[str, float]) -> dict[str, float]:
    """The figures with numbers changed; none where there is no answer, or a spec refuses the numbers."""
    try:
        side = asked.side(changes)
    except InputError:
        if not changes:
            raise
        return {}
    return {} if side.reason else {name: side.figures[name] for name in FIGURES if name in side.figures}


def movers(asked: WhatIf, known: Mapping[str, Number], keys: Sequence[str], base: Mapping[str, float]) -> list[str]:
    """Those of the keys that move anything, found by halving groups that do."""
    if not keys:
        return []
    changed = figures_of(asked, {key: scaled(known[key].value, FACTOR) for key in keys})
    if max(moves(base, changed).values(), default=0.0) <= STILL:
        return []
    if len(keys) == 1:
        return list(keys)
    half = len(keys) // 2
    return movers(asked, known, keys[:half], base) + movers(asked, known, keys[half:], base)


def swung(asked: WhatIf, known: Mapping[str, Number], key: str, base: Mapping[str, float]) -> dict[str, float]:
    """The larger move to either side, by figure; still ones are left out."""
    ends = [moves(base, figures_of(asked, {key: scaled(known[key].value, f)})) for f in (1.0 / FACTOR, FACTOR)]
    found = {name: max(end[name] for end in ends) for name in base}
    return {name: swing for name, swing in found.items() if swing > STILL}


def moves(base: Mapping[str, float], changed: Mapping[str, float]) -> dict[str, float]:
    """The share by which each figure moves; infinite without an answer."""
    return {name: abs(changed.get(name, math.inf) - value) / abs(value) for name, value in base.items() if value}


def lines(told: Sequence[str], found: Sequence[Moved]) -> list[str]:
    """Assumptions as answers tell them, those that move most first, each with what it moves.

    >>> lines(["a: x: 1 s", "a: y: 2 s"], [Moved("a: y", {"tpot_mean_s": 0.014})])
    ['a: y: 2 s: moves TPOT by 1.4 %', 'a: x: 1 s']
    """
    by_name = {one.name: (place, one) for place, one in enumerate(found)}
    ranked = []
    for text in told:
        name = next((name for name in by_name if text.startswith(f"{name}: ")), "")
        place, one = by_name.get(name, (len(found), Moved("", {})))
        ranked.append((place, f"{text}: moves {in_words(one)}" if one.swings else text))
    return [text for _, text in sorted(ranked, key=lambda pair: pair[0])]


def in_words(one: Moved) -> str:
    """What a number moves, the most first."""
    swings = sorted(one.swings.items(), key=lambda pair: -pair[1])
    return ", ".join(
        f"{FIGURES[name]} {'to no answer' if math.isinf(swing) else f'by {100 * swing:.2g} %'}"
        for name, swing in swings
    )
