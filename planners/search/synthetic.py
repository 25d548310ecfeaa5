"""Made-up problems with a known frontier, for tests, for comparing methods and for trying the tool. Not facts.

`tiered` is a conditional mixed space (a memory add-on brings its own parameters); `queue` is noisy: a queue of servers
simulated with few requests, so that one evaluation is a draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planners.search.function import FunctionEvaluator
from planners.search.problem import Objective, Outputs, Problem
from planners.search.space import Array, Parameter, Point, Space
from simcore.spec.expression import Expression

TIERED_SPACE = Space(
    (
        Parameter.categorical("chip", "small", "medium", "large", "wide"),
        Parameter.ordinal("chips", 1, 2, 4, 8, 16),
        Parameter.integer("log2_batch", 0, 8),
        Parameter.float("hbm_ratio", 0.5, 2.0, steps=7, log=True),
        Parameter.categorical("extra", "none", "pim", "cxl"),
        Parameter.ordinal("pim_units", 1, 2, 4, 8, when={"extra": ("pim",)}),
        Parameter.float("cxl_tb_per_s", 0.05, 0.8, steps=5, log=True, when={"extra": ("cxl",)}),
        Parameter.ordinal("cxl_share", 0.1, 0.2, 0.4, 0.6, when={"extra": ("cxl",)}),
        Parameter.categorical("weights", "bf16", "fp8", "fp4"),
    ),
    (Expression("chips * hbm_ratio <= 20"),),
)
_CHIPS = {"small": (0.4, 1.5, 48, 1.0), "medium": (1.0, 3.0, 80, 2.4), "large": (2.2, 6.0, 160, 5.2)}
_CHIPS["wide"] = (0.8, 5.0, 128, 3.3)
_BITS = {"bf16": 16, "fp8": 8, "fp4": 4}


def tiered(
    chip: str,
    chips: int,
    log2_batch: int,
    hbm_ratio: float,
    extra: str,
    weights: str,
    pim_units: int = 0,
    cxl_tb_per_s: float = 0.0,
    cxl_share: float = 0.0,
) -> dict[str, float]:
    """log10 ms per step and log10 cost per token of a made-up long-context service; does not fit -> violation."""
    peak, rate, room, price = _CHIPS[chip]
    batch, bits = 2.0**log2_batch, _BITS[weights]
    held, cache = 70 * bits / 8, 6.0 * batch
    near = held + cache * (1 - cxl_share)
    have = chips * room * (0.7 + 0.3 * hbm_ratio)
    if near > have:
        return {"violation": near / have - 1}
    width = rate * hbm_ratio * chips
    read_s = (held / 1000) / width
    cache_s = cache * (1 - cxl_share) / 1000 / (width * (1 + 0.15 * pim_units))
    far_s = cache * cxl_share / 1000 / (cxl_tb_per_s * chips) if cxl_share else 0.0
    speed = 16 / bits if chip != "small" else 1.0
    work_s = 0.14 * batch / (peak * 1000 * speed * chips)
    talk_s = 0.0004 * math.log2(chips) * (1 + batch / 64)
    step_s = max(work_s, read_s + cache_s, far_s) + talk_s
    cost = chips * (
        price * (0.55 + 0.45 * hbm_ratio) + 0.4 * pim_units + (0.2 + 0.6 * cxl_tb_per_s if cxl_share else 0)
    )
    return {"log_ms": math.log10(step_s * 1e3), "log_cost": math.log10(cost * step_s / batch * 1e3)}


QUEUE_SPACE = Space(
    (
        Parameter.integer("servers", 1, 16),
        Parameter.categorical("grade", "slow", "plain", "fast", "fastest"),
        Parameter.ordinal("batch", 1, 2, 4, 8),
        Parameter.float("clock_ratio", 0.6, 1.0, steps=5),
        Parameter.categorical("pooled", False, True),
    )
)
_GRADES = {"slow": (0.7, 0.55), "plain": (1.0, 1.0), "fast": (1.6, 1.9), "fastest": (2.2, 3.1)}
REQUESTS = 400


@dataclass(frozen=True)
class QueueEvaluator:
    """Log of the 90th percentile of sojourn time, and cost per hour, of c servers that serve batches.

    Poisson arrivals (rate 2 per second), exponential work; batching b multiplies the service time by b**0.6 and the
    rate by b. Pooled servers share one queue (Kiefer and Wolfowitz 1955), others are dealt to in turn. Level 0 is
    Kingman's formula (exact, noiseless, a tenth of the price), level 1 a simulation of 400 requests.
    """

    costs: tuple[float, ...] = (0.1, 1.0)
    outputs: tuple[str, ...] = ("log_p90_s", "log_usd_per_hour", "load_ratio")
    noisy: bool = True

    def fingerprint(self) -> str:
        return f"synthetic queue 1, {REQUESTS} requests"

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs:
        servers = np.array([p["servers"] for p in points], float)
        grade = np.array([_GRADES[p["grade"]] for p in points])
        batch, clock = (np.array([p[n] for p in points], float) for n in ("batch", "clock_ratio"))
        pooled = np.array([p["pooled"] for p in points], bool)
        service_s = batch**0.6 / (grade[:, 0] * clock) / batch  # per request, when batches are full
        load = 2.0 * service_s / servers
        usd = servers * (grade[:, 1] * (0.4 + 0.6 * clock**2) + np.where(pooled, 0.1, 0.0)) + 0.02
        wait_s = (batch - 1) / 4.0 + batch * service_s
        if level == 0:
            sojourn_s = wait_s + _kingman(load, service_s, servers, pooled)
        else:
            sojourn_s = wait_s + _simulated(service_s, servers, pooled, seeds)
        over = np.maximum(load / 0.98 - 1, 0.0)
        return {
            "log_p90_s": np.log10(sojourn_s),
            "log_usd_per_hour": np.log10(usd),
            "load_ratio": load,
            "violation": over,
        }


def _kingman(load: Array, service_s: Array, servers: Array, pooled: Array) -> Array:
    """Mean wait of M/M/c after Sakasegawa (1977), times ln 10 for a 90th percentile of an exponential tail."""
    rho = np.minimum(load, 0.98)
    power = np.where(pooled, np.sqrt(2 * (servers + 1)) - 1, 1.0)
    lanes = np.where(pooled, servers, 1.0)
    return np.asarray(math.log(10) * (rho**power / (1 - rho) / lanes + 0.3) * service_s)


def _simulated(service_s: Array, servers: Array, pooled: Array, seeds: Sequence[int]) -> Array:
    """90th percentile of wait and service over the requests, one seed per row."""
    draws = np.stack([np.random.default_rng(seed).exponential(size=(2, REQUESTS)) for seed in seeds])
    arrivals = np.cumsum(draws[:, 0] / 2.0, axis=1)
    work = draws[:, 1] * service_s[:, None]
    most, rows = int(servers.max()), np.arange(len(service_s))
    free = np.where(np.arange(most) < servers[:, None], 0.0, np.inf)
    out = np.empty_like(work)
    for k in range(REQUESTS):
        pick = np.where(pooled, free.argmin(axis=1), k % servers.astype(int))
        done = np.maximum(free[rows, pick], arrivals[:, k]) + work[:, k]
        free[rows, pick] = done
        out[:, k] = done - arrivals[:, k]
    return np.asarray(np.quantile(out, 0.9, axis=1))


def tiered_problem() -> Problem:
    """The conditional mixed space; reference above everything reasonable."""
    objectives = (Objective("log_ms"), Objective("log_cost"))
    evaluator = FunctionEvaluator(tiered, ("log_ms", "log_cost"))
    return Problem(TIERED_SPACE, objectives, evaluator, reference=(2.0, 2.5), name="tiered")


def queue_problem() -> Problem:
    """The noisy space."""
    objectives = (Objective("log_p90_s"), Objective("log_usd_per_hour"))
    return Problem(QUEUE_SPACE, objectives, QueueEvaluator(), reference=(1.0, 1.7), name="queue")
