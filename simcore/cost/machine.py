"""Hardware as arrays: one column per fact, one row per system, so that plans on many chips are costed together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from simcore.cost import storage
from simcore.cost.facts import chip_facts, kernel_format
from simcore.cost.pim import Pim, pim_of
from simcore.cost.unpacking import NOTHING, Unpacking, Unpackings
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, pick
from simcore.spec.formats import NumberFormat, number_format
from simcore.spec.hardware import Chip, ComputeUnit
from simcore.spec.policy import ServingPolicy
from simcore.spec.system import System

DEFAULT_LEVEL_LATENCY_S = 2e-6


WORDS = ("formats", "tiers", "routing", "unpacking", "others", "collective")
"""fields of a machine that are no columns"""


@dataclass(frozen=True)
class OtherFormat:
    """What differs on a machine for operations in a format."""

    name: str
    flop_per_s: float
    unpacking: Unpackings


@dataclass(frozen=True)
class Machine:
    """Facts of the hardware behind each plan, [plans] or scalars; SI units, per chip and one direction."""

    matrix_flop_per_s: Column
    expert_flop_per_s: Column
    attention_flop_per_s: Column
    vector_flop_per_s: Column
    bf16_flop_per_s: Column
    """dense bf16 peak, the denominator of MFU for bf16 plans"""
    memory_bytes_per_s: Column
    memory_bytes: Column
    """of the main tier, as software sees it"""
    reserve_bytes: Column
    cache_bytes: Column
    cache_bytes_per_s: Column
    kernel_launch_s: Column
    graph_kernel_s: Column
    graph_launch_s: Column
    tdp_w: Column
    idle_w: Column
    node_w: Column
    """power of the node beyond its chips, per chip"""
    purchase_usd: Column
    rental_usd_per_hour: Column
    level_sizes: tuple[Column, ...]
    """children per level, innermost first"""
    level_bytes_per_s: tuple[Column, ...]
    level_latency_s: tuple[Column, ...]
    node_chips: Column = np.inf
    """of one node; beyond them a message goes through network cards"""
    has_peers: Column = 1.0
    """whether chips of one node read each other's memory; 0: through the host's, which no table was taken over"""
    array_rows: Column = 0.0
    """rows of a systolic array; 0: not one"""
    array_columns: Column = 0.0
    arrays: Column = 1.0
    dataflow: str = ""
    """which operand stays in the cells; "": weights, and only the fill by rows is counted"""
    kv_bytes_per_s: Column = np.inf
    """bandwidth of the tier that holds KV; inf: the main tier's"""
    kv_write_bytes_per_s: Column = np.inf
    """at which new KV reaches that tier; inf: the main tier's"""
    kv_latency_s: Column = 0.0
    """until that tier answers a layer's attention"""
    kv_ahead_bytes_per_s: float = np.inf
    """bandwidth at which KV is brought to the main tier a layer ahead; inf: attention reads it where it lies"""
    kv_tier_bytes: Column = np.inf
    """capacity for KV where it lives outside the main tier"""
    weight_bytes_per_s: float = np.inf
    """bandwidth of the tier that weights stream from; inf: they live in the main tier"""
    weight_latency_s: float = 0.0
    """until that tier answers, once a step"""
    weights_away_ratio: float = 0.0
    """of the weights (routed experts apart), what lives outside the main tier"""
    weight_tier_bytes: float = np.inf
    """capacity for them there"""
    expert_bytes_per_s: float = np.inf
    expert_latency_s: float = 0.0
    experts_away_ratio: float = 0.0
    expert_tier_bytes: float = np.inf
    """as for the other weights; one tier for both counts them together"""
    guessed_ratio: float = 1.0
    """of the experts that tokens ask for, those that a guess a layer ahead brings"""
    host_flop_per_s: float = np.inf
    """of one chip's share of the host, where it multiplies with experts that lie beside it"""
    host_link_bytes_per_s: float = np.inf
    """over which their tokens go there and back"""
    experts_host_ratio: float = 0.0
    """of routed experts, what the host computes unless it is among those that stay"""
    fetch: str = "step"
    """how what lives elsewhere comes"""
    routing: tuple[str, str, float, float] = ("all", "static", 0.0, 0.0)
    """of routed experts that live elsewhere: how they come, which stay, the skew and repeats of what is asked for"""
    tiers: tuple[str, str, str] = ("main", "main", "main")
    """of weights, routed experts and KV"""
    pim: Pim | None = None
    reading_units_ratio: float = 1.0
    """of the chip's units, what reading the main tier at its bandwidth keeps busy"""
    formats: tuple[str, str, str] = ("bf16", "bf16", "bf16")
    """of weights, experts and KV"""
    unpacking: Unpackings = NOTHING
    """of weights, experts and KV: what their formats take beyond bytes and multiplications"""
    collective: str = "auto"
    """algorithm of collectives; auto: the fastest of those that libraries choose from"""
    others: tuple[OtherFormat, ...] = ()
    """formats that single layers have instead of the plan's"""

    @property
    def is_one(self) -> bool:
        """The same facts for every plan."""
        return all(
            np.ndim(getattr(self, f.name)) == 0 for f in fields(self) if f.name[:5] != "level" and f.name not in WORDS
        )

    def take(self, rows: np.ndarray | slice) -> Machine:
        """Some rows."""
        picked: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            several = isinstance(value, tuple) and f.name not in WORDS
            picked[f.name] = tuple(pick(c, rows) for c in value) if several else pick(value, rows)
        return Machine(**picked)

    def as_for(self, name: str) -> Machine:
        """The machine of operations in another of its formats; itself for an empty name, the plan's own."""
        if not name:
            return self
        found = next(one for one in self.others if one.name == name)
        peaks = {"matrix_flop_per_s": found.flop_per_s, "expert_flop_per_s": found.flop_per_s}
        return self.with_fields(**peaks, formats=(name, name, name), unpacking=found.unpacking)

    def with_fields(self, **columns: Any) -> Machine:
        """Some facts replaced (a what-if on bandwidth, a derived chip)."""
        return replace(self, **columns)


