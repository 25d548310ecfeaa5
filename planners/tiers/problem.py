"""A machine's tiers, a model's classes of tensors, and shares of one in the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LAYERS_IN_FLIGHT = 2.0
"""of what passes through the main tier: one is computed with, the next arrives"""


@dataclass(frozen=True)
class Tensors:
    """A class of tensors, equal in every layer; per chip."""

    name: str
    held_bytes: float
    """all layers"""
    read_bytes: float
    """of them, in a step"""
    written_bytes: float = 0.0
    """in a step"""


@dataclass(frozen=True)
class Tier:
    """A tier, per chip. The first of a problem is the main one, which the step's own seconds already read."""

    name: str
    capacity_bytes: float
    read_bytes_per_s: float = np.inf
    write_bytes_per_s: float = np.inf
    latency_s: float = 0.0
    link: str | None = None
    """what several tiers may share, each direction for itself"""


@dataclass(frozen=True)
class TierProblem:
    """Equal layers of `layer_s`, and what they need."""

    layers: int
    layer_s: float
    classes: tuple[Tensors, ...]
    tiers: tuple[Tier, ...]
    links_bytes_per_s: tuple[tuple[str, float], ...] = ()
    """one direction of each link"""

    @property
    def shape(self) -> tuple[int, int]:
        """(classes, tiers) of shares."""
        return len(self.classes), len(self.tiers)

    def resources(self) -> Iterator[tuple[str, float, Floats]]:
        """(name, capacity per second, seconds of it per unit of every share [classes, tiers] in a step) of reads and
        writes of the tiers and both directions of the links."""
        read, written = (np.array([getattr(c, f"{w}_bytes") for c in self.classes]) for w in ("read", "written"))
        links = dict(self.links_bytes_per_s)
        for word, moved in (("read", read), ("write", written)):
            for at, tier in enumerate(self.tiers[1:], 1):
                rate = getattr(tier, f"{word}_bytes_per_s")
                if np.isfinite(rate):
                    yield f"{tier.name} {word}", rate, self._seconds(moved / rate, [at])
            for link, rate in links.items():
                behind = [at for at, tier in enumerate(self.tiers) if at and tier.link == link]
                yield f"link {link} {word}", rate, self._seconds(moved / rate, behind)

    def _seconds(self, each: Floats, tiers: list[int]) -> Floats:
        found = np.zeros(self.shape)
        found[:, tiers] = each[:, None]
        return found

    def room(self) -> Iterator[tuple[Floats, float]]:
        """(bytes per unit of every share, capacity) of every tier; what passes through counts in the main one."""
        held = np.array([c.held_bytes for c in self.classes])
        for at, tier in enumerate(self.tiers):
            taken = np.zeros(self.shape)
            taken[:, at] = held
            if at == 0:
                passing = LAYERS_IN_FLIGHT * np.array([c.read_bytes for c in self.classes]) / self.layers
                taken[:, 1:] = np.minimum(passing, held)[:, None]
            yield taken, tier.capacity_bytes

    def fits(self, shares: Floats) -> bool:
        """Whether every tier holds what is put there."""
        return all(float((taken * shares).sum()) <= capacity * (1 + 1e-9) for taken, capacity in self.room())
