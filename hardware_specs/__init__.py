"""Hardware facts, one TOML file each: `chip("h200-sxm")`, `node("dgx-h200")`, `cluster("dgx-h100-infiniband")`."""

from __future__ import annotations

from typing import Any

from simcore.errors import UnknownName
from simcore.registry import DataRegistry, normal
from simcore.spec.economics import Economics
from simcore.spec.hardware import Chip, Cluster, Node
from simcore.spec.load import build, derive, read_toml
from simcore.spec.system import System


def _parse_chip(text: str, file: str) -> Chip:
    return build(Chip, derive(read_toml(text, file), file, chip.text), file)


def _parse_node(text: str, file: str) -> Node:
    return build(Node, derive(read_toml(text, file), file, node.text), file)


def _parse_cluster(text: str, file: str) -> Cluster:
    return build(Cluster, derive(read_toml(text, file), file, cluster.text), file)


chip: DataRegistry[Chip] = DataRegistry("chip", "hardware_specs/chips", _parse_chip)
node: DataRegistry[Node] = DataRegistry("node", "hardware_specs/nodes", _parse_node)
cluster: DataRegistry[Cluster] = DataRegistry("cluster", "hardware_specs/clusters", _parse_cluster)


def _parse_economics(text: str, file: str) -> Economics:
    return build(Economics, derive(read_toml(text, file), file, economics.text), file)


economics: DataRegistry[Economics] = DataRegistry("economics", "hardware_specs/economics", _parse_economics)


def system(name: str) -> System:
    """The system of that name: a cluster, a node, or a chip in its usual home.

    Raises UnknownName with the nearest names of all three.
    """
    if _has(cluster, name):
        spec = cluster(name)
        home = node(spec.node)
        return System(chip=chip(home.chip), node=home, cluster=spec)
    if _has(node, name):
        home = node(name)
        return System(chip=chip(home.chip), node=home)
    if not _has(chip, name):
        raise UnknownName("chip, node or cluster", name, [*chip.aliases, *node.aliases, *cluster.aliases])
    found = chip(name)
    if found.home is None or found.home == found.name:
        return System(chip=found)
    return system(found.home).replace(chip=found)


def _has(registry: DataRegistry[Any], name: str) -> bool:
    key = normal(name)
    return key in registry.files or key in registry.aliases
