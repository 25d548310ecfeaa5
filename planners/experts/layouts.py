"""All layouts of one layer: the copies of each expert on each chip; and which layouts are the same but for names.

Chips of a node may trade places, and so may whole nodes: a layout's class holds all that such renaming makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb

import numpy as np
from numpy.typing import NDArray

from planners.experts.problem import ExpertProblem, Floats, Ints

MOST_GROWN = 4_000_000
"""layouts looked at on the way, before those that leave an expert without a slot are dropped"""


@dataclass(frozen=True)
class Layouts:
    """Every layout of a layer that gives each expert a slot."""

    counts: NDArray[np.int8]
    """copies of each expert on each chip, [layouts, chips, experts]"""
    kind: Ints
    """class of each layout, [layouts]"""
    heads: Ints
    """one layout of each class, [classes]"""

    @property
    def share(self) -> Floats:
        """Share of an expert's tokens that each chip serves, [layouts, chips, experts]; copies share evenly."""
        return np.asarray(self.counts / self.counts.sum(axis=1, keepdims=True))


def layouts(problem: ExpertProblem, most: int) -> Layouts | None:
    """All layouts of a layer of this problem; None where there are more than `most`.

    >>> found = layouts(ExpertProblem(np.ones((1, 6)), chips=3), 1_000)
    >>> len(found.counts), len(found.heads)
    (90, 15)
    """
    chips, experts, room = problem.chips, problem.experts, problem.slots_per_chip
    holdings = _holdings(experts, room, most * chips)
    if holdings is None:
        return None
    codes = np.zeros((1, 0), np.int64)
    counts = np.zeros((1, experts), np.int16)
    for chip in range(chips):
        if len(codes) * len(holdings) > MOST_GROWN:
            return None
        after = (counts[:, None] + holdings[None]).reshape(-1, experts)
        kept = np.flatnonzero((after == 0).sum(axis=1) <= room * (chips - 1 - chip))
        counts = after[kept]
        codes = np.column_stack([codes[kept // len(holdings)], kept % len(holdings)])
    if len(codes) > most:
        return None
    same = _renamed(codes, problem) if problem.previous is None or problem.move_cost == 0 else codes
    _, heads, kind = np.unique(same, axis=0, return_index=True, return_inverse=True)
    return Layouts(holdings[codes].astype(np.int8), kind.reshape(-1), heads)


def _holdings(experts: int, room: int, most: int) -> NDArray[np.int16] | None:
    """What one chip may hold, [ways, experts]: without spare slots an expert once."""
    if comb(experts + room - 1, room) > min(most, MOST_GROWN // experts):
        return None
    chosen = np.array(list(combinations_with_replacement(range(experts), room)))
    return np.stack([(chosen == e).sum(axis=1) for e in range(experts)], axis=1).astype(np.int16)


def _renamed(codes: Ints, problem: ExpertProblem) -> Ints:
    """Each row with the chips of a node sorted, and the nodes sorted; all one node where hops cost the same."""
    nodes = problem.nodes if problem.node_hop_cost > 1 else 1
    inside = np.sort(codes.reshape(len(codes), nodes, -1), axis=2)
    for last in range(inside.shape[2] - 1, -1, -1):
        order = np.argsort(inside[:, :, last], axis=1, kind="stable")
        inside = np.take_along_axis(inside, order[:, :, None], axis=1)
    return np.asarray(inside.reshape(len(codes), -1))
