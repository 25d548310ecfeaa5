"""How a replica is run: the scheduler and its limits, as a frozen value that fills the replica record."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.policy.cache import evictions
from simcore.policy.offload import Tier, offloads
from simcore.policy.program import rank_program
from simcore.policy.records import MAX_BLOCK_TOKENS, MAX_RUNNING, MAX_TIERS
from simcore.policy.scheduler import options_of, rank_of, takes_whole_prompts

UNLIMITED = 2**31 - 1
SEED_STEP = 0xD1342543DE82EF95
"""odd: seeds of scenarios lie far apart"""
NO_COLUMN = ("scheduler", "options", "rank", "eviction", "tiers", "offload", "kept_pages", "start_s", "draft_seed")
"""settings that the replica record has no field of their name for"""


@dataclass(frozen=True)
class ReplicaSettings:
    """Scheduler, limits and KV of one replica. Token and block counts are per replica, times in seconds."""

    scheduler: str = "chunked"
    options: tuple[tuple[str, float], ...] = ()
    """of the scheduler, where they are not its defaults: (name, value)"""
    rank: str = ""
    """program by which `ranked` orders its queue"""
    kv_blocks: int = UNLIMITED
    block_tokens: int = 16
    watermark_blocks: int = 0
    max_running: int = 256
    token_budget: int = 8192
    prefill_budget: int = UNLIMITED
    chunk_tokens: int = UNLIMITED
    batch_wait_s: float = 0.0
    reserve_output: bool = False
    whole_prompt: bool = True
    check_prompt: bool = False
    spare_block: bool = False
    ahead: bool = False
    swap: bool = False
    swap_s_per_block: float = 0.0
    hash_tokens: int = 0
    eviction: str = "lru"
    """a file of `simcore.policy.cache`"""
    radix: bool = False
    """a prefix is held once, whoever computed it (a radix tree); else a second copy stays with its request"""
    tiers: tuple[Tier, ...] = ()
    """below the KV, nearest first"""
    offload: str = "cascade"
    """a file of `simcore.policy.offload`"""
    window_tokens: int = 0
    """tokens that capped layers keep; 0: no layer is capped"""
    state_blocks: int = 0
    """KV blocks of a sequence's recurrent state"""
    block_pages: int = 1
    """KV blocks that `block_tokens` tokens take within the window"""
    kept_pages: int | None = None
    """and beyond it; None: none of them where there is a window, else all"""
    draft_tokens: int = 0
    draft_width: int = 1
    """candidates at each depth of the draft tree: the first goes on, another that is accepted ends the draft"""
    acceptance_ratio: float = 0.0
    draft_s: float = 0.0
    draft_seed: int = 0
    """of which drafts are accepted"""
    start_s: float = 0.0
    """when its first step may begin"""
    series_width_s: float = 1.0
    walk: bool = False
    """each decode step by itself, as long, with the same answer: to test runs of them against"""

    def __post_init__(self) -> None:
        if self.rank:
            rank_program(self.rank)
        if not 1 <= self.max_running <= MAX_RUNNING:
            raise InputError(f"max_running is {self.max_running}", key="max_running", fix=f"use 1 to {MAX_RUNNING}")
        if not 1 <= self.block_tokens <= MAX_BLOCK_TOKENS:
            raise InputError(
                f"block_tokens is {self.block_tokens}", key="block_tokens", fix=f"use 1 to {MAX_BLOCK_TOKENS}"
            )
        if self.hash_tokens % self.block_tokens:
            raise InputError(
                f"a prefix hash covers {self.hash_tokens} tokens, not a multiple of block_tokens {self.block_tokens}",
                key="hash_tokens",
            )
        if self.draft_tokens and not 0.0 <= self.acceptance_ratio < 1.0:
            raise InputError("acceptance_ratio must be in [0, 1)", key="acceptance_ratio")
        if self.tiers and (not self.hash_tokens or len(self.tiers) > MAX_TIERS):
            what = f"{len(self.tiers)} tiers" if self.hash_tokens else "tiers without a prefix cache"
            raise InputError(what, key="tiers", fix=f"use at most {MAX_TIERS}, and a prefix cache")
        if self.draft_width < 1:
            raise InputError(f"draft_width is {self.draft_width}", key="draft_width", fix="use 1 or more")

    @property
    def growing_pages(self) -> int:
        """`kept_pages`, given or not."""
        if self.kept_pages is None or not self.window_tokens:
            return 0 if self.window_tokens else self.block_pages
        return self.kept_pages

    def fill(self, replica: Any, step_times: int = 0, seed: int = 0) -> None:
        """Write the settings into a replica record."""
        for item in fields(self):
            if item.name not in NO_COLUMN:
                replica[item.name] = getattr(self, item.name)
        replica["whole_prompt"] = self.whole_prompt or takes_whole_prompts(self.scheduler)
        for name in ("now_s", "wake_s"):
            replica[name] = max(float(replica[name]), self.start_s)
        replica["kept_pages"] = self.growing_pages
        replica["shared_pages"] = self.growing_pages or self.block_pages
        for name in ("watermark_blocks", "spare_block"):
            replica[name] = int(getattr(self, name)) * max(self.block_pages, 1)
        replica["evict_by_hits"] = evictions(self.eviction)
        self._fill_tiers(replica)
        replica["ordered"] = rank_of(self.scheduler) is not None
        values = list(options_of(self.scheduler, dict(self.options)).values())
        replica["options"][: len(values)] = values
        replica["step_times"] = step_times
        replica["free_blocks"] = self.kv_blocks
        replica["seed"] = (self.draft_seed * SEED_STEP + seed) % 2**64

    def _fill_tiers(self, replica: Any) -> None:
        rule = offloads(self.offload)
        replica["tier_count"] = len(self.tiers)
        replica["offload_writes"], replica["offload_computed"] = rule.writes, rule.writes and rule.when_computed
        replica["offload_hits"], replica["offload_demotes"] = rule.least_hits, rule.demotes
        replica["offload_moves"] = rule.moves
        for place, tier in enumerate(self.tiers):
            replica["tier_hashes"][place], replica["tier_shared"][place] = tier.hashes, tier.shared
            replica["tier_read_s"][place], replica["tier_write_s"][place] = tier.read_s_per_hash, tier.write_s_per_hash
            replica["tier_latency_s"][place] = tier.latency_s
