"""How much a service can take: searches on the rate, the number of replicas or the pools of a fleet, by simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simcore.engine.metrics import describe, itl, meets, request_metrics
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
    tried: tuple[tuple[float, float, bool], ...] = ()
    """every run: (ratio of the rate, replicas or chips; attainment; whether it was good)"""


def attained(run: ServingRun, slos: tuple[Slo, ...]) -> float:
    """Share of all requests that meet their SLO."""
    return float(meets(run, slos).mean())


@dataclass(frozen=True)
class Criterion:
    """When a run is good: a share of requests meets its SLO, and optional bounds on quantiles of the whole run."""

    slos: tuple[Slo, ...] = ()
    share: float = 0.9
    itl_p99_s: float = float("inf")
    queue_p50_s: float = float("inf")

    def __call__(self, run: ServingRun) -> tuple[bool, float]:
        """(good, attainment)."""
        value = attained(run, self.slos) if self.slos else 1.0
        good = value >= self.share
        if good and self.itl_p99_s < float("inf"):
            good = itl(run)["p99"] <= self.itl_p99_s
        if good and self.queue_p50_s < float("inf"):
            good = describe(request_metrics(run)["queue_s"])["p50"] <= self.queue_p50_s
        return good, value


LEAST_RATIO = 2.0**-12
"""of the scenario's own rate: what misses its bounds even so misses them at any rate, alone on the fleet"""


def highest_rate(run: Run, criterion: Criterion, tolerance: float = 0.01) -> Found:
    """The largest rate ratio at which the criterion holds.

    Doubles (or halves) from 1 until it brackets the answer, then bisects to a relative width of `tolerance`.
    Attainment is taken to fall with the rate, which holds up to noise; the rate returned was itself simulated.
    """
    low, high = 0.0, 1.0
    tried: list[tuple[float, float, bool]] = []

    def good(ratio: float) -> bool:
        fine, value = criterion(run(rate_ratio=ratio))
        tried.append((ratio, value, fine))
        return fine

    if good(1.0):
        low, high = 1.0, 2.0
        while high < 2**20 and good(high):
            low, high = high, 2.0 * high
    else:
        high, low = 1.0, 0.5
        while low > LEAST_RATIO and not good(low):
            high, low = low, low / 2.0
        if low <= LEAST_RATIO:
            return Found(0.0, 0.0, len(tried), tuple(tried))
    while (high - low) / high > tolerance:
        middle = (low + high) / 2.0
        low, high = (middle, high) if good(middle) else (low, middle)
    best = next((value for _, value, fine in reversed(tried) if fine), 0.0)
    return Found(low, best, len(tried), tuple(tried))


def fewest_replicas(run: Run, criterion: Criterion, most: int = 1024) -> Found:
    """The smallest number of replicas that meets the criterion at the scenario's own rate."""
    low, high = 0, 1
    seen: dict[int, float] = {}
    tried: list[tuple[float, float, bool]] = []

    def good(count: int) -> bool:
        fine, seen[count] = criterion(run(replicas=count))
        tried.append((float(count), seen[count], fine))
        return fine

    while not good(high):
        if high >= most:
            return Found(0.0, seen[high], len(tried), tuple(tried))
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return Found(float(high), seen[high], len(tried), tuple(tried))


def fewest_chips(
    run: Run, criterion: Criterion, chips: tuple[int, ...], most: int = 64
) -> tuple[Found, tuple[int, ...]]:
    """(chips and attainment, counts) of the cheapest fleet that meets the criterion; counts empty if `most` each fail.

    `run(pools=counts)` serves with so many replicas of each pool, `chips` of one each. A further replica is taken
    never to hurt, which holds up to noise. For one or two pools the answer is then the fewest chips; of more pools, one
    after another is made as small as the others allow, dearest first, which may miss a cheaper mix.
    """
    tried: dict[tuple[int, ...], tuple[bool, float]] = {}

    def good(counts: tuple[int, ...]) -> bool:
        if counts not in tried:
            tried[counts] = criterion(run(pools=counts))
        return tried[counts][0]

    size = 1
    while not good((size,) * len(chips)):
        if size >= most:
            return Found(0.0, tried[(size,) * len(chips)][1], len(tried), _costs(tried, chips)), ()
        size = min(2 * size, most)
    best = _shrunk((size,) * len(chips), chips, good)
    if len(chips) == 2:
        best = _staircase(best, chips, most, good)
    return Found(float(_cost(best, chips)), tried[best][1], len(tried), _costs(tried, chips)), best


def _costs(
    tried: dict[tuple[int, ...], tuple[bool, float]], chips: tuple[int, ...]
) -> tuple[tuple[float, float, bool], ...]:
    return tuple((float(_cost(counts, chips)), value, fine) for counts, (fine, value) in tried.items())


def _cost(counts: tuple[int, ...], chips: tuple[int, ...]) -> int:
    return sum(count * each for count, each in zip(counts, chips, strict=True))


def _shrunk(
    counts: tuple[int, ...], chips: tuple[int, ...], good: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """Each pool bisected down to what it needs, the dearest replicas first."""
    for place in sorted(range(len(chips)), key=lambda k: -chips[k]):
        low, high = 0, counts[place]
        while high - low > 1:
            middle = (low + high) // 2
            one = (*counts[:place], middle, *counts[place + 1 :])
            low, high = (low, middle) if good(one) else (middle, high)
        counts = (*counts[:place], high, *counts[place + 1 :])
    return counts


def _staircase(
    start: tuple[int, ...], chips: tuple[int, ...], most: int, good: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """Walk along the edge between good and bad pairs in both directions from a good pair, as long as it can pay."""
    best = start
    for grows, shrinks in ((0, 1), (1, 0)):
        now = list(start)
        while now[shrinks] > 1 and now[grows] <= most:
            trial = list(now)
            trial[shrinks] -= 1
            if _least(trial, grows, shrinks, chips) >= _cost(best, chips):
                break
            if good(tuple(trial)):
                now = trial
                best = min(best, (now[0], now[1]), key=lambda pair: _cost(pair, chips))
            elif now[grows] < most:
                now[grows] += 1
            else:
                break
    return best


def _least(trial: list[int], grows: int, shrinks: int, chips: tuple[int, ...]) -> int:
    """Fewest chips that any pair further along the edge could have."""
    return trial[grows] * chips[grows] + chips[shrinks]
