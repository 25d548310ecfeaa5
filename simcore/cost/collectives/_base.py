"""What an algorithm sees of a group of ranks, and what it answers: seconds, and seconds per byte of the full tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.ops.op import Column

Line = tuple[Column, Column]
"""seconds, and seconds per byte"""
Lines = dict[str, Line]
"""by collective: all_reduce, reduce_scatter, all_gather, all_to_all"""


@dataclass(frozen=True)
class Group:
    """Ranks in a hierarchy of links, [plans] each."""

    ranks: Column
    inner: Column
    """ranks within the innermost level that the group uses"""
    outer: Column
    """groups of such ranks"""
    inner_bytes_per_s: Column
    inner_latency_s: Column
    outer_bytes_per_s: Column
    hop_s: Column
    """from one inner group to another's ranks"""
    outer_latency_s: Column
    crosses: Any
    """whether it leaves the node"""
    memory_bytes_per_s: Column
    """of a chip's main tier"""
    has_peers: Any = True
    """whether chips of a node read each other's memory"""

    @property
    def through_host(self) -> Any:
        """Whether there is something to do and only the host's memory to do it through."""
        return self.many & ~np.asarray(self.has_peers)

    @property
    def many(self) -> Any:
        """Whether there is anything to do."""
        return self.ranks > 1

    @property
    def bytes_per_s(self) -> Column:
        """Of the slowest link."""
        return np.minimum(self.inner_bytes_per_s, self.outer_bytes_per_s)

    @property
    def wait_s(self) -> Column:
        """Of the longest hop."""
        return np.maximum(self.inner_latency_s, self.hop_s)

    @property
    def steps(self) -> Column:
        """ceil(log2 ranks)."""
        return np.ceil(np.log2(np.maximum(self.ranks, 1.0)))


def doubled(line: Line) -> Line:
    """Both halves of an all-reduce."""
    return 2 * line[0], 2 * line[1]


def halves(line: Line) -> Lines:
    """Reduce-scatter and all-gather, and the all-reduce that they make."""
    return {"all_reduce": doubled(line), "reduce_scatter": line, "all_gather": line}
