"""Random valid questions of the event and the analytic engine, and the laws that every answer obeys."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from simcore.engine.invariants import violations
from tests.fuzz import answers, twins
from tests.fuzz.mutate import places, unit_of
from tests.fuzz.wide import wide_question

Raw = dict[str, Any]
TABLE = {"profile": "table", "step": "4 ms", "token": "20 us"}
SCHEDULERS = ("chunked", "prefill-first", "sglang", "orca", "static", "inflight", "shortest-job", "earliest-deadline")
ROUTERS = ("least-outstanding", "round-robin", "random", "power-of-two", "shortest-queue", "session", "prefix-aware")
CHIPS = ("h100-sxm", "h200-sxm", "l40s", "b200-sxm")
MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b", "mistral-7b")
WIDE = ("llama-3.1-8b", "llama-3.1-70b", "mistral-7b", "mixtral-8x7b", "qwen3-30b-a3b")
"""checkpoints of two bytes a weight: those of others are smaller than fp8, or fp8 already"""
STACKS = ("roofline", "datasheet", "vllm", "sglang", "trtllm")


def event_question(draw: random.Random) -> Raw:
    """A scenario that a server could be asked for, small enough for milliseconds."""
    traffic: Raw = {
        "input_tokens": draw.choice((1, 17, 300, [1, 900], [16, 4000])),
        "output_tokens": draw.choice((1, 2, 40, [1, 90], [1, 300])),
        "requests": draw.choice((1, 2, 7, 30, 80)),
    }
    load = draw.choice(("rate", "rate", "rate", "users", "batch"))
    if load == "rate":
        traffic |= {
            "rate_per_s": draw.choice((0.2, 3.0, 50.0)),
            "arrivals": draw.choice(("poisson", "gamma", "constant", "once")),
        }
        if draw.random() < 0.3:
            traffic |= {"turns": 3, "pause": "0.2 s", "copies": draw.choice((1, 2)), "wait": draw.random() < 0.5}
    else:
        traffic[load] = draw.choice((1, 3, 16))
    policy: Raw = {
        "scheduler": draw.choice(SCHEDULERS),
        "router": draw.choice(ROUTERS),
        "max_running": draw.choice((1, 4, 64)),
        "token_budget": draw.choice((64, 512, 8192)),
        "block_tokens": draw.choice((1, 16, 64)),
        "prefix_cache": draw.random() < 0.4,
    }
    if draw.random() < 0.2:
        policy |= {"batch_wait": draw.choice(("5 ms", "2 s"))}
    if draw.random() < 0.15:
        policy |= {"draft_tokens": 3, "acceptance_ratio": 0.6, "draft": "1 ms"}
    if draw.random() < 0.15:
        policy["swap_bandwidth"] = "20 GB/s"
    found: Raw = {"name": "law", "seed": draw.randrange(1000), "policy": policy, "traffic": traffic}
    if draw.random() < 0.5:
        found["steps"] = TABLE | {"kv_blocks": draw.choice((8, 60, 600, 20_000))}
        policy.pop("swap_bandwidth", None)
    else:
        found["model"] = {"name": draw.choice(MODELS)}
        found["hardware"] = {"system": draw.choice(CHIPS), "stack": draw.choice(STACKS)}
    found["plan"] = {"dp": draw.choice((1, 1, 2, 3))}
    if draw.random() < 0.25 and load == "rate":
        found["fleet"] = fleet_of(draw)
        found["plan"].pop("dp")
    if draw.random() < 0.3:
        found["slo"] = {"ttft": "1 s", "tpot": "50 ms"}
    return found


def fleet_of(draw: random.Random) -> Raw:
    """Pools that fail, grow, or hand prompts over."""
    if draw.random() < 0.4:
        handed: Raw = {
            "pools": [{"name": "p", "role": "prefill", "count": 2}, {"name": "d", "role": "decode", "count": 2}],
            "transfer": {"bandwidth": "50 GB/s", "latency": "10 us", "bytes_per_token": 131072.0},
        }
        if draw.random() < 0.3:
            handed["failures"] = [{"at": "0.3 s", "replica": draw.randrange(4), "down": draw.choice(("0.1 s", "5 s"))}]
        return handed
    found: Raw = {"pools": [{"name": "a", "count": draw.choice((2, 4))}]}
    if draw.random() < 0.6:
        found["failures"] = [
            {"at": draw.choice(("0 s", "0.3 s", "2 s")), "replica": 0, "down": draw.choice(("0.1 s", "5 s"))}
        ]
    if draw.random() < 0.5:
        found["pools"][0]["started"] = 1
        found["autoscale"] = {"pool": "a", "low": 1.0, "high": 4.0, "interval": "0.2 s", "cold_start": "0.1 s"}
    return found


def event_laws(raw: Raw) -> list[str]:
    """What a run of the question breaks; empty where it is refused by name."""
    from scenarios.read import from_raw
    from scenarios.report import report
    from scenarios.run import ready
    from simcore.errors import SimcoreError

    try:
        made = ready(from_raw(copy.deepcopy(raw)))
        if made.infeasible:
            return []
        run = made.run()
    except SimcoreError:
        return []
    found = violations(run)
    told = report(run, made)
    found += [f"{place} is {value}" for place, value in odd_numbers(told)]
    found += [*answers.broken(raw, made, run, told), *twins.broken(raw, made, run)]
    rows = sum(told.get(key) or 0 for key in ("served", "refused", "lost"))
    if rows != len(run.requests) and not raw.get("warm_ratio"):
        found.append(f"{rows} of {len(run.requests)} requests are accounted for")
    if raw["seed"] % 10 == 0 and ready(from_raw(copy.deepcopy(raw))).run().requests.tobytes() != run.requests.tobytes():
        found.append("the same seed gave other bytes")
    return found


def odd_numbers(told: Any) -> Iterator[tuple[str, float]]:
    """Numbers of a report that no run can have: none at all, below zero, a ratio above one."""
    for way in places(told):
        value: Any = told
        for key in way:
            value = value[key]
        if isinstance(value, int | float) and not isinstance(value, bool):
            name = ".".join(map(str, way))
            if value != value and (unasked(name, told) or way[0] in ("by_class", "by_model")):
                continue
            share = any(word in name for word in ("mfu", "mbu", "occupancy", "attainment", "utilisation", "hit_ratio"))
            if not math.isfinite(value) or value < 0 or (share and value > 1 + 1e-9):
                yield name, value


def unasked(name: str, told: Any) -> bool:
    """Whether a distribution has no values: nobody was served, or nobody got a second token."""
    return name.startswith("itl_s.") or (name.split(".")[0] in DISTRIBUTIONS and not told.get("served"))


DISTRIBUTIONS = ("ttft_s", "tpot_s", "e2e_s", "queue_s")


def analytic_question(draw: random.Random) -> Raw:
    """A plan, its lengths and its load."""
    tp = draw.choice((1, 1, 2, 4, 8))
    users = {"users": draw.choice((8, 200)), "requests": draw.choice((1, 50, 1000))}
    load = draw.choice(({"batch": draw.choice((1, 3, 32, 256))}, users, {"rate_per_s": draw.choice((0.1, 4.0))}))
    return {
        "name": "law",
        "model": {"name": draw.choice((*MODELS, "llama-3.1-70b", "mixtral-8x7b", "deepseek-v3"))},
        "hardware": {
            "system": draw.choice(CHIPS) if tp == 1 else draw.choice(("dgx-h100", "dgx-b200")),
            "stack": draw.choice(STACKS),
        },
        "plan": {"tp": tp, "dp": draw.choice((1, 1, 2))}
        | draw.choice(({}, {"weights": "fp8"}, {"kv": "fp8"}, {"pp": 2}, {"attention_dp": 2})),
        "traffic": {"input_tokens": draw.choice((1, 100, 4096, 30_000)), "output_tokens": draw.choice((1, 2, 300))}
        | load,
    }


def analytic_laws(raw: Raw) -> list[str]:
    """What an estimate of the question breaks, alone and beside estimates of others."""
    told = estimate(raw)
    if told is None:
        return []
    found = [f"{place} is {value}" for place, value in odd_numbers(told)]
    if not told["feasible"]:
        return found
    found += of_numbers(told, raw)
    if raw["hardware"]["stack"] == "roofline":
        if raw["model"]["name"] in WIDE:
            found += slower(told, raw, "weights at half the size", {"plan": raw["plan"] | {"weights": "fp8"}}, 1.0)
        linked = any(raw["plan"].get(name, 1) > 1 for name in ("pp", "attention_dp"))  # links are not doubled
        if raw["hardware"]["system"] in CHIPS and not linked:
            fast = raw["hardware"] | {"system": doubled(raw["hardware"]["system"])}
            found += slower(told, raw, "a chip twice as fast", {"hardware": fast}, 0.5)
    if raw["hardware"]["stack"] == "datasheet" and raw["hardware"]["system"] in CHIPS and "batch" in raw["traffic"]:
        found += unsaid(told, raw)
    if "batch" in raw["traffic"]:
        more = estimate(raw | {"traffic": raw["traffic"] | {"batch": 2 * raw["traffic"]["batch"]}})
        if more and more["feasible"] and raw["hardware"]["stack"] == "roofline":
            for name in rising(raw):
                if more[name] < told[name] * (1 - 1e-9):
                    found.append(f"twice the batch: {name} falls from {told[name]} to {more[name]}")
    return found


def of_numbers(told: Raw, raw: Raw) -> list[str]:
    """What is feasible has numbers; energy is power over throughput; twice the replicas serve twice as much."""
    if told["ttft_mean_s"] is None or told["throughput_tokens_per_s"] is None:
        return ["it is feasible and has no numbers"]
    found, chips = [], told["throughput_tokens_per_s"] / told["throughput_per_chip_tokens_per_s"]
    energy, watts = told["energy_j_per_token"], told["server_power_w"]
    if energy is not None and not answers.near(energy * told["throughput_tokens_per_s"], watts * chips):
        found.append("energy is not power over throughput")
    if raw["plan"].get("dp", 1) == 1 and "batch" in raw["traffic"]:
        more = estimate(raw | {"plan": raw["plan"] | {"dp": 2}})
        if more and more["feasible"]:
            if not answers.near(more["throughput_tokens_per_s"], 2 * told["throughput_tokens_per_s"]):
                found.append("twice the replicas do not serve twice as much")
            for name in ("ttft_mean_s", "tpot_mean_s", "e2e_mean_s", "energy_j_per_token", "mfu_ratio", "mbu_ratio"):
                if told[name] is not None and not answers.near(more[name], told[name]):
                    found.append(f"twice the replicas: {name} {told[name]} becomes {more[name]}")
    return found


def rising(raw: Raw) -> tuple[str, ...]:
    """What may not fall when twice as many requests are in flight.

    The first token of a prompt of very few tokens beside a large batch may come up to some per cent sooner: such a
    prompt reads fewer experts than a decode step does, so with more of them an arrival falls more often into a short
    step (docs/analytic.md: the half step that it waits for). Every later token, and so the whole answer, comes later.
    """
    brief = 4 * raw["traffic"]["input_tokens"] <= raw["traffic"]["batch"]
    if not brief:
        return ("ttft_mean_s", "tpot_mean_s", "e2e_mean_s")
    return ("tpot_mean_s", "e2e_mean_s") if raw["traffic"]["output_tokens"] > 1 else ()


def slower(told: Raw, raw: Raw, what: str, change: Raw, most: float) -> list[str]:
    """Times that stay above `most` of what they were with a change for the better, at a fixed batch."""
    other = estimate(raw | change) if "batch" in raw["traffic"] else None
    if not other or not other["feasible"] or raw["plan"].get("weights"):
        return []
    names = [name for name in ("ttft_mean_s", "tpot_mean_s") if told.get(name)]
    return [
        f"{what}: {name} {told[name]} becomes {other[name]}"
        for name in names
        if other[name] > most * told[name] * (1 + 1e-6)
    ]


def unsaid(told: Raw, raw: Raw) -> list[str]:
    """A chip twice as fast that is less than 1.8 times as fast, and no note that says why."""
    other = estimate(raw | {"hardware": raw["hardware"] | {"system": doubled(raw["hardware"]["system"])}})
    if not other or not other["feasible"]:
        return []
    gain = min(told[name] / other[name] for name in ("ttft_mean_s", "e2e_mean_s") if other.get(name))
    said = any("twice its rates" in note for note in other["notes"])
    return [] if gain >= 1.8 or said else [f"a chip twice as fast is {gain:.2f} times as fast, and nobody says why"]


def estimate(raw: Raw) -> Raw | None:
    """The flat answer; None where the question is refused by name."""
    from planners.engines import engines
    from scenarios.read import from_raw
    from simcore.errors import SimcoreError

    try:
        found: Raw = engines("analytic")(from_raw(copy.deepcopy(raw)))
    except SimcoreError:
        return None
    return found


@cache
def doubled(name: str) -> Any:
    """A chip inline with every rate doubled and every latency halved."""
    from hardware_specs import chip
    from simcore.spec.load import derive, read_toml

    raw = derive(read_toml(*chip.text(name)), name, chip.text)
    for way in list(places(raw)):
        here: Any = raw
        for key in way[:-1]:
            here = here[key]
        unit = unit_of(here[way[-1]])
        if unit in RATES or unit in ("s", "ms", "us", "ns"):
            number = float(here[way[-1]].split()[0])
            here[way[-1]] = f"{number * (2 if unit in RATES else 0.5)!r} {unit}"
    return raw | {"name": f"{name}-twice"}


RATES = ("TB/s", "GB/s", "MB/s", "TFLOP/s", "GFLOP/s", "PFLOP/s", "TOP/s", "GHz", "MHz", "Gbit/s")
ENGINES: dict[str, tuple[Callable[[random.Random], Raw], Callable[[Raw], list[str]]]] = {
    "event": (event_question, event_laws),
    "wide": (wide_question, event_laws),
    "analytic": (analytic_question, analytic_laws),
}


def judged(engine: str, raw: Raw) -> list[str]:
    """Laws that a question breaks; a traceback is one of them."""
    try:
        return ENGINES[engine][1](raw)
    except Exception as error:
        return [f"traceback: {type(error).__name__}: {error}"]


def shrunk(engine: str, raw: Raw) -> Raw:
    """A smaller question that still breaks a law: keys taken out and numbers halved as long as one does."""
    smaller = True
    while smaller:
        smaller = False
        for way in list(places(raw)):
            for less in simpler(raw, way):
                if judged(engine, less):
                    raw, smaller = less, True
                    break
            if smaller:
                break
    return raw


def simpler(raw: Raw, way: tuple[Any, ...]) -> Iterator[Raw]:
    """The question without one value, or with it halved."""
    for step in ("out", "half"):
        less = copy.deepcopy(raw)
        here: Any = less
        for key in way[:-1]:
            here = here[key]
        value = here[way[-1]]
        if step == "out" and way not in KEPT_KEYS:
            del here[way[-1]]
            yield less
        elif (
            step == "half" and isinstance(value, int) and not isinstance(value, bool) and value > 1 and way != ("seed",)
        ):
            here[way[-1]] = value // 2
            yield less


KEPT_KEYS = (
    ("seed",),
    ("name",),
    ("hardware", "stack"),
    ("traffic",),
    ("plan",),
    ("hardware",),
    ("hardware", "system"),
)


def campaign(engine: str, count: int, seed: int, say: Callable[[str], None] = print) -> tuple[int, int]:
    """(questions that were answered, broken laws) of a seed; each failure is told with its smallest question."""
    broken = 0
    for number in range(count):
        raw = ENGINES[engine][0](random.Random(f"{engine}/{seed}/{number}"))
        found = judged(engine, raw)
        if found:
            broken += 1
            say(f"{engine} {number}: {found}\n    {shrunk(engine, raw)}")
    return count, broken
