"""Weight-stationary: a tile of the weights stays in the cells, inputs stream through it, sums leave below (TPU).

cycles = ceil(K / H) ceil(N / W) (2 H + W + M - 2) - 1
"""

from __future__ import annotations

from simcore.cost.dataflows._base import Dataflow, loaded_fold_cycles

DATAFLOW = Dataflow("k", "n", "m", loaded_fold_cycles, loads=True)
