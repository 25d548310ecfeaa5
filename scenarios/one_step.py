"""One step of a deployment, operation by operation: what the engines add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scenarios.resolved import resolve
from scenarios.tables import value_of
from simcore.errors import InputError
from simcore.ops.op import StepColumns
from simcore.spec.model import LayerGroup
from simcore.spec.scenario import Scenario
from simcore.step.price import Physics, Priced, price


@dataclass(frozen=True)
class AskedStep:
    """What a step holds: sequences that decode behind `context_tokens`, and prefills of `prefill_tokens`."""

    decode_sequences: float = 0.0
    """sequences that make one token each, on one attention-dp rank"""
    context_tokens: float = 0.0
    """mean context of the decoding sequences"""
    prefill_sequences: float = 0.0
    """sequences whose prompts are computed; 0 with `prefill_tokens`: one"""
    prefill_tokens: float = 0.0
    """new tokens of each prefilling sequence"""
    past_tokens: float = 0.0
    """of each of them, tokens that are in the cache already"""
    graphs: bool = True
    """its kernels are launched as one captured graph; else one by one"""

    @property
    def columns(self) -> StepColumns:
        """For the engines."""
        prefill = (self.prefill_sequences or float(self.prefill_tokens > 0), self.prefill_tokens, self.past_tokens)
        return StepColumns(*(float(n) for n in (*prefill, self.decode_sequences, self.context_tokens)))


def asked_step(table: dict[str, Any], file: str) -> AskedStep:
    """From a table. Raises InputError for what it cannot hold and for an empty step."""
    step = value_of(AskedStep, table, file, "asked")
    if not step.columns.tokens:
        raise InputError("a step without tokens", file=file, key="asked", fix="give decode_sequences or prefill_tokens")
    return step


def one_layer(physics: Physics, group: LayerGroup) -> Physics:
    """The physics of a model that has a single layer of a group."""
    return replace(physics, model=physics.model.replace(layers=(group.replace(count=1),)))


def step_of(scenario: Scenario, step: AskedStep) -> Priced:
    """The priced step of a scenario's deployment. Raises InputError."""
    found = resolve(scenario).checked()
    return price(found.physics(), found.columns, step.columns, step.graphs)


def told(priced: Priced) -> dict[str, Any]:
    """Seconds, FLOP and bytes of a step, by part and by operation, per chip."""
    total = priced.totals()
    rows = priced.rows("step")
    by = {name: {key: float(np.max(s)) for key, s in priced.sum(name).items()} for name in ("part", "name")}
    work: dict[str, dict[str, float]] = {"flop": {}, "bytes": {}}
    for row in rows:
        work["flop"][row.name] = work["flop"].get(row.name, 0.0) + row.flop
        work["bytes"][row.name] = work["bytes"].get(row.name, 0.0) + row.moved_bytes
    return {
        "time_s": float(np.max(total.time_s)),
        "compute_s": float(np.max(total.compute_s)),
        "memory_s": float(np.max(total.memory_s)),
        "network_s": float(np.max(total.network_s)),
        "launch_s": float(np.max(total.launch_s)),
        "peak_s": float(np.max(total.peak_s)),
        "flop": float(np.max(total.flop)),
        "moved_bytes": float(np.max(total.moved_bytes)),
        "part_s": by["part"],
        "op_s": by["name"],
        "op_flop": work["flop"],
        "op_bytes": work["bytes"],
        "parameters": float(priced.physics.model.parameters),
    }
