"""Routing traces: loads and transitions, readers, a held-out half, a generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planners.experts.problem import Floats
from simcore.errors import InputError
from simcore.spec.load import json_of, read_text

Trace = NDArray[np.int16]
"""experts chosen, [tokens, layers, k]"""


def read_trace(path: Path) -> Trace:
    """A trace from .npy, .parquet (columns token, layer, rank, expert) or .json; [tokens, layers] counts as k = 1.

    Raises InputError for a missing or corrupt file, a wrong shape, a negative expert.
    """
    if not path.exists():
        raise InputError("no such file", file=str(path), fix="give a .npy, .parquet or .json trace")
    try:
        found = _readers(path)
    except InputError:
        raise
    except Exception:
        raise InputError(f"is no {path.suffix.removeprefix('.')} file of whole numbers", file=str(path)) from None
    return checked(found, str(path))


def _readers(path: Path) -> NDArray[np.int64]:
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if path.suffix == ".json":
        return np.asarray(json_of(read_text(path)))
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        missing = {"token", "layer", "rank", "expert"} - set(table.column_names)
        if missing:
            raise InputError(
                f"has no column {min(missing)!r}", file=str(path), fix="columns: token, layer, rank, expert"
            )
        token, layer, rank, expert = (table[n].to_numpy() for n in ("token", "layer", "rank", "expert"))
        out = np.full((token.max() + 1, layer.max() + 1, rank.max() + 1), -1, np.int64)
        out[token, layer, rank] = expert
        return out
    raise InputError(f"unknown kind of file {path.suffix!r}", file=str(path), fix="give .npy, .parquet or .json")


def checked(trace: NDArray[np.int64], file: str = "trace") -> Trace:
    """The trace as int16 [tokens, layers, k]. Raises InputError for a wrong shape or content."""
    if trace.ndim == 2:
        trace = trace[:, :, None]
    if trace.ndim != 3 or 0 in trace.shape:
        raise InputError(f"has shape {list(trace.shape)}, not [tokens, layers, k]", file=file)
    if not np.issubdtype(trace.dtype, np.integer):
        raise InputError(f"holds {trace.dtype}, not whole numbers", file=file)
    if trace.min() < 0 or trace.max() >= 2**15:
        raise InputError(
            f"holds expert {int(trace.min() if trace.min() < 0 else trace.max())}",
            file=file,
            fix="experts are 0 to 32767",
        )
    if trace.shape[2] > 1 and np.any(np.diff(np.sort(trace[:64], axis=2), axis=2) == 0):
        raise InputError("a token chooses one expert twice in a layer", file=file)
    return trace.astype(np.int16)


def loads_of(trace: Trace, experts: int | None = None) -> Floats:
    """Tokens per expert, [layers, experts]."""
    count = experts or int(trace.max()) + 1
    return np.stack([np.bincount(trace[:, layer].ravel(), minlength=count) for layer in range(trace.shape[1])]).astype(
        float
    )


def transitions_of(trace: Trace, experts: int | None = None) -> Floats:
    """Token pairs between experts of consecutive layers, [layers - 1, experts, experts]: all choices of both."""
    from planners.experts.counting import count_pairs

    pairs: Floats = count_pairs(np.ascontiguousarray(trace.transpose(1, 0, 2)), experts or int(trace.max()) + 1)
    return pairs


def halves(trace: Trace, seed: int = 0) -> tuple[Trace, Trace]:
    """Tokens split at random: one half to plan on, one to judge by."""
    order = np.random.default_rng(seed).permutation(trace.shape[0])
    middle = trace.shape[0] // 2
    return trace[order[:middle]], trace[order[middle:]]


def generate(
    shape: tuple[int, int, int],
    tokens: int,
    *,
    skew: float = 0.8,
    affinity: float = 1.3,
    topics: int = 24,
    seed: int = 0,
) -> Trace:
    """A synthetic trace, [tokens, layers, k], for shape = (layers, experts, k).

    Router scores are a popularity shared by all tokens (standard deviation `skew`), an affinity of the token's topic
    (`affinity`, topics Zipf-distributed with exponent 0.7) and Gumbel noise; the k best win. `skew = affinity = 0` is
    uniform routing.
    """
    from planners.experts.counting import winners

    layers, experts, k = shape
    random = np.random.default_rng(seed)
    weight = 1.0 / np.arange(1, topics + 1) ** 0.7
    topic = random.choice(topics, size=tokens, p=weight / weight.sum())
    trace = np.empty((tokens, layers, k), np.int16)
    for layer in range(layers):
        score = skew * random.standard_normal(experts) + affinity * random.standard_normal((topics, experts))
        trace[:, layer] = winners(score, topic, random.random((tokens, experts)), k)
    return trace
