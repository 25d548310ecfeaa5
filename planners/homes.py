"""Hosts of chips that are named without a node, for tables of plans: as wide as each plan needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.homes import MOST, several, stands_alone
from simcore.spec.case import Case
from simcore.spec.system import System

WITHIN = ("tp", "pp", "attention_dp", "cp")
"""degrees whose product is the chips of a replica"""
Rows = NDArray[np.intp] | None
Homes = dict[tuple[int, int], tuple[System, System, tuple[str, ...]]]
"""(id of a system, chips) -> the system, which keeps its id taken, its host of so many chips, what to tell"""


def reach(system: System) -> int:
    """The most chips of one plan on a system, whose host may grow."""
    return MOST if stands_alone(system) else system.max_chips


def housed(
    groups: Iterable[tuple[Rows, Case]], columns: Mapping[str, NDArray[Any]], rows: int, known: Homes
) -> Iterator[tuple[Rows, Case, tuple[str, ...]]]:
    """Groups of rows (None: all) split by the host that their plans need, with what to tell: as `resolve` does of one
    plan."""
    for picks, case in groups:
        if not stands_alone(case.system):
            yield picks, case, ()
            continue
        chips = np.ones(rows)
        for name in WITHIN:
            chips = chips * np.asarray(columns.get(name, getattr(case.plan, name)), float)
        chips = chips if picks is None else chips[picks]
        for count in np.unique(chips).astype(int).tolist():
            key = (id(case.system), count)
            if key not in known:
                known[key] = (case.system, *several(case.system, count))
            _, system, told = known[key]
            some = np.flatnonzero(chips == count)
            yield some if picks is None else picks[some], case.model_copy(update={"system": system}), told
