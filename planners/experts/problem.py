"""The question and the answer of expert placement."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ExpertProblem:
    """Place `slots` expert copies per layer on `chips`, `slots / chips` on each.

    Minimise load_weight x (mean over layers of the busiest chip over the mean chip) + cut_weight x (share of routed
    pairs of consecutive layers whose experts lie on different chips) + move_cost x (share of slots that change).
    """

    loads: Floats
    """tokens routed, [layers, experts]"""
    transitions: Floats | None = None
    """token pairs from expert i of layer l to j of l + 1, [layers - 1, experts, experts]; None: loads only"""
    chips: int = 1
    nodes: int = 1
    slots: int | None = None
    """copies per layer; None: one per expert"""
    load_cap_ratio: float | None = None
    """largest busiest-over-mean load allowed, where a layer can reach it; None: try several"""
    load_weight: float = 1.0
    cut_weight: float = 1.0
    previous: Ints | None = None
    """expert of each slot of each chip today, [layers, chips, slots / chips]"""
    move_cost: float = 0.0
    node_hop_cost: float = 1.0
    """cost of a pair that leaves its node, where a pair between chips of one node costs 1"""

    def __post_init__(self) -> None:
        check(self)

    @property
    def layers(self) -> int:
        return int(self.loads.shape[0])

    @property
    def experts(self) -> int:
        return int(self.loads.shape[1])

    @property
    def slot_count(self) -> int:
        return self.slots or self.experts

    @property
    def slots_per_chip(self) -> int:
        return self.slot_count // self.chips

    def shares(self) -> Floats | None:
        """Transitions with each layer pair summing to 1."""
        if self.transitions is None:
            return None
        sums = self.transitions.sum(axis=(1, 2), keepdims=True)
        return np.asarray(self.transitions / np.where(sums > 0, sums, 1.0))


@dataclass(frozen=True)
class Placement:
    """Which expert sits in each slot, [layers, chips, slots per chip]."""

    expert_of_slot: Ints
    load_ratio: Floats = field(default_factory=lambda: np.zeros(0))
    """busiest chip over the mean, [layers]"""

    @property
    def chip_share(self) -> Floats:
        """Share of an expert's tokens that each chip serves, [layers, chips, experts]; copies share evenly."""
        layers, chips, _ = self.expert_of_slot.shape
        experts = int(self.expert_of_slot.max()) + 1
        counts = np.zeros((layers, chips, experts))
        rows, columns = np.indices((layers, chips))
        for slot in range(self.expert_of_slot.shape[2]):
            np.add.at(counts, (rows, columns, self.expert_of_slot[:, :, slot]), 1.0)
        total = counts.sum(axis=1, keepdims=True)
        return np.asarray(counts / np.where(total > 0, total, 1.0))


def check(problem: ExpertProblem) -> None:
    """Shapes and values, one line each; raises InputError."""
    loads, transitions = problem.loads, problem.transitions
    if loads.ndim != 2 or 0 in loads.shape:
        raise InputError(f"has shape {list(loads.shape)}, not [layers, experts]", key="loads")
    if not np.all(np.isfinite(loads)) or loads.min() < 0:
        raise InputError("holds negative or non-finite numbers", key="loads", fix="give token counts")
    if loads.sum(axis=1).min() <= 0:
        raise InputError(f"layer {int(np.argmin(loads.sum(axis=1)))} routes no token", key="loads")
    layers, experts = loads.shape
    if transitions is not None and transitions.shape != (layers - 1, experts, experts):
        wanted = [layers - 1, experts, experts]
        raise InputError(f"has shape {list(transitions.shape)}, not {wanted}", key="transitions")
    if transitions is not None and (not np.all(np.isfinite(transitions)) or transitions.min(initial=0.0) < 0):
        raise InputError("holds negative or non-finite numbers", key="transitions")
    if problem.chips < 1 or problem.nodes < 1 or problem.chips % problem.nodes:
        raise InputError(f"{problem.chips} chips do not divide over {problem.nodes} nodes", key="chips")
    shape = (layers, problem.chips, problem.slot_count // max(problem.chips, 1))
    if problem.previous is not None and problem.previous.shape != shape:
        raise InputError(f"has shape {list(problem.previous.shape)}, not {list(shape)}", key="previous")


def clashes(problem: ExpertProblem) -> list[str]:
    """Constraints that cannot hold together, in words; empty if a placement exists."""
    found = []
    if problem.slot_count < problem.experts:
        found.append(f"{problem.slot_count} slots cannot hold {problem.experts} experts: give at least one slot each")
    if problem.slot_count % problem.chips:
        found.append(f"{problem.slot_count} slots do not divide over {problem.chips} chips")
    if problem.slot_count > problem.experts * problem.chips:
        found.append(f"{problem.slot_count} slots are more than one copy of each expert per chip")
    if problem.load_cap_ratio is not None and problem.load_cap_ratio < 1.0:
        found.append(f"load cap {problem.load_cap_ratio:g} is below the mean load (1)")
    return found
