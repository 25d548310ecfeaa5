"""Hardware facts, one TOML file each: `chip("h200-sxm")`, `node("dgx-h200")`, `cluster("dgx-h100-infiniband")`.

>>> chip("H200_SXM").memory["hbm"].read_bytes_per_s
4800000000000.0
>>> node("dgx-h200").levels[0].link.kind
'nvlink'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simcore.registry import DataRegistry
from simcore.spec.hardware import Chip, Cluster, NamedLink, Node
from simcore.spec.links import resolve_links
from simcore.spec.load import build, derive, read_toml


def _raw(text: str, file: str, base_text: Callable[[str], tuple[str, str]]) -> dict[str, Any]:
    return resolve_links(derive(read_toml(text, file), file, base_text), link.text)


def _parse_chip(text: str, file: str) -> Chip:
    return build(Chip, _raw(text, file, chip.text), file)


def _parse_node(text: str, file: str) -> Node:
    return build(Node, _raw(text, file, node.text), file)


def _parse_cluster(text: str, file: str) -> Cluster:
    return build(Cluster, _raw(text, file, cluster.text), file)


def _parse_link(text: str, file: str) -> NamedLink:
    return build(NamedLink, read_toml(text, file), file)


link: DataRegistry[NamedLink] = DataRegistry("link", "hardware_specs.links", _parse_link)
chip: DataRegistry[Chip] = DataRegistry("chip", "hardware_specs.chips", _parse_chip)
node: DataRegistry[Node] = DataRegistry("node", "hardware_specs.nodes", _parse_node)
cluster: DataRegistry[Cluster] = DataRegistry("cluster", "hardware_specs.clusters", _parse_cluster)
