"""Facts of a model and of a system by dotted name, per chip, SI units: what a schedule need not write down again."""

from __future__ import annotations

import math
from typing import Any

from simcore.cost import storage
from simcore.spec.model import ModelSpec
from simcore.spec.system import System

KINDS = ("model", "chip", "tier", "link", "node", "host")


def model_facts(model: ModelSpec) -> dict[str, float]:
    """Counts and elements of a model; a mixture's experts are those of a layer."""
    group = next((g for g in model.layers if any(f.routed_experts for f in g.ffn)), model.layers[-1])
    routed = [f for f in group.ffn if f.routed_experts]
    whole = sum(sum(m.elements for m in f.routed(model.hidden_size)) for f in routed)
    heads = next((g.mixer for g in model.layers if g.mixer is not None), None)
    return {
        "layers": model.layer_count,
        "hidden_size": model.hidden_size,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "layer_elements": sum(n for _, n in model.group_parameters(model.layers[-1])),
        "embedding_elements": model.embedding_parameters,
        "kv_elements_per_token": model.kv_elements_per_token(),
        "heads": float(getattr(heads, "heads", 0) or 0),
        "kv_heads": float(getattr(heads, "kv_heads", 0) or 0),
        "head_dim": float(getattr(heads, "head_dim", 0) or 0),
        "experts": model.experts,
        "chosen_experts": float(sum(f.chosen_experts for f in routed)),
        "expert_elements": whole / model.experts if model.experts else 0.0,
        "moe_layers": sum(g.count for g in model.layers if any(f.routed_experts for f in g.ffn)),
    }


def system_facts(system: System) -> dict[str, float]:
    """`chip.*`, `tier.NAME.*` (one chip's share of what lies in the node), `link.NAME.*`, `node.chips`."""
    chip = system.chip
    found: dict[str, Any] = {"node.chips": system.chips_per_node, "chip.count": system.max_chips}
    main = chip.memory[chip.main_tier]
    found |= {"chip.main_bytes": main.reported_bytes, "chip.main_bytes_per_s": main.read_bytes_per_s}
    found |= {
        "chip.tdp_w": chip.power.tdp_w,
        "chip.idle_w": chip.power.idle_w,
        "chip.kernel_launch_s": chip.issue.kernel_launch_s,
    }
    found["chip.thread_ratio"] = chip.issue.thread_ratio
    for unit in chip.compute.values():
        for precision, value in unit.peak_flop_per_s.items():
            found[f"chip.{unit.kind}.{precision}_flop_per_s"] = value
    for name in [*chip.memory, *(system.node.memory if system.node else {})]:
        if storage.is_main(system, name) or system.tier(name)[0].kind == "sram":
            continue
        found[f"tier.{name}.bytes"] = storage.tier_bytes(system, name)
        found[f"tier.{name}.read_bytes_per_s"] = storage.own_read_bytes_per_s(system, name)
        found[f"tier.{name}.write_bytes_per_s"] = storage.own_write_bytes_per_s(system, name)
        found[f"tier.{name}.latency_s"] = storage.tier_latency_s(system, name)
    for name, link in storage.links_of(system).items():
        found |= {f"link.{name}.bytes_per_s": link.bytes_per_s, f"link.{name}.latency_s": link.latency_s}
    for level in system.levels:
        found |= {
            f"link.{level.name}.bytes_per_s": level.link.bytes_per_s,
            f"link.{level.name}.latency_s": level.link.latency_s,
        }
    return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}
