"""A step of a deployment in several streams: its operations as the tasks of `simcore.engine.streams`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.one_step import AskedStep, asked_step, one_layer
from scenarios.resolved import Resolved, resolve
from scenarios.tables import value_of
from simcore.engine.streams import Overlapped, Streams, Work, chain_of, overlapped
from simcore.errors import InputError
from simcore.ops.op import StepColumns
from simcore.spec.scenario import Scenario
from simcore.step.overlap import LINK_UNITS, micro_batch
from simcore.step.price import Priced, price

MOST_PARTS = 64
ENDS = ("embedding", "final_norm", "lm_head", "sampling", "all_gather_logits", "stage_send", "graph_launch")


@dataclass(frozen=True)
class AskedStreams:
    """How many micro-batches run beside each other, and whether collectives are waited for one block later."""

    micro_batches: int = 1
    """into how many a step is cut, up to 64; 1: it is not"""
    late: bool = False
    """a collective is waited for one block later (Ladder Residual)"""
    tiles: bool = False
    """parts are tiles of each operation, as one fused kernel passes them on: weights are read once; else parts are
    micro-batches, each of which reads them"""


def asked_streams(table: dict[str, Any], file: str) -> tuple[AskedStep, AskedStreams]:
    """What a step holds and its streams, from one table. Raises InputError."""
    own = {key: table[key] for key in table if key in AskedStreams.__dataclass_fields__}
    streams = value_of(AskedStreams, own, file, "asked")
    if streams.micro_batches > MOST_PARTS:
        raise InputError(f"is more than {MOST_PARTS}", file=file, key="asked.micro_batches", fix="give fewer")
    return asked_step({key: value for key, value in table.items() if key not in own}, file), streams


def step_in_streams(scenario: Scenario, step: AskedStep, asked: AskedStreams) -> dict[str, Any]:
    """Seconds of a step whose micro-batches run beside each other, one after the other, and at best."""
    found = resolve(scenario).checked()
    parts = asked.micro_batches
    part = step.columns if asked.tiles else micro_batch(step.columns, parts)
    chain = works(found, part, step.graphs)
    if asked.tiles:
        chain = [work.part(parts) for work in chain]
    told = overlapped([chain] * asked.micro_batches, Streams(late=asked.late))
    return {**_numbers(told), "tokens": float(np.max(step.columns.tokens))}


def _numbers(told: Overlapped) -> dict[str, float]:
    return {
        "time_s": told.time_s,
        "alone_s": told.alone_s,
        "bound_s": told.bound_s,
        "bound_ratio": told.bound_s / told.time_s,
        "hidden_ratio": 1.0 - told.time_s / told.alone_s,
    }


def works(found: Resolved, step: StepColumns, graphs: bool) -> list[Work]:
    """A step's operations in order: layer after layer, then what stands at its ends."""
    model, physics = found.model, found.physics()
    chain: list[Work] = []
    ends: list[Work] = []
    for group in model.layers:
        priced = price(one_layer(physics, group), found.columns, step, graphs)
        named = list(_works(priced, found))
        chain += chain_of([work for work in named if work.name not in ENDS], group.count)
        ends = ends or [work for work in named if work.name in ENDS]
    return [*chain, *ends]


def _works(priced: Priced, found: Resolved) -> Iterator[Work]:
    machine = found.machine
    for op, cost in zip(priced.ops, priced.costs, strict=True):
        count = float(np.max(op.count))
        compute, memory, network, launch = (
            count * float(np.max(part)) for part in (cost.compute_s, cost.memory_s, cost.network_s, cost.launch_s)
        )
        if not count or not compute + memory + network + launch:
            continue
        if op.kind == "moe":
            compute, memory = (float(np.max(priced.physics.imbalance_ratio)) * part for part in (compute, memory))
        units = max(compute, machine.reading_units_ratio * memory, LINK_UNITS * network)
        bytes_s = max(memory, float(np.max(op.stream_bytes)) * count / machine.memory_bytes_per_s)
        work_s = max(compute, memory)
        yield Work(op.name, units, min(bytes_s, work_s) if work_s else 0.0, network, launch)
