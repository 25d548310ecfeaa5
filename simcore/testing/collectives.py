"""Contract of an algorithm of collectives: nothing for one rank, no sooner with more bytes or slower links."""

from __future__ import annotations

import numpy as np

from simcore.cost.collective import Spans
from simcore.cost.collectives import algorithms
from simcore.cost.collectives._base import Group

KNOWN = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all")
MOST_PACKED = 64.0
"""no format keeps less than this part of a tensor"""
SIZES = (1.0, 1e4, 1e6, 1e9)


def check_collective(name: str) -> None:
    """Raise AssertionError with what is wrong with the algorithm of this name, shipped, registered or installed."""
    lines = algorithms(name)
    for ranks, outer in ((1.0, 1.0), (2.0, 1.0), (8.0, 1.0), (32.0, 4.0)):
        found = lines(_group(ranks, outer))
        assert found, f"{name} does no collective"
        for what, (wait_s, slope) in found.items():
            where = f"{name}, {what} of {ranks:g} ranks"
            assert what in KNOWN, f"{name} does {what!r}; known: {', '.join(KNOWN)}"
            times = [float(np.max(wait_s + slope * size)) for size in SIZES]
            if ranks == 1.0:
                assert not np.isfinite(times[0]) or max(times) == 0.0, f"{where} takes time"
                continue
            assert all(time > 0.0 for time in times), f"{where} takes no time"
            assert times == sorted(times), f"{where}: more bytes are sooner"
            least = SIZES[-1] * (ranks - 1.0) / ranks / RATE / MOST_PACKED
            assert times[-1] >= least, f"{where} sends faster than the link"
            slower = lines(_group(ranks, outer, 0.5))[what]
            assert float(np.max(slower[1])) >= float(np.max(slope)), f"{where}: slower links are faster"


RATE = 100e9


def _group(ranks: float, outer: float, ratio: float = 1.0) -> Group:
    far = outer > 1.0
    at = Spans(ranks / outer, outer, RATE * ratio, 1e-6, RATE * ratio / 8 if far else np.inf, 5e-6 if far else 0.0, far)
    hop = at.outer_latency_s
    near = at.inner_bytes_per_s, at.inner_latency_s
    return Group(at.ranks, at.inner, at.outer, *near, at.outer_bytes_per_s, hop, hop, np.asarray(far), 2e12)
