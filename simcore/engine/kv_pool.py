"""The KV pool of a replica in the blocks of the event engine, from its footprint."""

from __future__ import annotations

from typing import Any

import numpy as np

from simcore.cost.memory import Footprint
from simcore.engine.settings import UNLIMITED
from simcore.kept.lazy import dataclass
from simcore.result import DoesNotFit


@dataclass(frozen=True)
class KvPool:
    """The KV of one replica (of one rank of it), in pages; see `simcore.cost.cache_pages`."""

    blocks: int
    page_bytes: float = 0.0
    """on one chip; 0: unknown"""
    state_blocks: int = 0
    block_pages: int = 1
    kept_pages: int | None = None
    window_tokens: int = 0
    block_tokens: int = 16
    kv_tokens: int | None = None
    """as a server reports it"""
    need_bytes: float | None = None
    have_bytes: float | None = None
    tier: str = "hbm"
    """that is too small where nothing fits"""
    problem: str | None = None
    """why nothing fits"""

    @property
    def shared_bytes(self) -> float:
        """Of one block of tokens in a prefix cache, on one chip."""
        kept = self.block_pages if self.kept_pages is None else self.kept_pages
        return self.page_bytes * (kept or self.block_pages)

    @property
    def bytes_per_token(self) -> float:
        """KV of one token within the window, on one chip; recurrent state aside."""
        return self.page_bytes * self.block_pages / self.block_tokens

    def of(self, tokens: int) -> int:
        """Blocks of one sequence of so many tokens."""
        blocks = -(-tokens // self.block_tokens)
        if not self.window_tokens or self.kept_pages is None:
            return self.state_blocks + self.block_pages * blocks
        capped = min(blocks, -(-self.window_tokens // self.block_tokens))
        return self.state_blocks + self.kept_pages * blocks + (self.block_pages - self.kept_pages) * capped

    def max_concurrency(self, context_tokens: int) -> int | None:
        """Sequences of this length that fit at once."""
        return self.blocks // self.of(context_tokens) if self.page_bytes else None

    def settings(self, parts: int = 1) -> dict[str, Any]:
        """Fields of `ReplicaSettings`, the pool in so many equal parts."""
        return {
            "kv_blocks": max(self.blocks // parts, 1),
            "window_tokens": self.window_tokens,
            "state_blocks": self.state_blocks,
            "block_pages": self.block_pages,
            "kept_pages": self.kept_pages,
        }


def without_room(tier: str, need_bytes: float, have_bytes: float) -> KvPool:
    """The pool of a replica whose weights do not fit the tier that they live in."""
    why = str(DoesNotFit(tier, need_bytes, have_bytes))
    return KvPool(0, need_bytes=need_bytes, have_bytes=have_bytes, tier=tier, problem=why)


def pool_of(found: Footprint, tier: str) -> KvPool:
    """The pool of a footprint of one plan."""
    pages, need = found.pages, float(np.max(found.resident_bytes)) + float(np.max(found.pages.block_bytes))
    have, blocks = float(np.max(found.have_bytes)), int(np.max(found.pool_pages))
    problem = None
    if blocks < int(np.max(pages.state_pages + pages.block_pages)):
        problem = str(DoesNotFit(tier, need, have))
    return KvPool(
        blocks=min(blocks, UNLIMITED),
        page_bytes=float(np.max(pages.page_bytes)),
        state_blocks=int(np.max(pages.state_pages)),
        block_pages=int(np.max(pages.block_pages)),
        kept_pages=int(np.max(pages.kept_pages)),
        window_tokens=pages.span_tokens,
        block_tokens=pages.block_tokens,
        kv_tokens=int(np.max(found.kv_tokens)),
        need_bytes=need,
        have_bytes=have,
        problem=problem,
    )
