"""Random questions of the event engine that reach its rarer corners: every policy, tiers, fleets, models that share."""

from __future__ import annotations

import random
from typing import Any

Raw = dict[str, Any]
SCHEDULERS = (
    *("chunked", "chunked", "decode-only", "earliest-deadline", "inflight", "orca", "prefill-first", "priority"),
    *("ranked", "sglang", "shortest-job", "static"),
)
ROUTERS = ("least-outstanding", "power-of-two", "prefix-aware", "random", "round-robin", "session", "slo-aware")
MODELS = ("qwen3-0.6b", "llama-3.1-8b", "nemotron-nano-12b-v2", "gemma-3-12b", "gpt-oss-20b", "qwen3-30b-a3b")
SYSTEMS = ("h100-sxm", "h200-sxm", "b200-sxm", "l40s", "t4", "mi300x", "a100-sxm-40gb", "dgx-h100-cxl", "sn40l-8")
STACKS = ("roofline", "datasheet", "vllm", "sglang", "trtllm")
UNSHARED = ("prefix_cache", "tiers", "offload", "evict", "microbatches", "hold_steps", "compile")
"""policies that chips which several models share do not know"""


def wide_question(draw: random.Random) -> Raw:
    """A scenario that a server could be asked for; some are refused by name."""
    one = draw.choice
    load = one(("rate", "rate", "users", "batch"))
    traffic = traffic_of(draw, load)
    policy = policy_of(draw, cached="turns" in traffic or "shared_prefix" in traffic)
    found: Raw = {"name": "law", "seed": draw.randrange(1000), "policy": policy, "traffic": traffic, "plan": {}}
    if draw.random() < 0.5:
        found["steps"] = {"profile": "table", "step": one(("4 ms", "0 s")), "token": one(("20 us", "1 us"))}
        found["steps"] |= {"kv_token": one(("0 s", "10 ns")), "past_token": one(("0 s", "1 ns"))}
        found["steps"] |= one(({}, {"kv_blocks": one((8, 60, 600, 20_000))}))
        for key in ("swap_bandwidth", "tiers", "offload"):
            policy.pop(key, None)
    else:
        found |= on_hardware(draw, policy)
    if draw.random() < 0.4:
        found["plan"]["dp"] = one((2, 3))
    if load != "batch" and "models" not in found and draw.random() < 0.35:
        found["fleet"] = changing_fleet(draw)
        found["plan"].pop("dp", None)
    if draw.random() < 0.3:
        found["slo"] = {"ttft": "1 s", "tpot": "50 ms"}
    if draw.random() < 0.15:
        found["warm_ratio"] = one((0.1, 0.3))
    if draw.random() < 0.2:
        found["economics"] = {"usd_per_hour": 2.0}
    return found


def traffic_of(draw: random.Random, load: str) -> Raw:
    """Lengths, arrivals and what prompts share."""
    one = draw.choice
    found: Raw = {
        "input_tokens": one((1, 2, 17, 300, [1, 900], [16, 4000], {"0.1": 5, "0.5": 300, "0.9": 2000})),
        "output_tokens": one((1, 2, 3, 40, [1, 2], [1, 90], [1, 300], {"0.5": 3, "0.9": 200})),
        "requests": one((1, 2, 7, 30, 80)),
    }
    if load == "rate":
        found |= {"rate_per_s": one((0.2, 3.0, 50.0, 1e5)), "arrivals": one(("poisson", "gamma", "constant", "once"))}
        if draw.random() < 0.3:
            return found | {
                "turns": 3,
                "pause": one(("0 s", "0.2 s")),
                "copies": one((1, 2)),
                "wait": one((True, False)),
            }
    else:
        found |= {load: one((1, 3, 16, 100)), "think": one(("1 us", "10 ms", "2 s"))}
    if draw.random() < 0.4:
        found["shared_prefix"] = {"tokens": one((16, 200, 3000)), "prompts": one((1, 3)), "per_prompt": one((1, 4))}
    return found


RARE: dict[str, tuple[Any, ...]] = {
    "prefill_budget": (1, 33, 500),
    "chunk_tokens": (1, 50, 129),
    "watermark_blocks": (1, 5, 1000),
    "reserve_output": (True, False),
    "whole_prompt": (False,),
    "ahead": (True,),
    "batch_wait": ("5 ms", "2 s"),
    "stream_interval": (2, 10),
    "detokenise": ("1 ms",),
    "host": ("2 ms",),
    "compile": ("3 s",),
    "swap_bandwidth": ("20 GB/s", "1 MB/s"),
}


