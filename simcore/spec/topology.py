"""The hierarchy of links as a value: which level a group of ranks crosses, and how fast that level is.

Ranks are numbered so that consecutive ranks are neighbours: rank r sits in unit `r // span[k-1]` of level k, where
`span[k]` is the product of the sizes of levels 0 to k. A group of `g` ranks with stride `s` starting at a multiple of
`g * s` occupies ranks 0, s, 2s, ... (g-1)s up to that offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from simcore.errors import InputError
from simcore.spec.hardware import Cluster, Level, Link, Node

Shape = Literal["switch", "ring", "mesh", "torus", "bus"]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TopologyLevel:
    """`size` children joined by links; bandwidth is per chip, one direction, oversubscription applied."""

    name: str
    size: int
    bytes_per_s: float
    latency_s: float
    kind: str
    shape: Shape = "switch"


@dataclass(frozen=True)
class Topology:
    """Levels, innermost first. No level at all is a single chip.

    >>> inside = TopologyLevel("nvlink", 8, 450e9, 1e-6, "nvlink")
    >>> outside = TopologyLevel("ib", 4, 50e9, 2e-6, "infiniband")
    >>> pod = Topology((inside, outside))
    >>> pod.chips, pod.spans.tolist()
    (32, [8, 32])
    >>> pod.crossed_level(np.array([1, 8, 16, 4]), np.array([1, 1, 1, 8])).tolist()
    [-1, 0, 1, 1]
    >>> pod.members(np.array([8, 16, 4]), np.array([1, 1, 8])).tolist()
    [[8, 1], [8, 2], [1, 4]]
    """

    levels: tuple[TopologyLevel, ...] = ()

    @property
    def chips(self) -> int:
        """Chips in the whole topology."""
        return int(np.prod([level.size for level in self.levels], dtype=np.int64))

    @property
    def spans(self) -> Ints:
        """Chips below and including each level, `[levels]`."""
        return np.cumprod(np.array([level.size for level in self.levels], dtype=np.int64))

    @property
    def bytes_per_s(self) -> Floats:
        """Bandwidth per chip and direction of each level, `[levels]`."""
        return np.array([level.bytes_per_s for level in self.levels], dtype=np.float64)

    @property
    def latency_s(self) -> Floats:
        """Latency of each level, `[levels]`."""
        return np.array([level.latency_s for level in self.levels], dtype=np.float64)

    def members(self, group: npt.ArrayLike, stride: npt.ArrayLike = 1) -> Ints:
        """How many children of each level a group spreads over, `[plans, levels]`; the product is the group's size.

        `group` and `stride` are `[plans]`. Level k takes `ceil(g*s / max(span[k-1], s))` of what is left, at most its
        size. Exact where sizes and strides divide the spans; otherwise the counts are rounded up, so the product may
        exceed the group (a group of 6 on nodes of 4 counts 4 x 2). Groups wider than the topology put the rest on
        the outermost level. Raises InputError for a group or stride below 1.
        """
        g, s = np.broadcast_arrays(np.atleast_1d(group).astype(np.int64), np.atleast_1d(stride).astype(np.int64))
        if g.size and (g.min() < 1 or s.min() < 1):
            raise InputError("group and stride must be at least 1", key="group")
        counts = np.ones((g.size, len(self.levels)), dtype=np.int64)
        left, inner = g.copy(), np.int64(1)
        for index, level in enumerate(self.levels):
            reach = inner * level.size
            room = np.maximum(reach // np.maximum(s, inner), 1)
            outermost = index == len(self.levels) - 1
            counts[:, index] = left if outermost else np.minimum(left, room)
            left = -(-left // counts[:, index])
            inner = reach
        return counts

    def crossed_level(self, group: npt.ArrayLike, stride: npt.ArrayLike = 1) -> Ints:
        """Index of the outermost level a group crosses, `[plans]`; -1 for a group of one."""
        counts = self.members(group, stride)
        if not self.levels:
            return np.full(counts.shape[0], -1, dtype=np.int64)
        crossed = (counts > 1) * (np.arange(len(self.levels)) + 1)
        return np.asarray(crossed.max(axis=1) - 1, dtype=np.int64)

    def path(self, group: npt.ArrayLike, stride: npt.ArrayLike = 1) -> tuple[Floats, Floats]:
        """(bytes_per_s, latency_s) of the slowest level crossed and the longest latency, each `[plans]`.

        A group of one has infinite bandwidth and no latency.
        """
        used = self.members(group, stride) > 1
        slowest = np.where(used, self.bytes_per_s, np.inf).min(axis=1, initial=np.inf)
        longest = np.where(used, self.latency_s, 0.0).max(axis=1, initial=0.0)
        return slowest, longest


def _level(level: Level) -> TopologyLevel:
    link = level.link
    return TopologyLevel(level.name, level.size, level.bytes_per_s, link.latency_s, link.kind, level.shape)


def topology(node: Node, cluster: Cluster | None = None) -> Topology:
    """The levels of a node and, above them, of a cluster of such nodes."""
    above = cluster.levels if cluster else ()
    return Topology(tuple(_level(level) for level in (*node.levels, *above)))


def flat(chips: int, link: Link, name: str = "link") -> Topology:
    """`chips` chips on one switch of this link; one chip has no level.

    >>> flat(8, Link(kind="nvlink", bytes_per_s=450e9, latency_s=1e-6)).chips
    8
    """
    if chips < 1:
        raise InputError(f"{chips} chips: at least 1 is needed", key="chips")
    if chips == 1:
        return Topology()
    return Topology((TopologyLevel(name, chips, link.bytes_per_s, link.latency_s, link.kind),))


def cluster_of(
    node: Node, nodes: int, link: Link, oversubscription_ratio: float = 1.0, nodes_per_leaf: int | None = None
) -> Cluster:
    """A cluster of any size without a file: a leaf level, and above it a spine with the oversubscription.

    `link` is per chip and one direction. Without `nodes_per_leaf` all nodes share one switch level, which then carries
    the oversubscription. Raises InputError when `nodes_per_leaf` does not divide `nodes`.
    """
    per_leaf = min(nodes_per_leaf or nodes, nodes)
    if nodes < 1 or per_leaf < 1 or nodes % per_leaf:
        raise InputError(f"{nodes} nodes do not divide into leaves of {per_leaf}", key="nodes_per_leaf")
    if oversubscription_ratio < 1.0:
        raise InputError(f"{oversubscription_ratio} is below 1", key="oversubscription_ratio")
    if per_leaf == nodes:
        levels: tuple[Level, ...] = (
            Level(name="fabric", size=nodes, link=link, oversubscription_ratio=oversubscription_ratio),
        )
    else:
        spine = Level(name="spine", size=nodes // per_leaf, link=link, oversubscription_ratio=oversubscription_ratio)
        levels = (Level(name="leaf", size=per_leaf, link=link), spine)
    return Cluster(name=f"{nodes}x-{node.name}", node=node.name, nodes=nodes, levels=levels)


def graph(topology: Topology) -> Any:
    """The topology as a networkx graph: chips `("chip", r)`, and one vertex `(level name, unit)` per unit of a level.

    Edges join a unit to the unit above it and carry `bandwidth_bytes_per_s` (all chips below together, one direction)
    and `latency_s` (half the level's: a path goes up and down). Vertices carry `level`, `bandwidth_bytes_per_s` per
    chip and `latency_s`. Rings and meshes are drawn as a star with the level's bandwidth per chip: shapes live in
    `shape`, which cost models read.

    >>> g = graph(Topology((TopologyLevel("nvlink", 8, 450e9, 1e-6, "nvlink"),)))
    >>> g.number_of_nodes(), g.edges[("chip", 0), ("nvlink", 0)]["bandwidth_bytes_per_s"]
    (9, 450000000000.0)
    """
    import networkx as nx

    g = nx.Graph()
    for rank in range(topology.chips):
        g.add_node(("chip", rank), level="chip")
    below, span = "chip", 1
    for level in topology.levels:
        facts = {"bandwidth_bytes_per_s": level.bytes_per_s, "latency_s": level.latency_s, "shape": level.shape}
        for unit in range(topology.chips // (span * level.size)):
            g.add_node((level.name, unit), level=level.name, **facts)
            for child in range(unit * level.size, (unit + 1) * level.size):
                g.add_edge(
                    (level.name, unit),
                    (below, child),
                    bandwidth_bytes_per_s=level.bytes_per_s * span,
                    latency_s=level.latency_s / 2,
                )
        below, span = level.name, span * level.size
    return g
