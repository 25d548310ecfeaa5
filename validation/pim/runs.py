"""Runs of the NeuPIMs simulator (one layer of GPT3-7B, tp 4): their rows, what their requests are, what we say.

The simulator's traces are not part of the project; what a batch of theirs puts into its fullest channel is (counts from
the published sums of the simulator's own estimate, 200 a request + 368 a block of 32 tokens + 6,688 a block of 512).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hardware_specs
from simcore.cost.pim import Blocks
from simcore.errors import InputError
from simcore.spec.hardware import Chip
from validation.pim.layer import SUB_BATCH, Shard, bandwidth_attention_s, linear_s, npu_attention_s, pim_attention_s

SHARD = Shard(4096, 8, 128, 4096)
BALANCED, IN_TURN = "clb", "rr"
CHANNELS = {
    (BALANCED, 16): Blocks(1, 64, 4),
    (IN_TURN, 16): Blocks(1, 64, 4),
    (BALANCED, 64): Blocks(6, 127, 12),
    (IN_TURN, 64): Blocks(5, 115, 10),
}
"""(how requests went to channels, batch) -> the fullest channel"""
CHAIN_CYCLES = {16: 357_859.0, 64: 1_080_290.0}
"""batch -> sum of the NPU's serial GEMVs over the requests of the trace"""
TOKENS = {16: 16 * 1009.6, 64: 64 * 719.5}
"""batch -> tokens of the balanced trace"""
COLUMNS = ("system", "batch", "trace")


@dataclass(frozen=True)
class LayerTime:
    """What is said of one run."""

    layer_s: float
    reason: str = ""


def layers(frame: Any, file: str) -> list[LayerTime]:
    """One per row. Raises InputError for a missing column."""
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", file=file, fix=f"columns: {', '.join(COLUMNS)}")
    rows = zip(map(str, frame["system"]), frame["batch"], map(str, frame["trace"]), strict=True)
    return [layer_of(system, batch, trace) for system, batch, trace in rows]


def layer_of(system: str, batch: Any, trace: str) -> LayerTime:
    """One run, on the chip `npu-pim`."""
    return _layer(hardware_specs.chip("npu-pim"), system, batch, trace)


def _layer(chip: Chip, system: str, batch: Any, trace: str) -> LayerTime:
    kind = next((kind for words, kind in KINDS.items() if system.startswith(words)), None)
    if kind is None:
        return LayerTime(0.0, f"unknown system {system!r}; known: {', '.join(KINDS)}")
    channel = CHANNELS.get((IN_TURN if f"-{IN_TURN}-" in trace else BALANCED, batch))
    if channel is None or batch not in CHAIN_CYCLES:
        return LayerTime(0.0, f"nothing is known of the requests of batch {batch}")
    return LayerTime(linear_s(chip, int(batch), SHARD) + kind(chip, int(batch), channel))


def _double(chip: Chip, batch: int, channel: Blocks) -> float:
    return pim_attention_s(chip, SHARD, channel, 2)


def _single(chip: Chip, batch: int, channel: Blocks) -> float:
    return pim_attention_s(chip, SHARD, channel, 1)


def _alone(chip: Chip, batch: int, channel: Blocks) -> float:
    return npu_attention_s(chip, CHAIN_CYCLES[batch])


KINDS: dict[str, Callable[[Chip, int, Blocks], float]] = {
    "NeuPIMs sub-batch off": _double,
    "NPU+PIM": _single,
    "NPU-only": _alone,
}
"""how a system's name begins -> seconds of its attention"""


def ratios(told: list[float], systems: list[str], batches: list[int]) -> dict[str, float]:
    """Layer time of every system over that of NeuPIMs without sub-batches, by batch."""
    base = {b: t for t, s, b in zip(told, systems, batches, strict=True) if s.startswith("NeuPIMs sub-batch off")}
    return {
        f"{system.partition(' (')[0]}, batch {batch}": time / base[batch]
        for time, system, batch in zip(told, systems, batches, strict=True)
        if batch in base and not system.startswith("NeuPIMs")
    }


HALVES = {16: Blocks(1, 64, 4), 64: Blocks(3, 64, 6)}
"""batch -> the fullest channel of half of it (64: half of the whole batch's, assumed)"""
PAPER = {"NPU-only": 2.4, "NPU+PIM": 1.6}
"""throughput of NeuPIMs over them, batches of 64 to 512 (ASPLOS 2024, abstract): no tolerance, other loads"""


def stage_s(batch: int) -> float:
    """Stages C and D of a run with two half batches: the matrices of one half beside the attention of the other."""
    chip = hardware_specs.chip("npu-pim")
    half = linear_s(chip, batch // 2, SHARD)
    return SUB_BATCH * max(half, pim_attention_s(chip, SHARD, HALVES[batch], 2))


def paper_lines(told: dict[str, float]) -> list[tuple[str, float, float]]:
    """(case, our ratio, the paper's): of the runs, and of an NPU that only its bandwidth bounds."""
    found = [(name, ours, PAPER[name.partition(",")[0]]) for name, ours in told.items()]
    chip = hardware_specs.chip("npu-pim")
    for batch, channel in ((16, CHANNELS[BALANCED, 16]), (64, CHANNELS[BALANCED, 64])):
        linear = linear_s(chip, batch, SHARD)
        bound = linear + bandwidth_attention_s(chip, SHARD, TOKENS[batch])
        ours = bound / (linear + pim_attention_s(chip, SHARD, channel, 2))
        found.append((f"NPU bound by bandwidth, batch {batch}", ours, PAPER["NPU-only"]))
    return found
