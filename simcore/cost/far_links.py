"""Collectives between nodes: rings over as many network cards as a node holds ranks of the group.

    rate = min(link inside the node, ranks in a node x card)
    reduce-scatter, all-gather   (g - 1)/g S / rate            all-reduce: twice that
    all-to-all                   what leaves a node over its own cards beside what stays on the node's links

S is the full tensor (of an all-to-all: what one rank sends). Source: NCCL's documentation of rings and channels; the
share of the cards that is reached is a constant of the framework. Wrong for tree algorithms at small sizes and where
the network reduces by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.cost.machine import Machine
from simcore.ops.op import Column

TIMES = {"all_reduce": 2.0, "reduce_scatter": 1.0, "all_gather": 1.0}


@dataclass(frozen=True)
class Place:
    """How a group lies in nodes, [plans]."""

    group: Column
    inside: Column
    """ranks of the group in one node"""
    link_bytes_per_s: Column
    card_bytes_per_s: Column
    latency_s: Column

    @property
    def crosses(self) -> NDArray[np.bool_]:
        """Whether it leaves the node."""
        return np.asarray(np.asarray(self.inside) < np.asarray(self.group))

    @property
    def ring_bytes_per_s(self) -> Column:
        """Of a ring through all ranks."""
        return np.minimum(self.link_bytes_per_s, self.inside * self.card_bytes_per_s)


def place(machine: Machine, group: Column, stride: Column = 1.0) -> Place:
    """Of `group` ranks, `stride` chips apart, on consecutive chips of nodes."""
    sizes, rates, waits = machine.level_sizes, machine.level_bytes_per_s, machine.level_latency_s
    node = sizes[0] if sizes else 1.0
    inside = np.clip(np.floor(node / stride), 1.0, group)
    far = 1 if len(sizes) > 1 else 0
    return Place(
        group,
        inside,
        rates[0] if rates else np.inf,
        rates[far] if rates else np.inf,
        waits[far] if waits else 0.0,
    )


def far_s(at: Place, name: str, size_bytes: Column) -> Column:
    """Seconds at the full rate of the cards, zero where the group stays in a node."""
    g = np.maximum(at.group, 1.0)
    if name == "all_to_all":
        beyond = (g - at.inside) / g * size_bytes / at.card_bytes_per_s
        within = (at.inside - 1.0) / g * size_bytes / at.link_bytes_per_s
        found = np.maximum(beyond, within) + at.latency_s
    else:
        wait = 2.0 * np.ceil(np.log2(g)) * at.latency_s
        found = TIMES[name] * ((g - 1.0) / g * size_bytes / at.ring_bytes_per_s + wait)
    return np.where(at.crosses, found, 0.0)
