"""Optimizers by name: what one keeps per parameter and what a step moves.

`low rank`: states of an [n, k] matrix are kept in a subspace of rank r, r k elements instead of n k (GaLore,
Zhao et al. 2024; APOLLO, Zhu et al. 2025, whose auxiliary space holds moments only). Wrong for matrices narrower than
the rank, and for the projection's own products, which are a few percent of a step every few hundred.
"""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import UnknownName
from simcore.ops.op import Column


@dataclass(frozen=True)
class Optimizer:
    """Bytes per parameter beside the working weights and gradients."""

    master_bytes: float
    """fp32 copy of the weights"""
    moment_bytes: float
    """kept by each parameter, or by each element of the low-rank space"""
    low_rank: bool = False
    wire_bits: float | None = None
    """of a gradient on the wire; None: as the recipe says"""
    flop: float = 12.0
    """per parameter"""

    def state_bytes(self, parameters: Column, hidden: float, rank: float) -> Column:
        """Of so many parameters, in matrices about `hidden` wide."""
        share = min(1.0, rank / hidden) if self.low_rank else 1.0
        return parameters * (self.master_bytes + self.moment_bytes * share)

    def moved_bytes(self, parameters: Column, gradient_bytes: float, hidden: float, rank: float) -> Column:
        """States read and written, the gradient read, the working weights written."""
        return 2.0 * self.state_bytes(parameters, hidden, rank) + parameters * (gradient_bytes + 2.0)


OPTIMIZERS = {
    "adam": Optimizer(4.0, 8.0),
    "adam-bf16-moments": Optimizer(4.0, 4.0),
    "adam-8bit": Optimizer(4.0, 2.0),
    "adam-1bit": Optimizer(4.0, 12.0, wire_bits=1.0),
    "sgd": Optimizer(4.0, 0.0),
    "momentum": Optimizer(4.0, 4.0),
    "muon": Optimizer(4.0, 4.0, flop=40.0),
    "galore": Optimizer(4.0, 8.0, low_rank=True),
    "apollo": Optimizer(4.0, 8.0, low_rank=True),
    "apollo-mini": Optimizer(4.0, 0.0),
}
"""adam-1bit keeps the error of its compression too (Tang et al. 2021)"""


def optimizer(name: str) -> Optimizer:
    """Of that name. Raises UnknownName."""
    if name not in OPTIMIZERS:
        raise UnknownName("optimizer", name, OPTIMIZERS, key="training.optimizer")
    return OPTIMIZERS[name]
