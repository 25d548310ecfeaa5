"""What must be served, and how fast: traces of requests as arrays, and service-level objectives."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError
from simcore.kept.lazy import dataclass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_TOKENS = 2**31 - 1
"""of a request, input and output together: engines count tokens in 32 bits"""
MOST_BLOCKS = 50_000_000
"""of prefix, all requests of a trace together: their hashes stay below 3 GB while they are sorted"""
PER_REQUEST = ("session", "priority", "slo_class", "tenant", "turn", "pause_s")
"""optional columns of a trace"""


def block_starts(counts: Ints, source: str = "") -> Ints:
    """Where each request's prefix hashes begin, `[requests + 1]`, from how many it has. Raises InputError for more than
    `MOST_BLOCKS` in all."""
    if np.sum(counts, dtype=float) > MOST_BLOCKS:
        what = f"the prompts have more than {MOST_BLOCKS:,} blocks of prefix in all"
        raise InputError(what, file=source or None, fix="send fewer or shorter requests, or larger blocks")
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@dataclass(frozen=True)
class Slo:
    """Bounds that one request meets or misses; a missing bound is infinite."""

    ttft_s: float = np.inf
    tpot_s: float = np.inf
    e2e_s: float = np.inf


@dataclass(frozen=True)
class Trace:
    """Requests in order of arrival, one array entry each, all `[requests]`.

    `prefix_hashes` is flat: request i owns entries `prefix_start[i] : prefix_start[i + 1]`, each the hash of one
    block of `prefix_block_tokens` input tokens and everything before it, so equal hashes mean an equal prefix.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    session: Ints | None = None
    priority: Ints | None = None
    slo_class: Ints | None = None
    tenant: Ints | None = None
    prefix_hashes: Ints | None = None
    prefix_start: Ints | None = None
    prefix_block_tokens: int = 0
    slo_names: tuple[str, ...] = ("default",)
    """what the numbers in `slo_class` stand for"""
    skipped: int = 0
    """malformed rows that the reader left out on request"""
    source: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    turn: Ints | None = None
    """place of a request in its session; equal turns are sent together"""
    pause_s: Floats | None = None
    """time between the answers of the session's last turn and this request, for runs whose sessions wait"""

    def __post_init__(self) -> None:
        count = len(self.arrival_s)
        for name in ("input_tokens", "output_tokens", *PER_REQUEST):
            array = getattr(self, name)
            if array is not None and len(array) != count:
                raise InputError(f"has {len(array)} entries, arrival_s has {count}", key=name)
        if count and (np.min(self.input_tokens) < 1 or np.min(self.output_tokens) < 1):
            raise InputError("a request needs at least one input and one output token", file=self.source or None)
        if count and np.max(np.add(self.input_tokens, self.output_tokens, dtype=float)) > MOST_TOKENS:
            what = f"a request has more than {MOST_TOKENS} tokens, input and output together"
            raise InputError(what, file=self.source or None, fix="make it shorter")
        if not np.isfinite(self.arrival_s).all():
            raise InputError("an arrival is not a finite time", file=self.source or None)
        if self.pause_s is not None and not (np.isfinite(self.pause_s) & (self.pause_s >= 0)).all():
            raise InputError("a pause is no time", file=self.source or None)
        if count > 1 and np.any(np.diff(self.arrival_s) < 0):
            raise InputError("arrivals are not ascending", file=self.source or None, fix="use Trace.sorted(...)")

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def rate_requests_per_s(self) -> float:
        """Mean arrival rate over the span of the trace."""
        if len(self) < 2 or self.arrival_s[-1] <= self.arrival_s[0]:
            return 0.0
        return float((len(self) - 1) / (self.arrival_s[-1] - self.arrival_s[0]))

    @staticmethod
    def sorted(arrival_s: Floats, input_tokens: Ints, output_tokens: Ints, **more: Any) -> Trace:
        """A trace from arrays in any order (equal arrivals keep theirs); `more` as the fields, hashes excepted."""
        order = np.argsort(arrival_s, kind="stable")
        per_request: dict[str, Any] = {
            name: (value[order] if isinstance(value, np.ndarray) else value) for name, value in more.items()
        }
        return Trace(
            np.asarray(arrival_s, dtype=float)[order],
            np.asarray(input_tokens, dtype=np.int64)[order],
            np.asarray(output_tokens, dtype=np.int64)[order],
            **per_request,
        )

    def head(self, count: int) -> Trace:
        """The first `count` requests."""
        return self._rows(slice(0, count))

    def between(self, start_s: float, end_s: float) -> Trace:
        """Requests that arrive in [start_s, end_s), with arrivals counted from `start_s`."""
        low, high = np.searchsorted(self.arrival_s, [start_s, end_s])
        cut = self._rows(slice(int(low), int(high)))
        return replace(cut, arrival_s=cut.arrival_s - start_s)

    def scaled(self, rate_ratio: float = 1.0, input_ratio: float = 1.0, output_ratio: float = 1.0) -> Trace:
        """Faster arrivals and longer or shorter requests; prefix hashes are dropped when inputs change."""
        longer = {
            "input_tokens": _stretched(self.input_tokens, input_ratio),
            "output_tokens": _stretched(self.output_tokens, output_ratio),
        }
        changes: dict[str, Any] = {"arrival_s": self.arrival_s / rate_ratio, **longer}
        if input_ratio != 1.0:
            changes |= {"prefix_hashes": None, "prefix_start": None, "prefix_block_tokens": 0}
        return replace(self, **changes)

    def tiled(self, count: int) -> Trace:
        """Repeat the trace up to `count` requests; its period is the last arrival plus the mean gap."""
        size = len(self)
        repeats = -(-count // size)
        period_s = float(self.arrival_s[-1]) + float(self.arrival_s[-1] - self.arrival_s[0]) / max(1, size - 1)
        shift_s = np.repeat(np.arange(repeats) * period_s, size)
        arrays = {"arrival_s": np.tile(self.arrival_s, repeats) + shift_s}
        for name in ("input_tokens", "output_tokens", *PER_REQUEST):
            if getattr(self, name) is not None:
                arrays[name] = np.tile(getattr(self, name), repeats)
        arrays = {name: array[:count] for name, array in arrays.items()}
        return replace(self, prefix_hashes=None, prefix_start=None, prefix_block_tokens=0, **arrays)  # type: ignore[arg-type]

    def _rows(self, rows: slice) -> Trace:
        changes: dict[str, Any] = {}
        for name in ("arrival_s", "input_tokens", "output_tokens", *PER_REQUEST):
            if getattr(self, name) is not None:
                changes[name] = getattr(self, name)[rows]
        if self.prefix_start is not None and self.prefix_hashes is not None:
            first, last, _ = rows.indices(len(self))
            start = self.prefix_start[first : last + 1]
            changes["prefix_hashes"] = self.prefix_hashes[int(start[0]) : int(start[-1])]
            changes["prefix_start"] = start - start[0]
        return replace(self, **changes)


def _stretched(tokens: Ints, ratio: float) -> Ints:
    """Lengths times a ratio, at least one token; lengths beyond 32 bits stay beyond, for the trace to refuse."""
    return np.asarray(np.clip(np.rint(tokens * ratio), 1, 2.0 * MOST_TOKENS), np.int64)
