"""Which prefix blocks go to the tiers below a replica's KV, and when: one file each, a `RULE`; found by name."""

from __future__ import annotations

from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.registry import GROUPS, PluginRegistry


@dataclass(frozen=True)
class Tier:
    """A place for prefix blocks below the KV: host memory, a remote pool, an SSD. Sizes and times per prefix hash."""

    name: str
    hashes: int
    """capacity"""
    read_s_per_hash: float = 0.0
    """bytes of a hash over the link's bandwidth upwards; the step that needs it waits"""
    write_s_per_hash: float = 0.0
    """downwards; nobody waits, but the copy cannot be read before it is complete, and writes queue"""
    latency_s: float = 0.0
    """once per run of hashes that one request fetches"""
    shared: bool = False
    """one pool for all replicas, which also share its link"""

    def __post_init__(self) -> None:
        for name in ("hashes", "read_s_per_hash", "write_s_per_hash", "latency_s"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} of tier {self.name!r} is negative", key=f"tiers.{name}")


@dataclass(frozen=True)
class OffloadRule:
    """What an offload policy decides."""

    writes: bool = True
    """False: nothing goes down"""
    when_computed: bool = False
    """copies go to every tier as soon as a block is computed; else a block goes down when it leaves the KV"""
    least_hits: int = 0
    """only blocks hit at least so often go down"""
    demotes: bool = False
    """what a full tier forgets goes to the next one"""
    moves: bool = False
    """a block that is fetched leaves its tier (never a shared one)"""


offloads = PluginRegistry("offload policy", "simcore.policy.offload", "RULE", GROUPS["offload"])
