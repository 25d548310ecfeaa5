"""Output-stationary: every cell keeps one element of the result; both operands stream in, skewed.

cycles = ceil(M / H) ceil(N / W) (K + H + W - 2) - 1
"""

from __future__ import annotations

from simcore.cost.dataflows._base import Dataflow, Floats


def fold_cycles(height: Floats, width: Floats, stream: Floats) -> Floats:
    """The skew of the rows, the stream, the skew of the columns."""
    return height + width + stream - 2.0


DATAFLOW = Dataflow("m", "n", "k", fold_cycles, loads=False)
