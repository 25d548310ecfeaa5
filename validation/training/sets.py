"""Which constants are fitted on which rows: one set per framework generation, tags that scale a constant by chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.engine.training.job import Job
from validation.training.fit import Free
from validation.training.question import Asked

Floats = NDArray[np.float64]
CHIPS = ("gb200", "gb300", "b200-sxm", "b300-sxm", "h100-sxm")
GENERATIONS = ("megatron-bridge-25", "megatron-bridge-26.02", "megatron-bridge-26.06")
MOST_PER_GROUP, GROUP_WEIGHT = 6, 0.4
"""rows of one composed group (vTrain on one node) that a fit reads, and the weight of each"""

MEGATRON = {
    "matrix_ratio": Free(1.1, 0.15),
    "memory_ratio": Free(0.66, 0.3, 0.1, 1.0),
    "link_ratio": Free(0.8, 0.3, 0.4, 2.0),
    "card_ratio": Free(0.55, 0.4, 0.1, 1.0),
    "host_pass_s": Free(0.9e-3, 1.0),
    "host_tp_exponent": Free(0.18, 0.7),
    "sharpness": Free(4.0, 0.5, 1.5, 10.0),
    "optimizer_ratio": Free(0.7, 0.4, 0.1, 1.0),
    "product_ratio": Free(0.6, 0.3, 0.2, 1.0),
    "send_s": Free(0.5e-3, 1.0),
    "step_s": Free(5e-3, 1.0),
}
SC21 = {"matrix_ratio": Free(1.25, 1.0), "card_ratio": Free(0.8, 1.0, 0.01, 1.0)}
ZERO3 = {"overlap_power": Free(4.0, 1.0, 1.0, 20.0), "card_ratio": Free(0.08, 1.0, 0.001, 1.0)}
"""a gather reaches some 0.9 of one card, and a ring through a node's eight is what the ratio is of"""
TORCHTITAN = {
    "matrix_ratio": Free(1.2, 0.2),
    "attention_ratio": Free(1.6, 0.5, 0.5, 8.0),
    "memory_ratio": Free(0.7, 0.3, 0.1, 1.0),
    "card_ratio": Free(0.5, 0.4, 0.05, 1.0),
    "link_ratio": Free(1.0, 0.3, 0.4, 3.0),
    "memory_ratio@torchtitan-eager": Free(0.5, 0.4),
    "matrix_ratio@a100-sxm-80gb": Free(1.0, 0.15),
    "attention_ratio@a100-sxm-80gb": Free(0.7, 0.3),
}
BRIDGE = {
    "matrix_ratio": Free(1.0, 0.15, 0.4, 2.0),
    "expert_ratio": Free(1.2, 0.3, 0.5, 4.0),
    "attention_ratio": Free(1.0, 0.25, 0.5, 3.0),
    "state_ratio": Free(2.0, 0.6, 0.5, 10.0),
    "memory_ratio": Free(0.75, 0.3, 0.15, 1.0),
    "link_ratio": Free(1.0, 0.25, 0.4, 2.5),
    "card_ratio": Free(0.6, 0.3, 0.1, 1.0),
    "exchange_ratio": Free(0.6, 0.4, 0.1, 1.0),
    "host_pass_s": Free(0.2e-3, 0.7),
    "expert_pass_s": Free(0.3e-3, 0.8),
    "sharpness": Free(3.0, 0.4, 1.2, 10.0),
    "send_s": Free(0.1e-3, 1.0),
    "matrix_ratio@automodel": Free(1.0, 0.25),
    "expert_ratio@automodel": Free(1.0, 0.3),
    "expert_pass_s@automodel": Free(1.0, 0.6),
    "host_pass_s@automodel": Free(1.0, 0.6),
    **{f"matrix_ratio@{chip}": Free(1.0, 0.15) for chip in CHIPS},
    **{f"memory_ratio@{chip}": Free(1.0, 0.15) for chip in CHIPS},
    **{f"expert_pass_s@{chip}": Free(1.0, 0.4) for chip in CHIPS},
    **{f"expert_ratio@{one}": Free(1.0, 0.25) for one in GENERATIONS},
    **{f"expert_pass_s@{one}": Free(1.0, 0.6) for one in GENERATIONS},
}


@dataclass(frozen=True)
class Kind:
    """One set of constants: the frameworks that it serves and the numbers that it may move."""

    name: str
    frameworks: tuple[str, ...]
    free: Mapping[str, Free]
    chips: tuple[str, ...]
    source: str


SETS = (
    Kind("megatron", ("megatron-deepspeed",), MEGATRON, ("a100-sxm-80gb",), "vTrain, MICRO 2024 (arXiv 2312.12391)"),
    Kind("sc21", ("megatron-2021",), SC21, ("a100-sxm-80gb",), "Narayanan et al. 2021 (arXiv 2104.04473), table 2"),
    Kind("zero3", ("deepspeed-zero3",), ZERO3, ("a100-sxm-80gb",), "Narayanan et al. 2021, table 2, ZeRO-3 rows"),
    Kind("torchtitan", ("torchtitan", "torchtitan-eager"), TORCHTITAN, ("h100-sxm", "a100-sxm-80gb"),
         "torchtitan benchmarks, December 2024"),
    Kind("bridge", (*GENERATIONS, "automodel"), BRIDGE, CHIPS, "NVIDIA Megatron-Bridge and AutoModel summaries"),
)  # fmt: skip


def set_of(framework: str) -> Kind | None:
    """The set whose constants a framework reads."""
    return next((kind for kind in SETS if framework in kind.frameworks), None)


def tags_of(asked: Asked) -> frozenset[str]:
    """Words that may scale a constant of the row."""
    return frozenset((asked.chip, str(asked.recipe["framework"])))


def weights_of(asked: Sequence[Asked], jobs: Sequence[Job]) -> Floats:
    """Weight of every row: rows of one node that look composed count as a few of their group."""
    found, seen = np.ones(len(asked)), dict[str, int]()
    for at, (row, job) in enumerate(zip(asked, jobs, strict=True)):
        if row.recipe["framework"] == "megatron-deepspeed" and job.degrees.chips <= 8:
            count = seen[row.group] = seen.get(row.group, 0) + 1
            found[at] = GROUP_WEIGHT if count % 5 == 1 and count <= 5 * MOST_PER_GROUP else 0.0
    return found
