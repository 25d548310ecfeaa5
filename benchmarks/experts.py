"""Expert placement: CPU seconds and proven gaps on synthetic traces of three model sizes."""

from __future__ import annotations

import numpy as np

from planners.experts import ExpertProblem, place
from planners.experts.trace import generate, loads_of, transitions_of

CASES = {  # name: (layers, experts, k), popularity, affinity, chips
    "mixtral": ((32, 8, 2), 0.25, 0.9, 4),
    "qwen3": ((48, 128, 8), 0.9, 1.3, 8),
    "v3_32": ((58, 256, 8), 0.8, 1.4, 32),
    "v3_64": ((58, 256, 8), 0.8, 1.4, 64),
    "v3_320": ((58, 256, 8), 0.8, 1.4, 320),
}


def figures() -> dict[str, float]:
    place(problem("mixtral", 0))
    place(ExpertProblem(np.ones((3, 12)), np.ones((2, 12, 12)), 4))
    out = {}
    for name in CASES:
        answer = place(problem(name, 0))
        out[f"placement_{name}_cpu_s"] = answer.cpu_s
        out[f"placement_{name}_gap_percent"] = 100 * answer.gap_ratio
    return out


def problem(name: str, seed: int) -> ExpertProblem:
    """A synthetic case; 320 slots on 320 chips, one per expert elsewhere."""
    shape, skew, affinity, chips = CASES[name]
    trace = generate(shape, 20_000, skew=skew, affinity=affinity, seed=seed)
    return ExpertProblem(loads_of(trace, shape[1]), transitions_of(trace, shape[1]), chips, slots=max(chips, shape[1]))