def machine_of(
    system: System,
    weights: str,
    experts: str,
    activations: str = "bf16",
    policy: ServingPolicy | None = None,
    kv: str = "bf16",
) -> Machine:
    """The facts of one system as scalars, for plans whose weights and experts have these formats.

    A format that the chip's matrix unit lacks computes in bf16 after unpacking (weight-only), which is what kernels do.
    """
    number_format(activations)  # multiplied as the weights are: only its name is looked at
    chip = system.chip
    unit = chip.compute[chip.main_unit]
    memory = chip.memory[chip.main_tier]
    cache, cache_rate = _cache(chip)
    vector = next((u for u in chip.compute.values() if u.kind == "vector"), None)
    node_w, node_usd, node_rental = _node_share(system)
    money = chip.money
    sizes, rates, latencies = _levels(system)
    policy = policy or ServingPolicy()
    return Machine(
        matrix_flop_per_s=peak(unit, weights),
        expert_flop_per_s=peak(unit, experts),
        attention_flop_per_s=peak(unit, "bf16"),
        vector_flop_per_s=max(vector.peak_flop_per_s.values()) if vector else peak(unit, "bf16"),
        bf16_flop_per_s=peak(unit, "bf16"),
        memory_bytes_per_s=memory.read_bytes_per_s,
        memory_bytes=memory.reported_bytes,
        reserve_bytes=chip.reserve_bytes,
        cache_bytes=cache,
        cache_bytes_per_s=max(cache_rate, memory.read_bytes_per_s),
        kernel_launch_s=chip.issue.kernel_launch_s,
        graph_kernel_s=chip.issue.graph_kernel_s,
        graph_launch_s=chip.issue.graph_launch_s,
        tdp_w=chip.power.tdp_w,
        idle_w=chip.power.idle_w,
        node_w=node_w,
        purchase_usd=(money.purchase_usd or np.nan) + node_usd,
        rental_usd_per_hour=(money.rental_usd_per_hour or np.nan) + node_rental,
        level_sizes=sizes,
        level_bytes_per_s=rates,
        level_latency_s=latencies,
        node_chips=float(system.chips_per_node) if system.node else np.inf,
        has_peers=float(not system.levels or system.levels[0].link.kind != "host"),
        reading_units_ratio=reading_units_ratio(chip),
        formats=(weights, experts, kv),
        unpacking=_unpackings(chip, (weights, experts, kv)),
        **_arrays(unit),
        dataflow=_dataflow(unit),
        **_kv(system, policy),
        **_weights(system, policy),
        fetch=policy.weight_fetch,
        routing=(policy.expert_fetch, policy.expert_cache, policy.expert_skew_ratio, policy.expert_repeat_ratio),
        guessed_ratio=policy.expert_accuracy_ratio,
        tiers=_tiers(system, policy),
        pim=pim_of(chip) if policy.pim_attention and storage.is_main(system, policy.kv_tier) else None,
    )


