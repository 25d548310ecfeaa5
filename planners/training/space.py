"""The space of training plans: cells of degrees, every switch an axis inside (Calculon, Isaev et al. 2023).

cells   tp divides chips, hidden and heads; pp divides chips / tp and layers; dp = chips / (tp pp) <= batch, which
        is cut to a multiple of dp; vpp divides layers / pp (1 if pp = 1); microbatch divides batch / dp, and tp
        divides microbatch x sequence
modes   19: recompute x tensor-parallel exchange x gather again x offload of activations
rest    weights offloaded, optimizer offloaded; of dp > 1: states sharded, overlap, network; of tp > 1: overlap
        (none, all, half), network; of pp > 1: network
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
RECOMPUTE = ("none", "selective", "full")
EXCHANGE = ("all-reduce", "scattered-sends", "sequence-parallel")
AXES = ("mode", "weights_off", "optimizer_off", "sharded", "dp_overlap", "dp_far", "tp_overlap", "tp_far", "pp_far")
DEGREES = ("tp", "pp", "dp", "vpp", "microbatch", "batch")
OPEN_SHARE = (1.0, 0.0, 0.5)
"""of a tensor-parallel exchange that runs beside nothing, by value of tp_overlap"""


@dataclass(frozen=True)
class Mode:
    """One of the 19 ways to keep activations and to exchange them."""

    recompute: str
    exchange: str
    gather_again: bool
    offload: bool


def modes() -> tuple[Mode, ...]:
    """In order; gathering again only under sequence parallelism and without full recomputation, offload not with it.

    >>> len(modes())
    19
    """
    found = []
    for recompute in RECOMPUTE:
        for exchange in EXCHANGE:
            for again in (False, True):
                for offload in (False, True):
                    if again and (exchange != "sequence-parallel" or recompute == "full"):
                        continue
                    if offload and recompute == "full":
                        continue
                    found.append(Mode(recompute, exchange, again, offload))
    return tuple(found)


def divisors(number: int) -> list[int]:
    """Ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    small = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})


@dataclass(frozen=True)
class Block:
    """Cells that have the same axes, [cells] each."""

    tp: Ints
    pp: Ints
    dp: Ints
    vpp: Ints
    microbatch: Ints
    batch: Ints
    """the global batch, cut to a multiple of dp"""
    first: int
    """number of the first plan"""

    @property
    def cells(self) -> int:
        return len(self.tp)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Values of every axis of AXES."""
        dp, tp, pp = (int(one[0]) > 1 for one in (self.dp, self.tp, self.pp))
        several = (2, 2, 2) if dp else (1, 1, 1)
        return (len(modes()), 2, 2, *several, *((3, 2) if tp else (1, 1)), 2 if pp else 1)

    @property
    def per_cell(self) -> int:
        return int(np.prod(self.sizes))

    @property
    def plans(self) -> int:
        return self.cells * self.per_cell

    def part(self, start: int, stop: int) -> Block:
        """Some of the cells."""
        picked = {name: getattr(self, name)[start:stop] for name in DEGREES}
        return Block(**picked, first=self.first + start * self.per_cell)

    def choice(self, number: int) -> tuple[int, dict[str, int]]:
        """(cell, value of every axis) of a plan by its number in the space."""
        cell, inside = divmod(number - self.first, self.per_cell)
        values = np.unravel_index(inside, self.sizes)
        return int(cell), {name: int(v) for name, v in zip(AXES, values, strict=True)}


def blocks(model: Any, chips: int, batch: int, sequence_tokens: int) -> list[Block]:
    """All cells, those with the same axes together, in the order of their degrees."""
    kinds: dict[tuple[bool, bool, bool], list[tuple[int, ...]]] = {}
    heads, layers = model.min_heads, model.layer_count
    for tp in divisors(chips):
        if model.hidden_size % tp or heads % tp:
            continue
        for pp in divisors(chips // tp):
            dp = chips // (tp * pp)
            if layers % pp or dp > batch:
                continue
            cut = batch // dp * dp
            for vpp in divisors(layers // pp) if pp > 1 else [1]:
                for micro in divisors(cut // dp):
                    if micro * sequence_tokens % tp == 0:
                        kinds.setdefault((dp > 1, tp > 1, pp > 1), []).append((tp, pp, dp, vpp, micro, cut))
    found, first = [], 0
    for rows in kinds.values():
        columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
        found.append(Block(**dict(zip(DEGREES, columns, strict=True)), first=first))
        first += found[-1].plans
    return found
