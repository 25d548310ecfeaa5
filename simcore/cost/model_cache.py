"""How often a model that is asked for is not in the main tier: requests one by one, drawn by the models' shares."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

DRAWN_REQUESTS = 20_000
SEED = 11


@lru_cache(maxsize=64)
def fetched_ratios(
    shares: tuple[float, ...], weight_bytes: tuple[float, ...], capacity_bytes: float, rule: str
) -> tuple[float, ...]:
    """Share of each model's own requests that wait for its weights, after as many requests have filled the tier.

    The model that makes room is the last in the file (`static`), the one unused for longest (`lru`) or the one used
    least often (`lfu`). Wrong where requests come in runs of one model, or where several run at once.

    >>> fetched_ratios((0.5, 0.5), (1.0, 1.0), 2.0, "lru")
    (0.0, 0.0)
    """
    draws = np.random.default_rng(SEED).choice(len(shares), DRAWN_REQUESTS, p=np.array(shares))
    resident: set[int] = set()
    used_at, uses = [0] * len(shares), [0] * len(shares)
    asked, missed = [0] * len(shares), [0] * len(shares)
    for number, model in enumerate(draws.tolist()):
        is_late = number >= DRAWN_REQUESTS // 2
        asked[model] += is_late
        if model not in resident:
            missed[model] += is_late
            held = sum(weight_bytes[at] for at in resident)
            while resident and held + weight_bytes[model] > capacity_bytes * (1.0 + 1e-12):
                leaving = _leaving(resident, rule, used_at, uses)
                resident.remove(leaving)
                held -= weight_bytes[leaving]
            resident.add(model)
        used_at[model], uses[model] = number, uses[model] + 1
    return tuple(miss / max(1, count) for miss, count in zip(missed, asked, strict=True))


def _leaving(resident: set[int], rule: str, used_at: list[int], uses: list[int]) -> int:
    if rule == "static":
        return max(resident)
    if rule == "lfu":
        return min(resident, key=lambda at: (uses[at], used_at[at]))
    return min(resident, key=lambda at: used_at[at])
