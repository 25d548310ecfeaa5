"""Copies and balance: how many copies each expert gets, and which slots share a chip."""

from __future__ import annotations

import numpy as np

from planners.experts.problem import Floats, Ints
from simcore.cost.jit import njit_with_memory as njit


def replicate(loads: Floats, slots: int, chips: int) -> Ints:
    """Expert of each slot, [layers, slots]: the busiest copy is split until all slots are used.

    Splitting argmax(load / copies) minimises the largest load per copy. Every expert has at least one slot, at most one
    per chip.
    """
    layers, experts = loads.shape
    copies = np.ones((layers, experts), np.int64)
    rows = np.arange(layers)
    for _ in range(slots - experts):
        each = np.where(copies < chips, loads / copies, -1.0)
        copies[rows, np.argmax(each, axis=1)] += 1
    return np.stack([np.repeat(np.arange(experts), row) for row in copies])


def slot_loads(loads: Floats, expert_of_slot: Ints) -> Floats:
    """Load of each slot, [layers, slots], when copies share evenly."""
    out = np.empty(expert_of_slot.shape)
    for layer, slots in enumerate(expert_of_slot):
        copies = np.bincount(slots, minlength=loads.shape[1])
        out[layer] = loads[layer, slots] / copies[slots]
    return out


def balanced(weights: Floats, experts: Ints, chips: int) -> Ints:
    """Chip of each slot, [layers, slots], layer by layer: longest first, then swaps off the busiest chip."""
    return np.stack([pack(weights[layer], experts[layer], chips) for layer in range(len(weights))])


def pack(weights: Floats, experts: Ints, chips: int) -> Ints:
    """Chip of each slot for one layer, [slots]; two copies of one expert avoid the same chip where possible."""
    order = np.argsort(-weights, kind="stable")
    chip = longest_first(weights, experts, order, chips)
    swap_to_balance(weights, experts, chip, chips)
    return np.asarray(chip)


@njit(cache=True, nogil=True)
def longest_first(weights: np.ndarray, experts: np.ndarray, order: np.ndarray, chips: int) -> np.ndarray:
    """Each slot in turn on the least loaded chip with room, without a copy of its expert if there is one."""
    room = len(weights) // chips
    chip = np.full(len(weights), -1, np.int64)
    load, used = np.zeros(chips), np.zeros(chips, np.int64)
    held = np.full((chips, room), -1, np.int64)
    for slot in order:
        best, best_apart = -1, -1
        for c in range(chips):
            if used[c] == room:
                continue
            if best < 0 or load[c] < load[best]:
                best = c
            if not np.any(held[c, : used[c]] == experts[slot]) and (best_apart < 0 or load[c] < load[best_apart]):
                best_apart = c
        c = best_apart if best_apart >= 0 else best
        chip[slot] = c
        load[c] += weights[slot]
        held[c, used[c]] = experts[slot]
        used[c] += 1
    return chip


@njit(cache=True, nogil=True)
def swap_to_balance(weights: np.ndarray, experts: np.ndarray, chip: np.ndarray, chips: int) -> None:
    """Exchange one slot of the busiest chip for a lighter one elsewhere while that lowers the larger of the two."""
    load = np.zeros(chips)
    for slot in range(len(chip)):
        load[chip[slot]] += weights[slot]
    for _ in range(4 * len(chip)):
        busiest = int(np.argmax(load))
        best, give, take = load[busiest] * (1 - 1e-12), -1, -1
        for a in range(len(chip)):
            if chip[a] != busiest:
                continue
            for b in range(len(chip)):
                more = weights[a] - weights[b]
                if chip[b] == busiest or more <= 0:
                    continue
                after = max(load[busiest] - more, load[chip[b]] + more)
                if after < best and not clash(experts, chip, a, b) and not clash(experts, chip, b, a):
                    best, give, take = after, a, b
        if give < 0:
            return
        more, other = weights[give] - weights[take], chip[take]
        load[busiest] -= more
        load[other] += more
        chip[give], chip[take] = other, busiest


@njit(cache=True, nogil=True)
def clash(experts: np.ndarray, chip: np.ndarray, slot: int, other: int) -> bool:
    """Moving `slot` to the chip of `other` would put two copies of one expert together."""
    for s in range(len(chip)):
        if chip[s] == chip[other] and s != other and s != slot and experts[s] == experts[slot]:
            return True
    return False
