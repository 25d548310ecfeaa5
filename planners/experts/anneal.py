"""Capped swap search: simulated annealing over exchanges of two slots of a layer, compiled with numba.

The gain of a swap is exact: without coupling inside a layer it is Q[i, g] - Q[i, h] + Q[j, h] - Q[j, g], where Q[s, g]
is the traffic of slot s with what chip g holds in the layers before and after (plus what staying saves). An accepted
swap changes two columns of Q in both neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.jit import njit_with_memory as njit

Tuple = tuple[Any, ...]
_FAST: dict[str, Any] = {"cache": True, "fastmath": True, "nogil": True}


@njit(**_FAST)
def add_place(q: np.ndarray, chip: int, value: float, node: Tuple) -> None:
    """Add traffic with a slot on `chip` to one row of Q: all of it there, the share `node[1]` on the chip's node.

    node = (chips per node, share of a hop's cost that staying inside the node saves).
    """
    size, inside = node
    q[chip] += value * (1.0 - inside)
    if inside > 0.0:
        first = chip // size * size
        for c in range(first, first + size):
            q[c] += value * inside


@njit(**_FAST)
def affinity(pairs: np.ndarray, chip: np.ndarray, stay: np.ndarray, node: Tuple) -> np.ndarray:
    """Q[layers, slots, chips] of a placement `chip` [layers, slots]; `stay` [layers, slots, chips] is added."""
    layers, slots = chip.shape
    q = stay.copy()
    for layer in range(layers - 1):
        for i in range(slots):
            for j in range(slots):
                value = pairs[layer, i, j]
                add_place(q[layer, i], chip[layer + 1, j], value, node)
                add_place(q[layer + 1, j], chip[layer, i], value, node)
    return q


@njit(**_FAST)
def members_of(chip: np.ndarray, chips: int) -> np.ndarray:
    """Slots of each chip, [layers, chips, slots per chip]."""
    layers, slots = chip.shape
    out = np.empty((layers, chips, slots // chips), np.int32)
    used = np.zeros((layers, chips), np.int32)
    for layer in range(layers):
        for slot in range(slots):
            c = chip[layer, slot]
            out[layer, c, used[layer, c]] = slot
            used[layer, c] += 1
    return out


@njit(**_FAST)
def best_chip(q: np.ndarray, here: int) -> int:
    """The chip other than `here` that a slot has most traffic with."""
    found, value = -1, -np.inf
    for c in range(q.shape[0]):
        if c != here and q[c] > value:
            found, value = c, q[c]
    return found


@njit(**_FAST)
def best_partner(q: np.ndarray, weights: np.ndarray, load: np.ndarray, slots: np.ndarray, state: Tuple) -> Tuple:
    """(position in `slots`, gain) of the best slot to exchange for slot i; (-1, ...) if the cap forbids all."""
    i, here, there, cap = state
    found, best = -1, -np.inf
    base = q[i, there] - q[i, here]
    for k in range(len(slots)):
        j = slots[k]
        more = weights[j] - weights[i]
        if (more > 0 and load[here] + more > cap) or (more < 0 and load[there] - more > cap):
            continue
        gain = base + q[j, here] - q[j, there]
        if gain > best:
            found, best = k, gain
    return found, best


@njit(**_FAST)
def exchange(pairs: np.ndarray, q: np.ndarray, layer: int, move: Tuple, node: Tuple) -> None:
    """Update the neighbours' Q after slots i and j of a layer changed between chips here and there."""
    i, j, here, there = move
    slots = q.shape[1]
    if layer + 1 < q.shape[0]:
        after, q_after = pairs[layer], q[layer + 1]
        for s in range(slots):
            shift(q_after[s], here, there, after[j, s] - after[i, s], node)
    if layer > 0:
        before, q_before = pairs[layer - 1], q[layer - 1]
        for s in range(slots):
            shift(q_before[s], here, there, before[s, j] - before[s, i], node)


@njit(inline="always", **_FAST)
def shift(row: np.ndarray, here: int, there: int, change: float, node: Tuple) -> None:
    """Traffic `change` moves from chip `there` to chip `here` in one row of Q."""
    if node[1] > 0.0:
        add_place(row, here, change, node)
        add_place(row, there, -change, node)
    else:
        row[here] += change
        row[there] -= change


@njit(**_FAST)
def twins(group: np.ndarray, slots: np.ndarray, slot: int, leaving: int) -> bool:
    """Another copy of `slot`'s expert sits among `slots` (one of which, `leaving`, goes)."""
    return bool(np.any((group[slots] == group[slot]) & (slots != leaving) & (slots != slot)))


@njit(**_FAST)
def anneal(
    pairs: np.ndarray, weights: np.ndarray, group: np.ndarray, chip: np.ndarray, q: np.ndarray, plan: Tuple
) -> int:
    """Improve `chip` in place under load caps; returns the number of accepted swaps.

    pairs [layers - 1, slots, slots], weights [layers, slots], group [layers, slots] the expert of each slot, chip
    [layers, slots], plan = (caps [layers], steps, first temperature, last temperature, seed, copies, node).
    """
    caps, steps, hot, cold, seed, copies, node = plan
    np.random.seed(seed)
    layers, slots = chip.shape
    chips = q.shape[2]
    members = members_of(chip, chips)
    load = np.zeros((layers, chips), np.float32)
    for layer in range(layers):
        for slot in range(slots):
            load[layer, chip[layer, slot]] += weights[layer, slot]
    cooling = (cold / hot) ** (1.0 / max(steps, 1))
    heat, accepted = hot, 0
    for _ in range(steps):
        heat *= cooling
        layer, i = np.random.randint(layers), np.random.randint(slots)
        here = chip[layer, i]
        there = best_chip(q[layer, i], here) if np.random.random() < 0.7 else np.random.randint(chips)
        if there == here or there < 0:
            continue
        mine = members[layer, there]
        k, gain = best_partner(q[layer], weights[layer], load[layer], mine, (i, here, there, caps[layer]))
        if k < 0 or (gain <= 0 and np.random.random() >= np.exp(gain / heat)):
            continue
        j = mine[k]
        if copies and (twins(group[layer], mine, i, j) or twins(group[layer], members[layer, here], j, i)):
            continue
        for position in range(len(mine)):
            if members[layer, here, position] == i:
                members[layer, here, position] = j
        members[layer, there, k] = i
        chip[layer, i], chip[layer, j] = there, here
        more = weights[layer, j] - weights[layer, i]
        load[layer, here] += more
        load[layer, there] -= more
        exchange(pairs, q, layer, (i, j, here, there), node)
        accepted += 1
    return accepted
