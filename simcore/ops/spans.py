"""How much context causal attention sees: everything, a sliding window, an aligned chunk or the best k tokens."""

from __future__ import annotations

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.ops.op import Column


@dataclass(frozen=True)
class Span:
    """Tokens that one query may see. At most one of the two is set; neither: all before it."""

    window_tokens: float | None = None
    """the last so many (or, for a sparse indexer, the best so many)"""
    chunk_tokens: float | None = None
    """those of its own aligned chunk"""

    def decode_tokens(self, context: Column) -> Column:
        """Mean tokens seen by one new token behind `context` others.

        In chunks the mean over positions is half a chunk; min(context, half) is exact for a batch whose positions are
        spread, and up to 2 x low for sequences that all stand between half a chunk and a whole one.
        """
        if self.window_tokens is not None:
            return np.minimum(context, self.window_tokens)
        return context if self.chunk_tokens is None else np.minimum(context, 0.5 * self.chunk_tokens)

    def prefill_pairs(self, new: Column, past: Column) -> Column:
        """Query-key pairs of `new` tokens behind `past` ones: the sum over positions p of min(p, window), p or p mod C.

        >>> round(Span().prefill_pairs(4.0, 2.0)), round(Span(window_tokens=2.0).prefill_pairs(4.0, 0.0))
        (16, 6)
        >>> round(Span(chunk_tokens=4.0).prefill_pairs(8.0, 0.0))
        16
        """
        if self.window_tokens is not None:
            growing = np.clip(self.window_tokens - past, 0.0, new)
            return growing * (past + 0.5 * growing) + (new - growing) * self.window_tokens
        if self.chunk_tokens is not None:
            return self._chunked(past + new) - self._chunked(past)
        return new * past + 0.5 * new * new

    def _chunked(self, position: Column) -> Column:
        chunk = float(self.chunk_tokens or 1.0)
        whole = np.floor(position / chunk)
        rest = position - whole * chunk
        return 0.5 * (whole * chunk * chunk + rest * rest)

    def prefill_reads(self, new: Column, past: Column) -> Column:
        """Tokens whose keys and values are read at least once."""
        if self.window_tokens is not None:
            return new + np.minimum(past, self.window_tokens)
        if self.chunk_tokens is not None:
            return new + np.mod(past, self.chunk_tokens)
        return new + past
