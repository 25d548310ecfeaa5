"""Hardware facts, one TOML file each: `chip("h200-sxm")`, `node("dgx-h200")`, `cluster("dgx-h100-infiniband")`.

`system(name)` puts a chip where it stands; `economics(name)` holds prices of time and power; `stack(name)` says what a
serving stack does by default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simcore.errors import UnknownName
from simcore.registry import DataRegistry, normal
from simcore.spec.economics import Economics
from simcore.spec.hardware import Chip, Cluster, NamedLink, Node
from simcore.spec.links import resolve_links
from simcore.spec.load import build_from_file, derive, read_toml
from simcore.spec.stack import Stack
from simcore.spec.system import System

if TYPE_CHECKING:
    from simcore.cost.calibrated import OperatorModel


def _raw(text: str, file: str, base_text: Callable[[str], tuple[str, str]]) -> dict[str, Any]:
    return resolve_links(derive(read_toml(text, file), file, base_text), link.text)


def _parse_chip(text: str, file: str) -> Chip:
    return build_from_file(Chip, _raw(text, file, chip.text), file)


def _parse_node(text: str, file: str) -> Node:
    return build_from_file(Node, _raw(text, file, node.text), file)


def _parse_cluster(text: str, file: str) -> Cluster:
    return build_from_file(Cluster, _raw(text, file, cluster.text), file)


def _parse_link(text: str, file: str) -> NamedLink:
    return build_from_file(NamedLink, read_toml(text, file), file)


def _parse_economics(text: str, file: str) -> Economics:
    return build_from_file(Economics, derive(read_toml(text, file), file, economics.text), file)


def _parse_stack(text: str, file: str) -> Stack:
    return build_from_file(Stack, derive(read_toml(text, file), file, stack.text), file)


link: DataRegistry[NamedLink] = DataRegistry("link", "hardware_specs/links", _parse_link)
chip: DataRegistry[Chip] = DataRegistry("chip", "hardware_specs/chips", _parse_chip)
node: DataRegistry[Node] = DataRegistry("node", "hardware_specs/nodes", _parse_node)
cluster: DataRegistry[Cluster] = DataRegistry("cluster", "hardware_specs/clusters", _parse_cluster)
economics: DataRegistry[Economics] = DataRegistry("economics", "hardware_specs/economics", _parse_economics)
stack: DataRegistry[Stack] = DataRegistry("stack", "hardware_specs/stacks", _parse_stack)


def system(name: str) -> System:
    """The system of that name: a chip in its usual home, a node, or a cluster.

    Raises UnknownName with the nearest names of all three.
    """
    if _has(chip, name):
        found = chip(name)
        return System.of(found) if found.home is None else system(found.home).replace(chip=found)
    if _has(node, name):
        home = node(name)
        return System.of(chip(home.chip), home)
    if not _has(cluster, name):
        raise UnknownName("chip, node or cluster", name, [*chip.aliases, *node.aliases, *cluster.aliases])
    spec = cluster(name)
    home = node(spec.node)
    return System.of(chip(home.chip), home, spec)


def clusters_of(name: str) -> tuple[Cluster, ...]:
    """The shipped clusters of a node, by name."""
    found = (cluster(one) for one in sorted(cluster.files))
    return tuple(one for one in found if normal(one.node) == normal(name))


def _has(registry: DataRegistry[Any], name: str) -> bool:
    key = normal(name)
    return key in registry.files or key in registry.aliases


def calibration(chip: str | Chip, stack: str = "datasheet") -> OperatorModel:
    """Operator times of a chip under a stack; see hardware_specs.calibrations."""
    from hardware_specs.calibrations import calibration as find

    return find(chip, stack)
