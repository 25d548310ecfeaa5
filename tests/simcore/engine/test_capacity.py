"""Searches over the pools of a fleet: the fewest chips, against trying every pair."""

from __future__ import annotations

from typing import Any

import pytest

from simcore.engine.capacity import fewest_chips


def searched(edge: Any, chips: tuple[int, ...], most: int = 12) -> tuple[Any, tuple[int, ...]]:
    """`edge(counts)`: whether so many replicas suffice."""
    return fewest_chips(lambda pools: pools, lambda counts: (edge(counts), 1.0), chips, most)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("chips", [(1, 1), (4, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("need", [10, 17, 30])
def test_two_pools_are_searched_exactly(chips: tuple[int, int], need: int) -> None:
    def edge(counts: tuple[int, ...]) -> bool:
        return counts[0] * counts[1] >= need and counts[0] >= 2

    pairs = [(p, d) for p in range(1, 13) for d in range(1, 13) if edge((p, d))]
    least = min(p * chips[0] + d * chips[1] for p, d in pairs)
    found, counts = searched(edge, chips)
    assert found.value == least == counts[0] * chips[0] + counts[1] * chips[1] and edge(counts)


def test_one_and_three_pools() -> None:
    assert searched(lambda counts: counts[0] >= 7, (2,))[1] == (7,)
    found, counts = searched(lambda counts: min(a - b for a, b in zip(counts, (3, 1, 5), strict=True)) >= 0, (1, 1, 1))
    assert counts == (3, 1, 5) and found.value == 9


def test_nothing_suffices() -> None:
    found, counts = searched(lambda counts: False, (1, 1), most=8)
    assert counts == () and found.value == 0 and found.runs == 4
