"""What a changed chip may cost before it pays no more: the price at which a token costs what it costs now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from planners.whatif.assumed import steady
from planners.whatif.laws import PRICES, followed
from planners.whatif.numbers import worth
from planners.whatif.question import WhatIf
from scenarios.fields import quantity
from scenarios.traffic import needed

COST = "usd_per_million_tokens"
UNITS = {PRICES[0]: "USD/h", PRICES[1]: "USD"}


@dataclass(frozen=True)
class BreakEven:
    """The price of one chip, changed, at which its tokens cost as much as today's."""

    key: str
    now: float
    """today's price, in `unit`"""
    price: float
    """below zero: even for nothing it does not pay"""
    unit: str
    cost_now: float
    """USD per million tokens as asked, and changed at `asked`"""
    cost_changed: float
    asked: float
    """price of the changed chip: today's, or what a law makes of it"""
    in_flight: int | None = None
    """requests per replica in which both were compared; None: the load as it is asked"""


def break_even(asked: WhatIf, changes: Mapping[str, Any]) -> BreakEven | None:
    """None where the cost does not follow the chip's price, or where either side has no answer.

    The cost of a token is linear in the price, all else equal: two prices give it. It holds while nothing else of the
    changed chip costs more (power and server are priced as the scenario says). At a stated rate on stated chips a token
    costs the price of the hour, however fast they are: there both are compared with the requests in flight that the
    rate needs now.
    """
    found = as_asked(asked, changes)
    if found is None or found.asked != found.now or not math.isclose(found.cost_now, found.cost_changed, rel_tol=1e-9):
        return found
    held = steady(asked.scenario)
    busy = as_asked(WhatIf(held, asked.metric), changes)
    return busy and replace(busy, in_flight=needed(held).batch)


def as_asked(asked: WhatIf, changes: Mapping[str, Any]) -> BreakEven | None:
    """Under the load of the scenario."""
    cost = WhatIf(asked.scenario, COST, asked.answers)
    before, after = cost.value({}), cost.value(changes)
    if math.isnan(before) or math.isnan(after):
        return None
    system, first, ruled = asked.system, followed(asked.scenario, {}).keys, followed(asked.scenario, changes).keys
    for key in PRICES:
        now = float(first.get(key, worth(asked.scenario, system, key)))
        price = float(quantity(changes.get(key, ruled.get(key, now))))
        step = price or now
        dearer = cost.value({**changes, key: price + step})
        if abs(dearer - after) <= 1e-12 * after:
            continue
        per_usd = (dearer - after) / step
        return BreakEven(key, now, price + (before - after) / per_usd, UNITS[key], before, after, price)
    return None
