"""A measured row as a scenario that a user could have written.

The client is public (the benchmark's own repository): all requests are sent at once and `max_num_seqs` caps what runs;
1,024 k requests (198 k of GPQA), k not stated: the least that exceeds the cap by half. The servers were vLLM 0.11.1
with steps of 8,192 tokens. Answers vary as chats do. Assumed: k, prompts by task, the spread of lengths.
"""

from __future__ import annotations

import math
from typing import Any

from validation.energy.rows import EnergyRow

STACK = "vllm@0.11.1"
TOKEN_BUDGET = 8192
BEYOND_CAP = 1.5
"""requests over the cap on running ones, rounded up to whole sets"""
SETS = {"gpqa": 198}
SET = 1024
PROMPTS = {"lm-arena-chat": (200.0, 0.8), "sourcegraph-fim": (2000.0, 0.05), "gpqa": (250.0, 0.5)}
"""(mean, coefficient of variation) of the input tokens by task"""
OTHER_PROMPTS = (200.0, 0.8)
ANSWERS_CV = {"gpqa": 0.5}
CHAT_CV = 0.9
P90 = 1.2815515655446004
"""standard normal"""


def requests_of(row: EnergyRow) -> int:
    """Requests that the client sent."""
    size = SETS.get(row.task, SET)
    return size * max(1, math.ceil(BEYOND_CAP * row.most / size))


def lognormal(mean: float, cv: float) -> tuple[float, float]:
    """(median, 90 % quantile) of a lognormal law.

    >>> [round(v) for v in lognormal(200.0, 0.8)]
    [156, 385]
    """
    median = mean / math.sqrt(1.0 + cv * cv)
    return median, median * math.exp(P90 * math.sqrt(math.log(1.0 + cv * cv)))


def plan(row: EnergyRow) -> dict[str, Any]:
    """Degrees of the plan: attention is split over all chips unless its ranks are data parallel."""
    tp = row.chips if row.dp == 1 else row.tp
    degrees = {"tp": tp, "attention_dp": row.dp, "ep": row.ep}
    return {name: value for name, value in degrees.items() if value > 1} | {"kv": "bf16"}


def scenario_tables(row: EnergyRow, name: str = "row") -> dict[str, Any]:
    """The tables of a `scenario/2` file."""
    inputs = lognormal(*PROMPTS.get(row.task, OTHER_PROMPTS))
    outputs = lognormal(row.output_tokens, ANSWERS_CV.get(row.task, CHAT_CV))
    return {
        "schema": "scenario/2",
        "name": name,
        "model": {"name": row.value},
        "hardware": {"system": row.chip, "stack": STACK},
        "plan": plan(row),
        "policy": {
            "token_budget": TOKEN_BUDGET,
            "max_running": math.ceil(row.most / row.dp),
            "overlap_scheduling": True,
        },
        "traffic": {
            "input_median_tokens": inputs[0],
            "input_p90_tokens": inputs[1],
            "output_median_tokens": outputs[0],
            "output_p90_tokens": outputs[1],
            "longest_tokens": 32768,
            "requests": requests_of(row),
            "arrivals": "once",
        },
    }
