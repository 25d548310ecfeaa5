"""A placement in the servers' own words, written and read.

SGLang (`--init-expert-location FILE`, python/sglang/srt/eplb/expert_location.py): `physical_to_logical_map`, layers by
slots, slots of chip 0 first. vLLM on Ascend (`expert_map_path`): a list of layers, each a list of devices with the
experts that they hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planners.experts.problem import Ints, Placement


def sglang(placement: Placement) -> dict[str, Any]:
    """For `--init-expert-location`."""
    slots = placement.expert_of_slot
    return {"physical_to_logical_map": slots.reshape(len(slots), -1).tolist()}


def vllm_ascend(placement: Placement) -> dict[str, Any]:
    """For `expert_map_path`."""
    layers = [
        {
            "layer_id": layer,
            "device_count": len(chips),
            "device_list": [{"device_id": g, "device_expert": held.tolist()} for g, held in enumerate(chips)],
        }
        for layer, chips in enumerate(placement.expert_of_slot)
    ]
    return {"moe_layer_count": len(layers), "layer_list": layers}


def read(found: dict[str, Any], chips: int) -> Ints | None:
    """`expert_of_slot` [layers, chips, slots / chips] of either form, or of our own; None if it is none of them.

    Raises ValueError where the numbers do not form an array or do not divide over the chips.
    """
    if "expert_of_slot" in found:
        return np.array(found["expert_of_slot"], np.int64)
    if "physical_to_logical_map" in found:
        slots = np.array(found["physical_to_logical_map"], np.int64)
        return slots.reshape(len(slots), chips, -1)
    if "layer_list" in found:
        rows = [[device["device_expert"] for device in layer["device_list"]] for layer in found["layer_list"]]
        return np.array(rows, np.int64)
    return None
