"""Tensors that live outside the main tier: how they pass through a step, and which tier has room for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.machine import Machine
from simcore.cost.memory import Footprint
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column


@dataclass(frozen=True)
class Stream:
    """What passes through the main tier once a step: seconds, and how it overlaps with the step's own work."""

    stream_s: Column
    """of all bytes"""
    first_s: Column
    """of those, what the first work waits for"""
    own_ratio: float
    """share of the own work that the last bytes are waited for by"""
    wait_s: float
    """latencies that nothing hides"""

    def and_then(self, other: Stream) -> Stream:
        """Both, one after the other in every layer: a layer waits for what is on demand, D of L layers, and the link
        brings what is ahead, A, while it computes, max(own + D + A / L, A + D + own / L). Between both on one link that
        serves demands first, and, up to D, high where they have links of their own."""
        stream_s, first_s = self.stream_s + other.stream_s, self.first_s + other.first_s
        return Stream(stream_s, first_s, min(self.own_ratio, other.own_ratio), max(self.wait_s, other.wait_s))

    def over(self, own_s: Column) -> Column:
        """Seconds of a step with this stream: max(own + first, stream + own x ratio) + wait."""
        return np.maximum(own_s + self.first_s, self.stream_s + own_s * self.own_ratio) + self.wait_s


def stream_of(stream_s: Column, layers: int, latency_s: float, fetch: str = "step") -> Stream:
    """A stream of equal layers from a slower tier.

    One layer ahead (`step`, `prefetch`, and any `window` beyond it): exactly max(L c + W / B, L W / B + c) for L layers
    of c seconds and W bytes, and the tier's latency once. On demand: every layer waits, L (c + W / B + latency).
    Wrong where layers differ much: then a wide one is waited for, which `simcore.engine.tasks` sees.
    """
    if fetch == "demand":
        return Stream(stream_s, stream_s, 1.0, latency_s * layers)
    return Stream(stream_s, stream_s / layers, 1.0 / layers, latency_s)


def elsewhere(machine: Machine) -> dict[str, Any]:
    """What of a `Home` is outside the main tier."""
    weights, experts, kv = machine.tiers
    return {
        "kv_tier_bytes": None if kv == "main" else machine.kv_tier_bytes,
        "weights_away_ratio": machine.weights_away_ratio,
        "experts_away_ratio": machine.experts_away_ratio,
        "experts_stay": machine.routing[0] == "host",
        "kv_passes": bool(np.isfinite(machine.kv_ahead_bytes_per_s)),
        "kv_beside_weights": kv in (weights, experts),
    }


def tiers_in_use(machine: Machine, found: Footprint) -> dict[str, tuple[Column, Column]]:
    """tier -> (bytes of weights and routed experts there, room), per chip; the main tier is apart."""
    experts = machine.experts_away_ratio * found.experts_bytes
    others = found.away_bytes - experts
    if machine.tiers[0] == machine.tiers[1]:
        others, experts = others + experts, 0.0 * experts
    rooms = (machine.weight_tier_bytes, machine.expert_tier_bytes)
    pairs = zip(machine.tiers[:2], (others, experts), rooms, strict=True)
    return {tier: (need, have) for tier, need, have in pairs if np.any(need)}
