"""Random questions for both engines, equal on every machine: dictionaries as a person would write them."""

from __future__ import annotations

from typing import Any

import numpy as np

MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-32b", "mixtral-8x7b", "qwen3-30b-a3b", "gpt-oss-120b")
SYSTEMS = ("h100-sxm", "h200-sxm", "b200-sxm", "a100-sxm-80gb", "l40s", "mi300x")
STACKS = ("datasheet", "roofline", "vllm", "trtllm", "sglang")
FORMATS = ("bf16", "fp8")
COUNT = 100


def estimates() -> list[dict[str, Any]]:
    """Arguments of `simcore.estimate`."""
    random = np.random.default_rng(7)
    return [_estimate(random) for _ in range(COUNT)]


def _estimate(random: Any) -> dict[str, Any]:
    weights = str(random.choice(FORMATS))
    return {
        "model": str(random.choice(MODELS)),
        "chip": str(random.choice(SYSTEMS)),
        "stack": str(random.choice(STACKS)),
        "tp": int(random.choice((1, 2, 4, 8))),
        "batch": int(random.choice((1, 4, 16, 64, 256))),
        "input_tokens": int(random.integers(16, 16000)),
        "output_tokens": int(random.integers(2, 1000)),
        "weights": weights,
        "experts": weights,
        "kv": str(random.choice(FORMATS)),
    }


def simulations() -> list[dict[str, Any]]:
    """Scenario files (schema scenario/1) as dictionaries."""
    random = np.random.default_rng(11)
    return [_simulation(random, number) for number in range(COUNT)]


def _simulation(random: Any, number: int) -> dict[str, Any]:
    weights = str(random.choice(FORMATS))
    users = random.random() < 0.4
    traffic: dict[str, Any] = {
        "input_tokens": [int(random.integers(8, 500)), int(random.integers(500, 6000))],
        "output_tokens": [int(random.integers(1, 50)), int(random.integers(50, 600))],
        "requests": int(random.integers(20, 200)),
    }
    traffic |= {"users": int(random.integers(1, 64))} if users else {"rate_per_s": float(random.uniform(0.5, 8.0))}
    return {
        "schema": "scenario/1",
        "name": f"random-{number}",
        "seed": number,
        "model": {"name": str(random.choice(MODELS))},
        "hardware": {"system": str(random.choice(SYSTEMS)), "stack": str(random.choice(STACKS[:3]))},
        "plan": {
            "tp": int(random.choice((4, 8))),
            "dp": 1 if users else int(random.choice((1, 2))),
            "weights": weights,
            "experts": weights,
            "kv": str(random.choice(FORMATS)),
        },
        "policy": {
            "scheduler": str(random.choice(("chunked", "prefill-first", "orca", "sglang", "inflight", "shortest-job"))),
            "router": str(random.choice(("round-robin", "least-outstanding", "power-of-two"))),
            "token_budget": int(random.choice((512, 2048, 8192))),
            "max_running": int(random.choice((8, 64, 256))),
        },
        "traffic": traffic,
    }