def reading_units_ratio(chip: Chip) -> float:
    """Units that a stream of reads needs to keep the main tier busy, each at what it takes from L2."""
    facts = chip_facts(chip)
    return min(facts.memory_bytes_per_s / (facts.sm_count * facts.sm_bytes_per_s), 1.0)


def with_formats(machine: Machine, chip: Chip, names: Iterable[str], collective: str = "auto") -> Machine:
    """The machine that knows the formats of single layers and the algorithm of collectives too."""
    unit = chip.compute[chip.main_unit]
    found = tuple(OtherFormat(name, peak(unit, name), _unpackings(chip, (name, name, name))) for name in names)
    return machine.with_fields(others=found, collective=collective) if found or collective != "auto" else machine


def _kv(system: System, policy: ServingPolicy) -> dict[str, Any]:
    """Where KV lives: read as it is needed, or a layer ahead."""
    read = storage.tier_read_bytes_per_s(system, policy.kv_tier)
    ahead = policy.kv_fetch == "prefetch"
    return {
        "kv_bytes_per_s": np.inf if ahead else read,
        "kv_ahead_bytes_per_s": read if ahead else np.inf,
        "kv_write_bytes_per_s": storage.tier_write_bytes_per_s(system, policy.kv_tier),
        "kv_latency_s": storage.tier_latency_s(system, policy.kv_tier),
        "kv_tier_bytes": storage.tier_bytes(system, policy.kv_tier),
    }


def _arrays(unit: ComputeUnit) -> dict[str, Any]:
    """The systolic arrays of a unit; none of any other."""
    if unit.kind != "systolic" or unit.array_rows is None:
        return {}
    sides = {"array_rows": float(unit.array_rows), "array_columns": float(unit.array_columns or unit.array_rows)}
    return {**sides, "arrays": float(unit.count or 1)}


def _dataflow(unit: ComputeUnit) -> str:
    """The unit's dataflow. Raises UnknownName, and InputError for a unit that is no array."""
    if unit.dataflow is None:
        return ""
    from simcore.cost.dataflows import dataflow

    if unit.kind != "systolic" or unit.array_rows is None:
        raise InputError("is for a systolic unit with array_rows", key="dataflow", fix="leave it out")
    dataflow.file_of(unit.dataflow)
    return unit.dataflow


def _tiers(system: System, policy: ServingPolicy) -> tuple[str, str, str]:
    """Of weights, routed experts and KV; the main one under that name, whatever the policy calls it."""
    names = (policy.weight_tier, policy.expert_tier or policy.weight_tier, policy.kv_tier)
    weights, experts, kv = ("main" if storage.is_main(system, name) else name for name in names)
    return weights, experts, kv


def _weights(system: System, policy: ServingPolicy) -> dict[str, Any]:
    """Where weights come from; routed experts with the others unless the policy says otherwise."""
    tier, share = policy.weight_tier, policy.weight_away_ratio
    own = (tier, share) if policy.expert_tier is None else (policy.expert_tier, policy.expert_away_ratio)
    found: dict[str, float] = {}
    for one, several, (name, part) in (("weight", "weights", (tier, share)), ("expert", "experts", own)):
        main = storage.is_main(system, name)
        found |= {
            f"{one}_bytes_per_s": storage.tier_read_bytes_per_s(system, name),
            f"{one}_latency_s": storage.tier_latency_s(system, name),
            f"{one}_tier_bytes": np.inf if main else storage.tier_bytes(system, name),
            f"{several}_away_ratio": 0.0 if main else part,
        }
    if policy.expert_fetch == "host" and found["experts_away_ratio"]:
        name = own[0]
        found |= {
            "expert_bytes_per_s": storage.own_read_bytes_per_s(system, name),
            "host_flop_per_s": policy.expert_host_flop_per_s,
            "host_link_bytes_per_s": storage.link_bytes_per_s(system, name),
            "experts_host_ratio": found["experts_away_ratio"],
        }
    return found


