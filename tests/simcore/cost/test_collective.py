"""Alpha-beta collectives against the textbook, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simcore
from simcore.cost.collective import collective_model, send_time_s, spans
from simcore.cost.machine import Machine, machine_of

KINDS = ("all_reduce", "reduce_scatter", "all_gather", "all_to_all")


def machine(name: str = "h100-sxm") -> Machine:
    return machine_of(simcore.resolve("system", name), "bf16", "bf16")


def time_s(kind: str, ranks: float, size: float, name: str = "h100-sxm") -> float:
    at = machine(name)
    return float(collective_model(spans(at, np.array([ranks]))).time_s(kind, np.array([size]))[0])


def test_large_all_reduce_in_a_node_is_a_ring() -> None:
    """2 (g-1)/g S/B for a gigabyte on eight H100 at 450 GB/s."""
    assert time_s("all_reduce", 8, 1e9) == pytest.approx(2 * 7 / 8 * 1e9 / 450e9, rel=0.02)


def test_all_reduce_across_nodes_is_hierarchical() -> None:
    """Inside the node at NVLink speed, an eighth of the tensor across: faster than one flat ring over the network."""
    at = machine()
    level = at.level_bytes_per_s
    flat = 2 * 15 / 16 * 1e9 / level[1]
    assert time_s("all_reduce", 16, 1e9) < 0.5 * flat


def test_small_messages_cost_latency_only() -> None:
    assert time_s("all_reduce", 8, 1.0) == pytest.approx(2 * machine().level_latency_s[0], rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_one_rank_is_free(kind: str) -> None:
    assert time_s(kind, 1, 1e9) == 0.0


@given(st.sampled_from(KINDS), st.sampled_from([2, 4, 8, 16, 64, 256]), st.floats(1, 1e10), st.floats(1, 4))
def test_more_bytes_are_never_faster(kind: str, ranks: int, size: float, factor: float) -> None:
    assert time_s(kind, ranks, size * factor) >= time_s(kind, ranks, size) * (1 - 1e-12)


@given(st.sampled_from(KINDS), st.sampled_from([2, 4, 8, 16, 64]), st.floats(1, 1e10))
def test_reduce_scatter_and_all_gather_make_an_all_reduce(kind: str, ranks: int, size: float) -> None:
    parts = time_s("reduce_scatter", ranks, size) + time_s("all_gather", ranks, size)
    assert time_s("all_reduce", ranks, size) <= parts * (1 + 1e-9)


def test_spans_of_strided_groups() -> None:
    """Sixteen ranks eight apart on nodes of eight: every rank in a node of its own."""
    at = spans(machine(), np.array([16.0, 8.0, 16.0]), np.array([8.0, 1.0, 1.0]))
    assert at.inner.tolist() == [16.0, 8.0, 8.0]
    assert at.inner_bytes_per_s[0] == machine().level_bytes_per_s[1]
    assert at.outer.tolist() == [1.0, 1.0, 2.0]


def test_send_crosses_the_level_of_its_distance() -> None:
    inside, across = send_time_s(machine(), np.array([1.0]), 1e9), send_time_s(machine(), np.array([8.0]), 1e9)
    assert across[0] > 5 * inside[0]
