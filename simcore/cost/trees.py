"""Small regression trees as plain arrays: one 32-bit word per node, cheap to evaluate on many rows.

A word is a float32 whose six lowest mantissa bits are replaced: feature 0..62 for a split (the float is the threshold;
go left where x <= threshold) or 63 for a leaf (the float is its value). Nodes lie in preorder: the left child follows
its parent, the right child follows the left subtree.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simcore.cost.gate import Gate
from simcore.cost.libraries import compiles_nothing
from simcore.errors import InputError
from simcore.kept.lazy import dataclass

LEAF = 63
AGAIN = "fit it again"
BULK_STEPS = 400_000
"""rows x trees from which the walk is compiled where no compiled one is kept"""
WALK_FILE = str(Path(__file__).with_name("trees_numba.py"))


def _compiled(name: str) -> int:
    from simcore.cost.trees_numba import address

    return address(name)


WALK = Gate(WALK_FILE, "walk_gate", _compiled)


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose leaf values add up."""

    feature: NDArray[np.int8]
    """[nodes] index of the feature, -1 at a leaf"""
    value: NDArray[np.float32]
    """[nodes] threshold or leaf value"""
    right: NDArray[np.int32]
    """[nodes] index of the right child; a leaf points to itself"""
    roots: NDArray[np.int32]
    """[trees]"""

    @cached_property
    def widest(self) -> int:
        """The last input that is asked for; -1: none is."""
        return int(self.feature.max(initial=-1))

    def __call__(self, features: NDArray[np.float32], of_rows: int = 0) -> NDArray[np.float64]:
        """[rows, features] -> [rows] sum over the trees; `of_rows`: how many rows the caller has in all."""
        if not len(self.roots):
            return np.zeros(len(features))
        if self.widest >= features.shape[1]:
            raise InputError(f"its trees ask for input {self.widest} of {features.shape[1]}", fix=AGAIN)
        bulk = max(len(features), of_rows) * len(self.roots) >= BULK_STEPS and not compiles_nothing()
        return self._compiled_walk(features) if bulk or WALK.kept is not None else self._walk(features)

    def _compiled_walk(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Leaf values have 18 bits: their sum is exact, so the order of the trees does not count."""
        total = np.empty(len(features))
        WALK(features, features.shape[1], self.feature, self.value, self.right, self.roots, total)
        return total

    def _walk(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same in numpy: all trees of all rows step down together, those at a leaf wait."""
        trees = len(self.roots)
        node = np.tile(self.roots, len(features))
        going = np.arange(len(node))
        while True:
            at = node[going]
            split = self.feature[at]
            inner = split >= 0
            if not inner.all():
                going, at, split = going[inner], at[inner], split[inner]
            if not len(going):
                return np.asarray(self.value[node].reshape(-1, trees).sum(axis=1, dtype=np.float64))
            left = features[going // trees, split] <= self.value[at]
            node[going] = np.where(left, at + 1, self.right[at])


def pack(feature: NDArray[np.int64], value: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Words of preorder nodes; feature -1 marks a leaf."""
    bits = np.asarray(value, np.float32).view(np.uint32) & np.uint32(0xFFFFFFC0)
    return np.asarray(bits | np.where(feature < 0, LEAF, feature).astype(np.uint32), np.uint32)


def unpack(words: NDArray[np.uint32]) -> Forest:
    """Forest of a run of words (trees one after the other). Raises InputError for what is none.

    >>> forest = unpack(pack(np.array([0, -1, -1]), np.array([2.5, -1.0, 4.0], np.float32)))
    >>> forest(np.array([[1.0], [3.0]], np.float32)).tolist()
    [-1.0, 4.0]
    """
    if words.dtype != np.uint32 or words.ndim != 1:
        raise InputError("its trees are no list of 32-bit words", fix=AGAIN)
    low = (words & np.uint32(LEAF)).astype(np.int8)
    value = (words & np.uint32(0xFFFFFFC0)).view(np.float32)
    feature = np.where(low == LEAF, -1, low).astype(np.int8)
    right = np.arange(len(words), dtype=np.int32)
    roots: list[int] = []
    open_parents: list[list[int]] = []
    for index, split in enumerate(feature.tolist()):
        if not open_parents:
            roots.append(index)
        else:
            parent = open_parents[-1]
            parent[1] += 1
            if parent[1] == 2:
                right[parent[0]] = index
                open_parents.pop()
        if split >= 0:
            open_parents.append([index, 0])
    if open_parents:
        raise InputError("its last tree is cut", fix=AGAIN)
    return Forest(feature, value, right, np.array(roots, np.int32))