def peak(unit: ComputeUnit, name: str) -> float:
    """Peak of a unit for a number format, bf16 (or its like) where the unit has none of its own.

    Dense, but for formats whose zeros are not multiplied; those that multiply in two ways reach the mean, those that
    need several products for one a part."""
    found, half = number_format(name), half_peak(unit)
    peaks = unit.sparse_peak_flop_per_s if found.skips == "pairs" else unit.peak_flop_per_s
    rate = _rate(peaks, found.compute) or _rate(unit.peak_flop_per_s, found.compute) or half
    if found.other_compute:
        other = _rate(peaks, found.other_compute) or half
        rate = 1.0 / ((1.0 - found.other_ratio) / rate + found.other_ratio / other)
    if found.skips == "zeros":
        rate /= found.kept_ratio
    return rate / found.products


def half_peak(unit: ComputeUnit) -> float:
    """Dense peak in bf16, or its like."""
    peaks = unit.peak_flop_per_s
    return peaks.get("bf16") or peaks.get("fp16") or max(peaks.values())


def _rate(peaks: Mapping[Any, float], name: str) -> float:
    return peaks.get(name, 0.0)


def _unpackings(chip: Chip, names: tuple[str, str, str]) -> Unpackings:
    """What formats take beyond bytes and multiplications; the same object where they take nothing."""
    if all(number_format(name).is_plain for name in names):
        return NOTHING
    weights, experts, kv = (_unpacking(chip, name) for name in names)
    return weights, experts, kv


def _unpacking(chip: Chip, name: str) -> Unpacking | None:
    found, unit = number_format(name), chip.compute[chip.main_unit]
    if found.is_plain:
        return None
    vector = next((u for u in chip.compute.values() if u.kind == "vector"), None)
    # a vector unit's peak counts a multiply and an add; unpacking does one operation a lane
    lanes = (max(vector.peak_flop_per_s.values()) if vector else half_peak(unit)) / 2.0
    per_s = lanes / found.unpack_flop if found.unpack_flop else np.inf
    lent = _lent_peak(unit, found) if found.lent else 0.0
    return Unpacking(per_s, half_peak(unit), found, lent)


def _lent_peak(unit: ComputeUnit, found: NumberFormat) -> float:
    return _rate(unit.peak_flop_per_s, kernel_format(found.kernel).compute) or half_peak(unit)


def computes_natively(chip: Chip, name: str) -> bool:
    """True if the chip's matrix unit multiplies in this format rather than unpacking it."""
    return number_format(name).compute in chip.compute[chip.main_unit].peak_flop_per_s


def _cache(chip: Chip) -> tuple[float, float]:
    """Capacity and bandwidth of the largest on-chip memory."""
    caches = [tier for tier in chip.memory.values() if tier.kind == "sram"]
    if not caches:
        return 0.0, 0.0
    largest = max(caches, key=lambda tier: tier.capacity_bytes)
    return largest.capacity_bytes, largest.read_bytes_per_s


def _node_share(system: System) -> tuple[float, float, float]:
    """Power, purchase and rental of the node beyond its chips, per chip."""
    node = system.node
    if node is None:
        return 0.0, 0.0, 0.0
    power = node.power.tdp_w if node.power else 0.0
    purchase, rental = node.money.purchase_usd or 0.0, node.money.rental_usd_per_hour or 0.0
    return power / node.chips, purchase / node.chips, rental / node.chips


def _levels(system: System) -> tuple[tuple[Column, ...], tuple[Column, ...], tuple[Column, ...]]:
    sizes = tuple(float(level.size) for level in system.levels)
    rates = tuple(level.bytes_per_s for level in system.levels)
    latencies = tuple(level.link.latency_s or DEFAULT_LEVEL_LATENCY_S for level in system.levels)
    return sizes, rates, latencies
