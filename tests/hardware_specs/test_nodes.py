"""Nodes, clusters and links load, name chips that exist and describe hierarchies that hold together."""

from __future__ import annotations

import numpy as np
import pytest

import hardware_specs
from simcore.spec.topology import topology
from simcore.testing.hardware import check_assumptions

REQUIRED_NODES = [
    "dgx-a100",
    "dgx-h100",
    "dgx-h200",
    "dgx-b200",
    "gb200-nvl72",
    "8x-l40s-pcie",
    "frontier",
    "cloudmatrix384",
    "dgx-h100-cxl",
]


@pytest.mark.parametrize("name", [*hardware_specs.node.names(), *REQUIRED_NODES])
def test_node(name: str) -> None:
    node = hardware_specs.node(name)
    chip = hardware_specs.chip(node.chip)
    assert node.host and hardware_specs.chip(node.host).kind == "cpu" and node.hosts >= 1
    assert "dram" in node.memory and node.power and node.money.purchase_usd
    for tier in node.memory.values():
        assert tier.link in {*node.links, *chip.links}
    check_assumptions(node)


@pytest.mark.parametrize("name", hardware_specs.node.names())
def test_links_slow_down_outwards(name: str) -> None:
    node = hardware_specs.node(name)
    assert all(np.diff(topology(node).bytes_per_s) <= 0)
    main = hardware_specs.chip(node.chip)
    assert all(level.link.bytes_per_s <= main.memory[main.main_tier].read_bytes_per_s for level in node.levels)


@pytest.mark.parametrize("name", hardware_specs.cluster.names())
def test_cluster(name: str) -> None:
    cluster = hardware_specs.cluster(name)
    node = hardware_specs.node(cluster.node)
    whole = topology(node, cluster)
    assert whole.chips == node.chips * cluster.nodes
    rates = whole.bytes_per_s
    outside = rates[len(node.levels) :]
    assert all(np.diff(outside) <= 0) and outside[0] <= rates[0]
    check_assumptions(cluster)


@pytest.mark.parametrize("name", hardware_specs.link.names())
def test_link(name: str) -> None:
    link = hardware_specs.link(name)
    assert link.name == name and 0 < link.latency_s < 1e-4
    check_assumptions(link)


def test_a_link_by_name_brings_its_source() -> None:
    node = hardware_specs.node("dgx-h100")
    assert node.citations["levels.0.link.bandwidth"].source == "nvlink4:ds"
    assert node.sources["nvlink4:ds"].kind == "vendor"


@pytest.mark.parametrize(("name", "kind", "size"), [("gb200-nvl72", "nvlink", 72), ("dgx-a100", "nvlink", 8)])
def test_nvlink_domain(name: str, kind: str, size: int) -> None:
    level = hardware_specs.node(name).levels[0]
    assert (level.link.kind, level.size) == (kind, size)


def test_eight_ports_give_each_chip_one() -> None:
    rates = {n: hardware_specs.cluster(f"{n}-infiniband").levels[0].link.bytes_per_s for n in ("dgx-a100", "dgx-h100")}
    assert rates == {"dgx-a100": 25e9, "dgx-h100": 50e9}
