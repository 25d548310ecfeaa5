"""Collectives by alpha-beta over the link hierarchy: ring, tree, one- and two-shot, hierarchical, the fastest is taken.

For g ranks, S bytes (the full tensor), link latency a and bandwidth B (Thakur, Rabenseifner and Gropp 2005; Patarasso
and Yuan 2009):

    ring          2 (g-1) a + 2 (g-1)/g S/B
    tree          2 ceil(log2 g) a + 2 S/B
    one-shot      2 a + (g-1) S/B                      every rank reads all others' tensors
    two-shot      2 a + 2 (g-1)/g S/B                  slices exchanged twice; only where one switch joins all ranks
    hierarchical  reduce-scatter inside, all-reduce of S/n1 across, all-gather inside
    nodes         c + 2 ((n1-1) a1 + ceil(log2 n2) a2) + 2 S/B     chains inside nodes, a tree across them (NCCL)

Across nodes nobody writes into another's memory: a kernel, a proxy thread and a network card take turns, so that every
algorithm begins with c and a hop takes at least a2 (NCCL's own estimate, tuning.cc). One- and two-shot end at the node,
and need chips that read each other's memory: through a host's memory rings and trees remain.

Reduce-scatter and all-gather are half a ring; all-to-all sends (g-1)/g of S. Wrong when several groups share an
oversubscribed level unequally, and where the network reduces by itself (SHARP): both are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    peers = np.asarray(machine.has_peers) > 0
    return Spans(inner, group / inner, inner_rate, inner_wait, outer_rate, outer_wait, crosses, peers)


Line = tuple[Column, Column]
"""seconds, and seconds per byte"""


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


def collective_model(at: Spans) -> CollectiveModel:
    """Coefficients of every collective for groups that lie as `at` says."""
    g = at.ranks
    crosses = np.asarray(at.crosses)
    start = np.where(crosses, CROSSING_S, 0.0)
    hop = np.where(crosses, np.maximum(at.outer_latency_s, HOP_S), at.outer_latency_s)
    rate = np.minimum(at.inner_bytes_per_s, at.outer_bytes_per_s)
    wait = np.maximum(at.inner_latency_s, hop)
    ring = ((g - 1) * wait, (g - 1) / g / rate)
    steps = np.ceil(np.log2(np.maximum(g, 1.0)))
    many = g > 1
    tree = (2 * steps * wait, np.where(many, 2 / rate, 0.0))
    through_host = many & ~np.asarray(at.has_peers)
    direct = (np.where(crosses | through_host, np.inf, np.where(many, 2 * wait, 0.0)), (g - 1) / rate)
    inner = ((at.inner - 1) * at.inner_latency_s, (at.inner - 1) / at.inner / at.inner_bytes_per_s)
    outer = ((at.outer - 1) * hop, (at.outer - 1) / g / at.outer_bytes_per_s)
    nested = (inner[0] + outer[0], inner[1] + outer[1])
    twice = (2 * ring[0], 2 * ring[1])
    shot = (np.where(many, np.where((at.outer > 1) | through_host, np.inf, wait), 0.0), (g - 1) / g / rate)
    across = (at.inner - 1) * at.inner_latency_s + np.ceil(np.log2(np.maximum(at.outer, 1.0))) * hop
    nodes = (np.where(crosses, 2 * across, np.inf), np.where(many, 2 / rate, 0.0))
    exchange = (np.where(many, at.inner_latency_s + at.outer_latency_s, 0.0), _all_to_all_slope(at))
    return CollectiveModel(
        {
            "all_reduce": after(start, twice, tree, direct, nodes, doubled(shot), doubled(nested)),
            "reduce_scatter": after(start, ring, nested, shot),
            "all_gather": after(start, ring, nested, shot),
            "all_to_all": (exchange,),
        }
    )


def doubled(line: Line) -> Line:
    """Both halves of an all-reduce."""
    return 2 * line[0], 2 * line[1]


def after(start_s: Column, *lines: Line) -> tuple[Line, ...]:
    """Algorithms that all begin with `start_s`."""
    return tuple((start_s + wait, slope) for wait, slope in lines)


def _all_to_all_slope(at: Spans) -> Column:
    """Seconds per byte that one rank sends; traffic inside the inner group and beyond it travels side by side."""
    inside = (at.inner - 1) / at.ranks / at.inner_bytes_per_s
    beyond = (at.ranks - at.inner) / at.ranks / at.outer_bytes_per_s
    return np.maximum(inside, beyond)


def send_time_s(machine: Machine, stride: Column, size_bytes: Column) -> Column:
    """One point-to-point message between ranks `stride` chips apart: latency + bytes / bandwidth."""
    at = spans(machine, np.asarray(2.0), stride)
    rate = np.minimum(at.inner_bytes_per_s, at.outer_bytes_per_s)
    return np.maximum(at.inner_latency_s, at.outer_latency_s) + size_bytes / rate
