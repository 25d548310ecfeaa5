"""Routing that changes over time, and what re-planning buys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planners.experts.metrics import cost_of
from planners.experts.problem import ExpertProblem
from planners.experts.solve import place
from planners.experts.trace import Trace, loads_of, transitions_of


@dataclass(frozen=True)
class Epoch:
    """One interval of a drifting workload."""

    load_ratio: float
    cut_share: float
    moved_share: float
    replanned: bool


def drifting(shape: tuple[int, int, int], tokens: int, epochs: int, drift: float, seed: int = 0) -> Iterator[Trace]:
    """Traces [tokens, layers, k] whose popularity turns by the share `drift` per epoch (0: none, 1: anew each time).

    Popularity follows an autoregressive walk of the router scores, which keeps its spread.
    """
    from planners.experts.counting import winners

    layers, experts, k = shape
    topic = np.zeros(tokens, np.int64)
    random = np.random.default_rng(seed)
    score = random.standard_normal((layers, experts))
    for _ in range(epochs):
        trace = np.empty((tokens, layers, k), np.int16)
        for layer in range(layers):
            trace[:, layer] = winners(score[layer : layer + 1], topic, random.random((tokens, experts)), k)
        yield trace
        score = np.sqrt(1 - drift) * score + np.sqrt(drift) * random.standard_normal(score.shape)


def replay(base: ExpertProblem, traces: Iterator[Trace], threshold: float, seed: int = 0) -> list[Epoch]:
    """Plan on the first trace; re-plan, at the base's move cost, when the load exceeds `threshold` x the planned."""
    out: list[Epoch] = []
    current, planned = None, np.inf
    for trace in traces:
        problem = replace(
            base, loads=loads_of(trace, base.experts), transitions=transitions_of(trace, base.experts), previous=None
        )
        again = current is None or cost_of(problem, current)[1]["load_ratio"] > threshold * planned
        moved = 0.0
        if again:
            before = None if current is None else current.expert_of_slot
            answer = place(replace(problem, previous=before), "heuristic", seed=seed)
            assert answer.plan is not None
            current, planned = answer.plan, answer.metrics["load_ratio"]
            moved = answer.metrics["moved_share"]
        assert current is not None
        found = cost_of(problem, current)[1]
        out.append(Epoch(found["load_ratio"], found["cut_share"], moved, again))
    return out
