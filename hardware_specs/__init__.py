"""Hardware facts, one TOML file each: `chip("h200-sxm")`, `node("dgx-h200")`, `cluster("dgx-h100-infiniband")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore.registry import DataRegistry
from simcore.spec.hardware import Chip, Cluster, Node
from simcore.spec.load import build, derive, read_toml

if TYPE_CHECKING:
    from simcore.cost.calibrated import OperatorModel


def _parse_chip(text: str, file: str) -> Chip:
    return build(Chip, derive(read_toml(text, file), file, chip.text), file)


def _parse_node(text: str, file: str) -> Node:
    return build(Node, derive(read_toml(text, file), file, node.text), file)


def _parse_cluster(text: str, file: str) -> Cluster:
    return build(Cluster, derive(read_toml(text, file), file, cluster.text), file)


chip: DataRegistry[Chip] = DataRegistry("chip", "hardware_specs.chips", _parse_chip)
node: DataRegistry[Node] = DataRegistry("node", "hardware_specs.nodes", _parse_node)
cluster: DataRegistry[Cluster] = DataRegistry("cluster", "hardware_specs.clusters", _parse_cluster)


def calibration(chip: Any, stack: str = "datasheet") -> OperatorModel:
    """Operator times of a chip under a stack; see hardware_specs.calibrations."""
    from hardware_specs.calibrations import calibration as find

    return find(chip, stack)
