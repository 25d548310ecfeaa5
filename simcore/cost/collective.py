"""Collectives by alpha-beta over the link hierarchy: the fastest of what libraries choose from, or a named algorithm.

For g ranks, S bytes (the full tensor), link latency a and bandwidth B every algorithm is a line in S (Thakur,
Rabenseifner and Gropp 2005); the files of `simcore.cost.collectives` say which. Across nodes nobody writes into
another's memory: a kernel, a proxy thread and a network card take turns, so that every algorithm begins with c and a
hop takes at least a2 (NCCL's own estimate, tuning.cc).

One- and two-shot need chips that read each other's memory: through a host's memory rings and trees remain.

Reduce-scatter and all-gather are half an all-reduce; all-to-all sends (g-1)/g of S. A level that is slower than its
links say (a slow member, other jobs) has a `slowest_ratio`. Wrong when several groups of one job share an
oversubscribed level unequally.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.collectives import AUTO, algorithms, chosen
from simcore.cost.collectives._base import Group, Line
from simcore.cost.machine import Machine
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column

CROSSING_S = 6.8e-6
"""c: what a collective across nodes begins with (NCCL, src/graph/tuning.cc, baseLat of LL)"""
HOP_S = 5.0e-6
"""a2: least time from one node's chip to another's (the same, hwLat of the network, tree, LL)"""


@dataclass(frozen=True)
class Spans:
    """How a group of ranks lies in the hierarchy, [plans] each."""

    inner: Column
    """ranks within the innermost level that the group uses"""
    outer: Column
    """groups of such ranks"""
    inner_bytes_per_s: Column
    inner_latency_s: Column
    outer_bytes_per_s: Column
    outer_latency_s: Column
    crosses: Any = False
    """whether its ranks lie on several nodes"""
    memory_bytes_per_s: Column = np.inf
    """of a chip, for what an algorithm does to a tensor before it is sent"""
    has_peers: Any = True
    """whether chips of a node read each other's memory"""

    @property
    def ranks(self) -> Column:
        return self.inner * self.outer


def spans(machine: Machine, group: Column, stride: Column = 1.0) -> Spans:
    """Split a group of `group` ranks, `stride` chips apart, at the levels of the machine.

    The inner part is what fits the first level that holds more than one of its ranks; everything beyond counts as
    outer, at the slowest bandwidth and the largest latency among the levels crossed.
    """
    reach: Column = 1.0
    inner: Column = np.ones(np.broadcast(np.asarray(group), np.asarray(stride)).shape)
    inner_rate, inner_wait = np.full_like(inner, np.inf), np.zeros_like(inner)
    outer_rate, outer_wait = np.full_like(inner, np.inf), np.zeros_like(inner)
    covered = np.ones_like(inner)
    for size, rate, wait in zip(machine.level_sizes, machine.level_bytes_per_s, machine.level_latency_s, strict=True):
        reach = reach * size
        members = np.clip(np.floor(reach / stride), 1.0, group)
        grows = members > covered
        first = grows & (inner <= 1.0)
        beyond = grows & ~first
        inner = np.where(first, members, inner)
        inner_rate, inner_wait = np.where(first, rate, inner_rate), np.where(first, wait, inner_wait)
        outer_rate = np.where(beyond, np.minimum(rate, outer_rate), outer_rate)
        outer_wait = np.where(beyond, np.maximum(wait, outer_wait), outer_wait)
        covered = np.maximum(covered, members)
    crosses = np.asarray(group * stride > machine.node_chips) & (np.asarray(group) > 1)
    peers, memory = np.asarray(machine.has_peers) > 0, machine.memory_bytes_per_s
    far = outer_rate, outer_wait
    return Spans(inner, group / inner, inner_rate, inner_wait, *far, crosses, memory, peers)


@dataclass(frozen=True)
class CollectiveModel:
    """Times of collectives over one kind of group, from coefficients computed once per group."""

    lines: dict[str, tuple[Line, ...]]
    """collective -> (seconds, seconds per byte) of each algorithm"""

    def time_s(self, name: str, size_bytes: Column) -> Column:
        """The fastest algorithm for `size_bytes`, zero for a single rank. Shapes [plans]."""
        best: Column | None = None
        for wait, slope in self.lines[name]:
            line = wait + slope * size_bytes
            best = line if best is None else np.minimum(best, line)
        assert best is not None
        return best


def collective_model(at: Spans, algorithm: str = AUTO) -> CollectiveModel:
    """Coefficients of every collective for groups that lie as `at` says; what a named algorithm does not do, the chosen
    ones do. Raises UnknownName."""
    crosses = np.asarray(at.crosses)
    start = np.where(crosses, CROSSING_S, 0.0)
    hop = np.where(crosses, np.maximum(at.outer_latency_s, HOP_S), at.outer_latency_s)
    near = at.inner_bytes_per_s, at.inner_latency_s
    far = at.outer_bytes_per_s, hop, at.outer_latency_s
    group = Group(at.ranks, at.inner, at.outer, *near, *far, crosses, at.memory_bytes_per_s, at.has_peers)
    found: dict[str, list[Line]] = {}
    for name in chosen():
        for what, line in algorithms(name)(group).items():
            found.setdefault(what, []).append(line)
    if algorithm != AUTO:
        found |= {what: [line] for what, line in algorithms(algorithm)(group).items()}
    return CollectiveModel({what: after(start * (what != "all_to_all"), *lines) for what, lines in found.items()})


def after(start_s: Column, *lines: Line) -> tuple[Line, ...]:
    """Algorithms that all begin with `start_s`."""
    return tuple((start_s + wait, slope) for wait, slope in lines)


def send_time_s(machine: Machine, stride: Column, size_bytes: Column) -> Column:
    """One point-to-point message between ranks `stride` chips apart: latency + bytes / bandwidth."""
    at = spans(machine, np.asarray(2.0), stride)
    rate = np.minimum(at.inner_bytes_per_s, at.outer_bytes_per_s)
    return np.maximum(at.inner_latency_s, at.outer_latency_s) + size_bytes / rate
