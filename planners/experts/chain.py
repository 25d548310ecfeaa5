"""Alignment of consecutive layers.

Given the sets of experts of each layer, renaming the chips of layer l + 1 relative to layer l does not change any other
pair, so L - 1 assignment problems place all sets optimally (for hops that all cost the same).
"""

from __future__ import annotations

import numpy as np

from planners.experts.problem import Floats, Ints


def align(pairs: Floats, chip: Ints, chips: int) -> Ints:
    """Rename the chips of each layer to co-locate with the layer before; [layers, slots] in and out."""
    from scipy.optimize import linear_sum_assignment

    chip = chip.copy()
    for layer in range(len(pairs)):
        before, after = one_hot(chip[layer], chips), one_hot(chip[layer + 1], chips)
        flow = before.T @ pairs[layer] @ after
        rows, columns = linear_sum_assignment(-flow)
        name = np.empty(chips, np.int64)
        name[columns] = rows
        chip[layer + 1] = name[chip[layer + 1]]
    return chip


def one_hot(chip: Ints, chips: int) -> Floats:
    """[slots, chips]."""
    return np.eye(chips)[chip]
