"""The link over which prefill pools hand their KV to decode pools: as [fleet.transfer] says, else the system's own."""

from __future__ import annotations

import math
from typing import Any

from simcore.errors import InputError
from simcore.spec.hardware import Link
from simcore.spec.system import System


def transfer_of(ready: Any, owns: tuple[Any, ...]) -> Any:
    """The transfer between the pools; None where none of them hands over. Raises InputError where nobody knows it.

    Each chip of a decode replica fetches its part of the KV over its own link: as many at once as the narrower of both
    replicas has chips. The system's own link is the innermost level that holds the whole fleet, with as many transfers
    at a time as there are prefill replicas (attention-dp ranks counted). Wrong where several prefill ranks send to one
    decode rank at once: its link is not shared among them.
    """
    from simcore.engine.fleet import Transfer

    part, file = ready.scenario.fleet.transfer, ready.scenario.file
    pools = tuple(zip(ready.scenario.fleet.pools, owns, strict=True))
    senders = sum(one.count * own.scenario.plan.attention_dp for one, own in pools if one.role == "prefill")
    if part is None and not senders:
        return None
    bytes_per_token = next((size for size in map(kv_bytes, owns) if size), 0.0)
    if part is not None and part.bytes_per_token:
        bytes_per_token = part.bytes_per_token
    if not bytes_per_token:
        raise InputError("needs bytes_per_token", file=file, key="fleet.transfer")
    if part is not None and part.bytes_per_s is not None:
        return Transfer(bytes_per_token, part.bytes_per_s, part.latency_s, part.channels or 1, part.overlap_ratio)
    wide = min(own.scenario.plan.tp for _, own in pools)
    found = joining(owns, sum(one.count * own.scenario.plan.replica_chips for one, own in pools), file)
    overlap = 0.0 if part is None else part.overlap_ratio
    channels = senders if part is None or part.channels is None else part.channels
    return Transfer(bytes_per_token, found.bytes_per_s * wide, found.latency_s, max(channels, 1), overlap)


def kv_bytes(own: Any) -> float:
    """KV bytes per token of a replica; 0 where step times are given."""
    return float(own.pool.bytes_per_token * own.scenario.plan.tp)


def joining(owns: tuple[Any, ...], chips: int, file: str) -> Link:
    """The link of the innermost level that holds so many chips; of pools on unlike systems their networks' slower."""
    unlike = len({own.resolved.system.name for own in owns if own.resolved is not None}) > 1
    links = []
    for own in owns:
        if own.resolved is None:
            raise InputError("is not known where step times are given", file=file, key="fleet.transfer.bandwidth")
        links.append(_joining(own.resolved.system, math.inf if unlike else chips, file))
    return min(links, key=lambda link: link.bytes_per_s)


def _joining(system: System, chips: float, file: str) -> Link:
    from hardware_specs import clusters_of

    held = 1
    levels = system.levels
    if system.cluster is None and system.node is not None:
        levels = (*levels, *(level for one in clusters_of(system.node.name)[:1] for level in one.levels))
    for level in levels:
        held *= level.size
        if held >= chips:
            return level.link
    if levels and chips == math.inf:
        return levels[-1].link
    what = f"{system.name} has no link that joins {chips:g} chips"
    fix = 'name a cluster, or write bandwidth = "50 GB/s"'
    raise InputError(what, file=file, key="fleet.transfer.bandwidth", fix=fix)
