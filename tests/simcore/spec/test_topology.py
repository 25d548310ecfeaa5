"""Group crossings against a count by hand over every rank; graph against the levels."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hardware_specs
from simcore.errors import InputError
from simcore.spec.hardware import Link
from simcore.spec.topology import Topology, TopologyLevel, cluster_of, flat, graph, topology

POWERS = st.integers(0, 3).map(lambda e: 2**e)


def build(sizes: tuple[int, ...]) -> Topology:
    levels = (TopologyLevel(f"l{i}", n, 1e11 / 4**i, 1e-6 * (i + 1), "nvlink") for i, n in enumerate(sizes))
    return Topology(tuple(levels))


@given(st.tuples(POWERS, POWERS, POWERS), POWERS, POWERS)
def test_crossings_match_a_count_by_hand(sizes: tuple[int, int, int], group: int, stride: int) -> None:
    whole = build(sizes)
    if group * stride > whole.chips:
        return
    ranks = np.arange(group) * stride
    spans = [1, *whole.spans.tolist()]
    units = [len(set((ranks // span).tolist())) for span in spans]
    by_hand = [units[k] // units[k + 1] for k in range(len(sizes))]
    assert whole.members(np.array([group]), np.array([stride]))[0].tolist() == by_hand
    crossed = [k for k, n in enumerate(by_hand) if n > 1]
    assert whole.crossed_level([group], [stride])[0] == (crossed[-1] if crossed else -1)


def test_path_takes_the_slowest_link_and_one_rank_has_none() -> None:
    rate, latency = build((8, 4)).path([1, 8, 16], [1, 1, 1])
    assert rate.tolist() == [np.inf, 1e11, 2.5e10] and latency.tolist() == [0.0, 1e-6, 2e-6]


def test_a_single_chip_crosses_nothing() -> None:
    assert flat(1, Link(kind="pcie", bytes_per_s=1e9)).levels == ()
    assert Topology().crossed_level([1, 1]).tolist() == [-1, -1] and Topology().chips == 1


def test_bad_groups_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        build((8,)).members([0])


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_oversubscription_divides_bandwidth(ratio: float) -> None:
    node = hardware_specs.node("dgx-h100")
    link = hardware_specs.link("infiniband-ndr").link
    whole = topology(node, cluster_of(node, 64, link, ratio, nodes_per_leaf=16))
    assert whole.chips == 512
    assert whole.bytes_per_s.tolist() == [450e9, 50e9, 50e9 / ratio]


def test_leaves_must_divide() -> None:
    node = hardware_specs.node("dgx-h100")
    with pytest.raises(InputError, match="do not divide"):
        cluster_of(node, 10, hardware_specs.link("infiniband-ndr").link, nodes_per_leaf=4)


def test_graph_paths_add_up_to_the_level_latency() -> None:
    node = hardware_specs.node("dgx-h100")
    whole = topology(node, cluster_of(node, 2, hardware_specs.link("infiniband-ndr").link))
    drawn = graph(whole)
    assert nx.is_tree(drawn) and drawn.number_of_nodes() == 16 + 2 + 1
    inside = nx.shortest_path_length(drawn, ("chip", 0), ("chip", 7), weight="latency_s")
    assert inside == pytest.approx(whole.latency_s[0])
    edge = drawn.edges[("nvswitch", 0), ("fabric", 0)]
    assert edge["bandwidth_bytes_per_s"] == pytest.approx(8 * 50e9)