def policy_of(draw: random.Random, cached: bool) -> Raw:
    """A scheduler with odd budgets, caches, tiers, drafts."""
    one = draw.choice
    found: Raw = {"scheduler": one(SCHEDULERS), "router": one(ROUTERS), "max_running": one((1, 2, 3, 7, 64, 1024))}
    found |= {"token_budget": one((1, 2, 7, 65, 513, 8192)), "block_tokens": one((1, 8, 16))}
    if found["scheduler"] == "ranked":
        found["rank"] = one(("input_tokens", "-arrival_s", "output_tokens"))
    found |= {key: one(values) for key, values in RARE.items() if draw.random() < 0.15}
    if draw.random() < 0.2:
        found |= {
            "draft_tokens": one((1, 3, 8)),
            "acceptance_ratio": one((0.0, 0.6, 0.99)),
            "draft": one(("0 s", "1 ms")),
        }
        found["draft_width"] = one((1, 1, 3))
    if cached and draw.random() < 0.6:
        found |= {"prefix_cache": one((True, "radix")), "evict": one(("lru", "lfu"))}
        if draw.random() < 0.4:
            tier = {
                "capacity": one(("1 MB", "10 GB")),
                "read": one(("1 GB/s", "50 GB/s")),
                "latency": one(("0 s", "1 ms")),
            }
            kinds = one(((("dram", False),), (("dram", False), ("pool", True)), (("pool", True),)))
            found["tiers"] = [tier | {"name": name, "shared": shared} for name, shared in kinds]
            found["offload"] = one(("cascade", "none", "write-back-hit", "write-through"))
    return found


def on_hardware(draw: random.Random, policy: Raw) -> Raw:
    """A model on chips: degrees, formats, homes of tensors, clocks; some with other models or jobs beside it."""
    one = draw.choice
    plan: Raw = one(({}, {}, {"tp": 2}, {"tp": 4}, {"weights": "fp8"}, {"kv": "int4"}, {"weights": "int4"}))
    found: Raw = {"model": {"name": one(MODELS)}, "hardware": {"system": one(SYSTEMS), "stack": one(STACKS)}}
    kind = draw.random()
    if kind < 0.1:
        plan, policy["microbatches"] = {"pp": 2}, one((1, 2, 4))
    elif kind < 0.2:
        found["model"]["name"], plan = "qwen3-30b-a3b", {"attention_dp": 2, "ep": one((1, 2))}
        policy |= {"hold_steps": one((0, 5)), "router": one(("least-outstanding", "round-robin"))}
    elif kind < 0.3:
        found["power"] = {"policy": one(("phase-aware", "static", "cap", "polca")), "cap": "500 W", "interval": "0.1 s"}
        found["power"] |= {"prefill_level": one((0, 1)), "decode_level": one((0, 2)), "latency": one(("0 s", "50 ms"))}
    elif kind < 0.45:
        other = {"name": "two", "model": {"name": one(MODELS)}}
        job = {"name": "tune", "step": "50 ms", "training": {"sequence_tokens": 512, "tune": "lora"}}
        found |= one(({"models": [{"name": "one"}, other]}, {"jobs": [job]}))
        policy["router"] = one(("least-outstanding", "round-robin"))
        for key in UNSHARED:
            policy.pop(key, None)
    elif kind < 0.55:
        found["hardware"]["system"] = "dgx-h100-cxl"
        gated = {"tier": "dram", "fetch": "gated", "cache": "lru"}
        found["residency"] = one(({"weights": "dram"}, {"kv": "dram"}, {"kv": "cxl"}, {"experts": gated}))
    return found | {"plan": dict(plan)}


def changing_fleet(draw: random.Random) -> Raw:
    """Pools that hand over, change roles, fail again and again, grow from nothing."""
    one = draw.choice
    found: Raw = {"pools": [{"name": "a", "count": one((1, 2, 4))}]}
    if draw.random() < 0.5:
        found["pools"] = [
            {"name": n, "role": r, "count": one((1, 2, 3))} for n, r in (("p", "prefill"), ("d", "decode"))
        ]
        found["first_token"] = one(("prefill", "decode"))
        found["transfer"] = {"bandwidth": one(("50 GB/s", "100 MB/s")), "latency": "10 us", "bytes_per_token": 131072.0}
        found["transfer"] |= {"channels": one((1, 3)), "overlap_ratio": one((0, 0.5, 1))}
        if draw.random() < 0.25:
            limits = {"high_queue_tokens": 500, "low_queue_tokens": 50, "interval": "0.1 s"}
            found["roles"] = limits | {"hold": one(("0.1 s", "1 s")), "switch": one(("0 s", "0.3 s"))}
    elif draw.random() < 0.5:
        found["pools"] += [{"name": "b", "count": 1}]
        found["pools"][0]["started"] = one((0, 1))
        found["autoscale"] = {"pool": "a", "low": one((0, 1.0)), "high": one((1.5, 4.0)), "interval": "0.2 s"}
        found["autoscale"] |= {"cold_start": one(("0 s", "0.1 s", "3 s")), "least": one((1, 2))}
    if draw.random() < 0.5:
        count = sum(pool["count"] for pool in found["pools"])
        times = (one(("0 s", "0.1 s", "0.3 s", "2 s")) for _ in range(one((1, 1, 2, 4))))
        found["failures"] = [
            {"at": at, "replica": draw.randrange(count), "down": one(("0 s", "0.1 s", "5 s"))} for at in times
        ]
    return found
