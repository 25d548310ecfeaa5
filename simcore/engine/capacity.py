"""How much a service can take: bisection on the rate or on the number of replicas, by simulated attainment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simcore.engine.metrics import meets
from simcore.engine.serving import ServingRun
from simcore.spec.traffic import Slo

Run = Callable[..., ServingRun]
"""(rate_ratio=, replicas=) -> a run"""


@dataclass(frozen=True)
class Found:
    """The answer, its attainment, and how many runs it took; value 0: no rate (or number of replicas) suffices."""

    value: float
    attainment_ratio: float
    runs: int


def attained(run: ServingRun, slos: tuple[Slo, ...]) -> float:
    """Share of all requests that meet their SLO."""
    return float(meets(run, slos).mean())


def highest_rate(run: Run, slos: tuple[Slo, ...], share: float, tolerance: float = 0.01) -> Found:
    """The largest rate ratio at which at least `share` of requests meet their SLO.

    Doubles (or halves) from 1 until it brackets the answer, then bisects to a relative width of `tolerance`.
    Attainment is taken to fall with the rate, which holds up to noise; the rate returned was itself simulated.
    """
    runs, low, high = 0, 0.0, 1.0
    best = 0.0

    def good(ratio: float) -> bool:
        nonlocal runs, best
        runs += 1
        value = attained(run(rate_ratio=ratio), slos)
        if value >= share:
            best = value
        return value >= share

    if good(1.0):
        low, high = 1.0, 2.0
        while high < 2**20 and good(high):
            low, high = high, 2.0 * high
    else:
        high, low = 1.0, 0.5
        while low > 2**-20 and not good(low):
            high, low = low, low / 2.0
        if low <= 2**-20:
            return Found(0.0, 0.0, runs)
    while (high - low) / high > tolerance:
        middle = (low + high) / 2.0
        low, high = (middle, high) if good(middle) else (low, middle)
    return Found(low, best, runs)


def fewest_replicas(run: Run, slos: tuple[Slo, ...], share: float, most: int = 1024) -> Found:
    """The smallest number of replicas that meets the SLO at the scenario's own rate."""
    runs, low, high = 0, 0, 1
    seen: dict[int, float] = {}

    def good(count: int) -> bool:
        nonlocal runs
        runs += 1
        seen[count] = attained(run(replicas=count), slos)
        return seen[count] >= share

    while not good(high):
        if high >= most:
            return Found(0.0, seen[high], runs)
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return Found(float(high), seen[high], runs)
