"""Input-stationary: a tile of the inputs stays in the cells, weights stream through it.

cycles = ceil(K / H) ceil(M / W) (2 H + W + N - 2) - 1
"""

from __future__ import annotations

from simcore.cost.dataflows._base import Dataflow, loaded_fold_cycles

DATAFLOW = Dataflow("k", "m", "n", loaded_fold_cycles, loads=True)
