"""Experts kept near the chip: how often a token finds the ones it asks for, by rule of the cache.

Routing is drawn, not measured: expert e of a layer has popularity 1 / (e + 1) ** skew (Zipf), and each of a token's
choices is with probability `repeat` one of the previous token's. Wrong for a model whose routing is known: give its
hit share itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, suggest

RULES = ("static", "lru", "lfu", "score")
DECAY_RATIO = 0.8
"""of the running mean of a router's scores that `score` ranks by"""


@dataclass(frozen=True)
class Routing:
    """One layer's choices."""

    experts: int
    chosen: int
    """different experts of one token"""
    tokens: int
    skew_ratio: float = 0.0
    """exponent of Zipf's law; 0: all alike"""
    repeat_ratio: float = 0.0
    seed: int = 1


@lru_cache(maxsize=16)
def choices(routing: Routing) -> NDArray[np.int64]:
    """[tokens, chosen] experts, different in a row. Raises InputError."""
    if routing.chosen > routing.experts:
        raise InputError(f"{routing.chosen} of {routing.experts} experts cannot be chosen", key="chosen")
    random = np.random.default_rng(routing.seed)
    weight = -routing.skew_ratio * np.log(np.arange(1, routing.experts + 1))
    rows = np.zeros((routing.tokens, routing.chosen), np.int64)
    for token in range(routing.tokens):
        # the largest of log(weight) + Gumbel noise: draws without replacement
        keys = weight + random.gumbel(size=routing.experts)
        if token:
            keys[rows[token - 1][random.random(routing.chosen) < routing.repeat_ratio]] = np.inf
        rows[token] = np.argsort(-keys, kind="stable")[: routing.chosen]
    return rows


DRAWN_TOKENS = 2000


@lru_cache(maxsize=64)
def missed_ratio(
    experts: int, chosen: int, away_ratio: float, rule: str, skew_ratio: float, repeat_ratio: float
) -> float:
    """Of the experts that tokens ask for, what must be fetched where `away_ratio` of a layer's lives elsewhere.

    Between the two whole numbers of slots next to (1 - away_ratio) x experts. Choices that fall alike on all need no
    draw: `away_ratio` itself.
    """
    if skew_ratio == 0.0 and repeat_ratio == 0.0:
        return away_ratio
    routing = Routing(experts, chosen, DRAWN_TOKENS, skew_ratio, repeat_ratio)
    slots = (1.0 - away_ratio) * experts
    low = int(slots)
    below, above = (1.0 - hit_ratio(routing, min(n, experts), rule) for n in (low, low + 1))
    return below + (slots - low) * (above - below)


@lru_cache(maxsize=256)
def hit_ratio(routing: Routing, slots: int, rule: str) -> float:
    """Choices that were found in a cache of `slots` experts, over all.

    `static`: the most popular stay; `lru`, `lfu`: the least recently or least often used goes; `score`: the one with
    the lowest running mean of choices goes. The first tenth of the tokens warms the cache up. Raises InputError.
    """
    if rule not in RULES:
        raise InputError(f"unknown rule {rule!r}", key="rule", fix=suggest(rule, RULES))
    held = np.arange(routing.experts) < slots
    rank, found, asked = np.zeros(routing.experts), 0, 0
    for token, row in enumerate(choices(routing)):
        missed = row[~held[row]]
        if token >= routing.tokens // 10:
            found, asked = found + len(row) - len(missed), asked + len(row)
        _ranked(rank, row, token, rule)
        if rule != "static" and slots > 0:
            for expert in row.tolist():
                if not held[expert]:
                    held[np.argmin(np.where(held, rank, np.inf))] = False
                    held[expert] = True
    return float(found / max(asked, 1))


def _ranked(rank: NDArray[np.float64], row: NDArray[np.int64], token: int, rule: str) -> None:
    """Raise what was just used; what is lowest goes first."""
    if rule == "lru":
        rank[row] = token + 1.0
    elif rule == "lfu":
        rank[row] += 1.0
    elif rule == "score":
        rank *= DECAY_RATIO
        rank[row] += 1.0 - DECAY_RATIO
