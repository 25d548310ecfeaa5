"""What a sequence's cache takes of a paged pool: growing layers, layers with a span, and recurrent state.

A sequence of n tokens in blocks of B holds, in pages of equal size,

    pages(n) = state + kept ceil(n / B) + (block - kept) ceil(min(n, span) / B)

Plain attention has block = 1, kept = 1, state = 0: a page is a block. Windowed and chunked layers keep at most their
span; recurrent layers keep a state per sequence, however long it is. Wrong where a model has several different spans:
all of its capped layers are then held to the longest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.kept.lazy import dataclass
from simcore.ops.layer_formats import plan_of_mixer
from simcore.ops.op import Column, PlanColumns
from simcore.spec.model import ModelSpec


@dataclass(frozen=True)
class CachePages:
    """Cost of a sequence, [plans]; `span_tokens` 0: no layer is capped."""

    page_bytes: Column
    state_pages: Column
    block_pages: Column
    """of a block of tokens within the span"""
    kept_pages: Column
    """of a block beyond the span; with span 0 equal to `block_pages`"""
    span_tokens: int
    block_tokens: int

    @property
    def block_bytes(self) -> Column:
        """Of a block of tokens within the span."""
        return self.page_bytes * self.block_pages

    def of(self, tokens: Column) -> Column:
        """Pages of one sequence of so many tokens.

        >>> pages = CachePages(1.0, state_pages=3.0, block_pages=4.0, kept_pages=1.0, span_tokens=32, block_tokens=16)
        >>> [int(pages.of(n)) for n in (0, 16, 17, 32, 160)]
        [3, 7, 11, 11, 19]
        """
        blocks = np.ceil(np.asarray(tokens) / self.block_tokens)
        capped = np.ceil(np.minimum(tokens, self.span_tokens) / self.block_tokens) if self.span_tokens else blocks
        return self.state_pages + self.kept_pages * blocks + (self.block_pages - self.kept_pages) * capped


def cache_pages(model: ModelSpec, plan: PlanColumns, block_tokens: int = 16) -> CachePages:
    """Pages of a model's cache on one chip of the fullest stage, [plans].

    A page is the greatest common measure of what a block takes in growing and in capped layers; a model without any
    takes its state as the page.
    """
    growing: Column = 0.0
    capped: Column = 0.0
    state: Column = 0.0
    span = 0
    for group in model.layers:
        mixer = group.mixer
        if mixer is None:
            continue
        if mixer.kv_elements_per_token:
            split = np.minimum(plan.tp, mixer.cache_pieces)
            elements = group.count * mixer.kv_elements_per_token * plan.tp / split
            if group.formats is not None:
                elements = elements * plan_of_mixer(plan, group).kv_bytes / plan.kv_bytes
            if mixer.kept_tokens is None:
                growing = growing + elements
            else:
                capped, span = capped + elements, max(span, mixer.kept_tokens)
        held = mixer.state_elements * 4.0 + mixer.conv_elements * plan.activation_bytes
        state = state + group.count * held / plan.tp
    kept_units, capped_units = _whole(growing), _whole(capped)
    common = np.gcd(kept_units, capped_units)
    share = np.ceil(model.layer_count / plan.pp) / model.layer_count
    unit_bytes = block_tokens * plan.kv_bytes / plan.cp / plan.tp * share
    state_bytes = state * share
    page_bytes = np.where(common > 0, common * unit_bytes, np.where(state_bytes > 0, state_bytes, 1.0))
    parts = np.maximum(common, 1)
    return CachePages(
        page_bytes=page_bytes,
        state_pages=np.where(common > 0, np.ceil(state_bytes / page_bytes * (1.0 - 1e-12)), 1.0),
        block_pages=(kept_units + capped_units) / parts,
        kept_pages=kept_units / parts,
        span_tokens=span,
        block_tokens=block_tokens,
    )


def _whole(elements: Column) -> NDArray[np.int64]:
    return np.asarray(np.rint(elements), np.int64)
