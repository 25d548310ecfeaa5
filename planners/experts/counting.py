"""Counting token pairs, compiled with numba."""

from __future__ import annotations

import numpy as np

from simcore.cost.jit import njit_with_memory as njit


@njit(cache=True, nogil=True)
def count_pairs(trace: np.ndarray, experts: int) -> np.ndarray:
    """[layers - 1, experts, experts] pair counts of a trace laid out as [layers, tokens, k]."""
    layers, tokens, k = trace.shape
    out = np.zeros((layers - 1, experts, experts))
    for layer in range(layers - 1):
        for token in range(tokens):
            for a in range(k):
                first = trace[layer, token, a]
                for b in range(k):
                    out[layer, first, trace[layer + 1, token, b]] += 1.0
    return out


@njit(cache=True, nogil=True)
def winners(score: np.ndarray, topic: np.ndarray, uniform: np.ndarray, k: int) -> np.ndarray:
    """The k experts of each token with the highest score + Gumbel noise, best first, [tokens, k] int16.

    score [topics, experts], topic [tokens], uniform [tokens, experts] in [0, 1): the noise is -log(-log(1 - u)), as
    numpy draws it. As -log(1 - u) >= u, an expert with u above exp(score - worst kept) cannot win, and few logarithms
    are taken.
    """
    topics, experts = score.shape
    order = np.empty((topics, experts), np.int64)
    strength = np.empty((topics, experts))
    for t in range(topics):
        order[t] = np.argsort(-score[t])
        strength[t] = np.exp(score[t] - score[t].max())
    out = np.empty((len(topic), k), np.int16)
    kept = np.empty(k)
    for token in range(len(topic)):
        t = topic[token]
        top, count, least = score[t].max(), 0, -np.inf
        limit = np.inf
        for e in order[t]:
            u = uniform[token, e]
            if u > limit * strength[t, e]:
                continue
            value = score[t, e] + (0.0 - np.log(-np.log(1.0 - u)))
            if count == k and value <= least:
                continue
            place = count if count < k else k - 1
            while place > 0 and kept[place - 1] < value:
                kept[place], out[token, place] = kept[place - 1], out[token, place - 1]
                place -= 1
            kept[place], out[token, place] = value, e
            count = min(count + 1, k)
            if count == k:
                least = kept[k - 1]
                limit = np.exp(top - least) * (1.0 + 1e-9)
    return out


@njit(cache=True, nogil=True)
def knapsacks(worth: np.ndarray, weight: np.ndarray, most: np.ndarray, caps: np.ndarray) -> np.ndarray:
    """Sum over rows of min(most, fractional knapsack of capacity cap), [caps], for ascending caps.

    worth and weight [rows, items] hold each row's items by falling worth per weight; most [rows].
    """
    out = np.zeros(len(caps))
    for row in range(len(worth)):
        item, held, room = 0, 0.0, 0.0
        for c in range(len(caps)):
            while item < worth.shape[1] and room + weight[row, item] <= caps[c]:
                held += worth[row, item]
                room += weight[row, item]
                item += 1
            part = 0.0
            if item < worth.shape[1]:
                part = worth[row, item] * (caps[c] - room) / weight[row, item]
            out[c] += min(most[row], held + part)
    return out
