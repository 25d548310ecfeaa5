"""The balancer published with DeepSeek-V3 (EPLB), written from its description, as a baseline.

Hierarchical where groups divide over nodes: groups are packed to nodes by load, replicated within the node, packed to
chips; otherwise the same with one group and one node. It sees loads only: no traffic, no previous placement.
"""

from __future__ import annotations

import numpy as np

from planners.experts.problem import Floats, Ints
from simcore.cost.jit import njit_with_memory as njit


def eplb(loads: Floats, slots: int, chips: int, nodes: int = 1, groups: int = 1) -> Ints:
    """Expert of each slot, [layers, chips, slots / chips].

    Raises ValueError if slots do not divide over the chips.
    """
    if slots % chips or chips % nodes:
        raise ValueError(f"{slots} slots, {chips} chips, {nodes} nodes do not divide")
    if groups % nodes or loads.shape[1] % groups:
        groups, nodes = 1, 1
    return np.stack([_layer(row, slots, chips, nodes, groups) for row in loads])


def _layer(load: Floats, slots: int, chips: int, nodes: int, groups: int) -> Ints:
    per_group = len(load) // groups
    node_of_group, _ = packed(load.reshape(groups, per_group).sum(axis=1), nodes)
    chosen = []
    for node in range(nodes):
        mine = np.concatenate([np.arange(g * per_group, (g + 1) * per_group) for g in groups_of(node_of_group, node)])
        chosen.append(_node(load, mine, slots // nodes, chips // nodes))
    return np.concatenate(chosen)


def groups_of(node_of_group: Ints, node: int) -> Ints:
    """Groups of a node in the order in which they were packed."""
    return np.flatnonzero(node_of_group == node)


def _node(load: Floats, mine: Ints, slots: int, chips: int) -> Ints:
    """[chips, slots / chips] of one node."""
    experts, copies = list(mine), np.ones(len(mine))
    position = list(range(len(mine)))
    for _ in range(slots - len(mine)):
        busiest = int(np.argmax(load[mine] / copies))
        experts.append(mine[busiest])
        position.append(busiest)
        copies[busiest] += 1
    weight = (load[mine] / copies)[np.array(position)]
    chip, rank = packed(weight, chips)
    out = np.empty((chips, slots // chips), np.int64)
    out[chip, rank] = np.array(experts)
    return out


def packed(weights: Floats, packs: int) -> tuple[Ints, Ints]:
    """(pack, rank inside it) of items, equally many per pack: heaviest first to the lightest pack with room."""
    found: tuple[Ints, Ints] = _packed(weights, np.argsort(-weights, kind="stable"), packs)
    return found


@njit(cache=True, nogil=True)
def _packed(weights: np.ndarray, order: np.ndarray, packs: int) -> tuple[np.ndarray, np.ndarray]:
    room = len(weights) // packs
    load, used = np.zeros(packs), np.zeros(packs, np.int64)
    pack, rank = np.empty(len(weights), np.int64), np.empty(len(weights), np.int64)
    for item in order:
        best = -1
        for p in range(packs):
            if used[p] < room and (best < 0 or load[p] < load[best]):
                best = p
        pack[item], rank[item] = best, used[best]
        load[best] += weights[item]
        used[best] += 1
    return pack, rank
