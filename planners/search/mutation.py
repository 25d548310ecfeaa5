"""New candidates near old ones: crossover of two parents and a few changed parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planners.search.method import Archive
from planners.search.space import Array, Space


@dataclass(frozen=True)
class Mutation:
    """How children differ from their parents."""

    crossover_ratio: float = 0.35
    changes_mean: float = 0.6
    """mean number of parameters changed, at least one"""
    step_ratio: float = 0.1
    """share of changes to ordered parameters that move to a neighbour instead of anywhere"""
    reach: float = 0.25
    """standard deviation of a step of a continuous parameter"""

    def children(self, space: Space, parents: Array, rng: np.random.Generator, count: int) -> Array:
        """`count` canonical rows [count, parameters]; constraints are kept."""
        return space.filled(lambda n: self._draw(space, parents, rng, n), count)

    def _draw(self, space: Space, parents: Array, rng: np.random.Generator, count: int) -> Array:
        first = parents[rng.integers(len(parents), size=count)]
        second = parents[rng.integers(len(parents), size=count)]
        cross = (rng.random(count) < self.crossover_ratio)[:, None] & (rng.random(first.shape) < 0.5)
        child = np.where(cross, second, first)
        width = child.shape[1]
        chance = min(1.0, self.changes_mean / width)
        change = rng.random(child.shape) < chance
        change[np.arange(count), rng.integers(width, size=count)] = True
        for i, p in enumerate(space.parameters):
            rows = np.flatnonzero(change[:, i])
            if not len(rows):
                continue
            anywhere = rng.random(len(rows))
            if p.ordered:
                near = rng.random(len(rows)) < self.step_ratio
                anywhere = np.where(near, self._step(child[rows, i], p.levels, rng), anywhere)
            child[rows, i] = anywhere
        return child

    def _step(self, unit: Array, levels: int | None, rng: np.random.Generator) -> Array:
        if levels is None:
            return np.clip(unit + rng.normal(0.0, self.reach, len(unit)), 0.0, 1.0)
        reach = max(1.0, self.reach * levels)
        size = np.ceil(np.abs(rng.normal(0.0, reach, len(unit)))) if levels > 10 else np.ones(len(unit))
        moved = unit + np.where(rng.random(len(unit)) < 0.5, -1.0, 1.0) * size / levels
        return np.asarray(np.where((moved < 0) | (moved > 1), unit - (moved - unit), moved).clip(0.0, 1.0))


def fresh(archive: Archive, rows: Array, count: int) -> Array:
    """The first `count` rows that were not asked before and do not repeat each other; repeats fill up if need be."""
    picked: list[int] = []
    mine: set[bytes] = set()
    for i, row in enumerate(rows):
        key = row.tobytes()
        if key not in archive.seen and key not in mine:
            picked.append(i)
            mine.add(key)
            if len(picked) == count:
                return rows[picked]
    spare = [i for i in range(len(rows)) if i not in set(picked)][: count - len(picked)]
    return rows[picked + spare]
