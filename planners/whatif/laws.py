"""What [laws] make of a changed question: a price that follows the bandwidth, an area, an energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planners.search.names import key_of
from planners.search.question import laws_of
from planners.whatif.numbers import system_of, worth
from simcore.errors import InputError
from simcore.spec.scenario import Scenario

POWER = "hardware.chip.power.tdp"
PRICES = ("hardware.chip.money.rental", "hardware.chip.money.purchase")


@dataclass(frozen=True)
class Followed:
    """Keys that laws set, and figures that they add."""

    keys: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


def followed(scenario: Scenario, changes: Mapping[str, Any]) -> Followed:
    """The laws at a question with keys set; a key that is set is not overruled. Raises InputError for a name that is
    neither a number of the hardware nor of the scenario."""
    changed = scenario.set(dict(changes)) if changes else scenario
    if not changed.laws:
        return Followed()
    found, facts = Followed(), _Facts(changed)
    for name, law in laws_of(changed).items():
        key = key_of(name)
        if "." in key and key in changes:
            continue
        try:
            value = float(np.asarray(law.number(facts)))
        except InputError as error:
            error.key = f"laws.{name}"
            raise
        (found.keys if "." in key else found.figures)[key] = value
    return found


def unfollowed(scenario: Scenario, changes: Mapping[str, Any]) -> list[str]:
    """Price and power of a chip that stay as they were though it changes, in a sentence; empty where laws or the change
    itself say them."""
    touched = [key for key in changes if key.startswith("hardware.chip.") and key not in (*PRICES, POWER)]
    said = {*changes, *(key_of(name) for name in scenario.set(dict(changes)).laws)}
    pairs = (("its price", "money.purchase or money.rental", PRICES), ("its power", "power.tdp", (POWER,)))
    still = [(what, key) for what, key, known in pairs if not said.intersection(known)]
    if not touched or not still:
        return []
    whose, keys = (" and ".join(words) for words in zip(*still, strict=True))
    verb = "do" if len(still) > 1 else "does"
    return [f"{whose.capitalize()} {verb} not follow the change: no law sets hardware.chip {keys}."]


class _Facts(dict[str, Any]):
    """Names of a law: numbers of the changed hardware and scenario."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self.scenario, self.system = scenario, system_of(scenario)

    def __contains__(self, name: object) -> bool:
        try:
            self[str(name)]
        except InputError:
            return False
        return True

    def __missing__(self, name: str) -> Any:
        main = f"chip.memory.{self.system.chip.main_tier}."
        self[name] = worth(self.scenario, self.system, key_of(name).replace("chip.memory.main.", main))
        return self[name]
