"""Contract of a cost model: work is never free, more hardware never slower, arrays and scalars agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simcore.cost.base import OpCost
from simcore.cost.machine import Machine, machine_of
from simcore.cost.roofline import peak_of
from simcore.ops.op import Op, StepColumns
from simcore.ops.transformer import lower
from simcore.spec.hardware import Chip
from simcore.spec.model import Attention, LayerGroup, Mlp, ModelSpec, Moe
from simcore.spec.system import System
from simcore.testing.models import plan_of

RATES = ("memory_bytes_per_s", "cache_bytes_per_s")
PEAKS = ("matrix_flop_per_s", "expert_flop_per_s", "attention_flop_per_s", "vector_flop_per_s", "bf16_flop_per_s")
MIXER = Attention(heads=32, kv_heads=8, head_dim=128)
MODELS = (
    ModelSpec(
        name="dense",
        family="test",
        hidden_size=4096,
        vocab_size=32000,
        layers=(LayerGroup(count=8, mixer=MIXER, ffn=(Mlp(intermediate_size=14336),)),),
    ),
    ModelSpec(
        name="experts",
        family="test",
        hidden_size=4096,
        vocab_size=32000,
        layers=(LayerGroup(count=8, mixer=MIXER, ffn=(Moe(experts=8, topk=2, intermediate_size=14336),)),),
    ),
)
SIZES = (1.0, 16.0, 256.0)


def check_cost_model(cost_model: Any, chip: Chip) -> None:
    """Raise AssertionError with every law that a cost model of a chip breaks."""
    machine = machine_of(System(chip=chip), "bf16", "bf16")
    found = [*_power(cost_model, machine)]
    for model in MODELS:
        for step in _steps():
            found += _one(cost_model, machine, model, step)
        found += _growing(cost_model, machine, model)
    found = list(dict.fromkeys(found))
    assert not found, f"cost model {cost_model.name}: " + "; ".join(found)


def _steps() -> Iterator[tuple[StepColumns, bool]]:
    for size in SIZES:
        yield StepColumns(prefill_sequences=1.0, prefill_tokens=16.0 * size), False
        yield StepColumns(decode_sequences=size, kv_tokens=2000.0), True


def _one(cost_model: Any, machine: Machine, model: ModelSpec, step: tuple[StepColumns, bool]) -> Iterator[str]:
    ops = lower(model, plan_of(), step[0])
    costs = cost_model.costs(ops, machine, plan_of(), step[1])
    if len(costs) != len(ops):
        yield f"{len(costs)} costs for {len(ops)} operations"
        return
    for op, cost in zip(ops, costs, strict=True):
        yield from _sane(op, cost, machine)
    faster = machine.with_fields(**{name: 2.0 * getattr(machine, name) for name in (*RATES, *PEAKS)})
    if _time_s(ops, cost_model.costs(ops, faster, plan_of(), step[1])) > _time_s(ops, costs) * (1 + 1e-9):
        yield "a machine that is twice as fast takes longer"
    several = plan_of(np.array([1.0, 1.0]))  # type: ignore[arg-type]
    many = cost_model.costs(lower(model, several, step[0]), machine, several, step[1])
    if not np.allclose(_time_s(ops, many), _time_s(ops, costs), rtol=1e-9):
        yield "an array of equal plans is not the plan alone"


def _sane(op: Op, cost: OpCost, machine: Machine) -> Iterator[str]:
    parts = [np.asarray(p) for p in (cost.compute_s, cost.memory_s, cost.network_s, cost.launch_s)]
    if not all(np.all(np.isfinite(p)) and np.all(p >= 0.0) for p in parts):
        yield f"{op.name}: a time that is negative or not finite"
    fastest = np.maximum(machine.cache_bytes_per_s, machine.memory_bytes_per_s)
    least_s = np.max([op.flop / peak_of(op, machine), op.stream_bytes / machine.memory_bytes_per_s])
    least_s = max(least_s, float(np.max(op.cache_bytes / fastest)))
    if op.role != "none" and np.any(np.asarray(cost.time_s) < least_s * (1 - 1e-9)):
        yield f"{op.name} beats its roofline"


def _growing(cost_model: Any, machine: Machine, model: ModelSpec) -> Iterator[str]:
    """Sixteen times the tokens take longer; fits of measured kernels may fall between neighbours."""
    steps = (StepColumns(prefill_sequences=1.0, prefill_tokens=256.0 * size) for size in SIZES)
    times = []
    for step in steps:
        ops = lower(model, plan_of(), step)
        times.append(_time_s(ops, cost_model.costs(ops, machine, plan_of(), False)))
    if not times[0] < times[1] < times[2]:
        yield "more work is not slower"


def _time_s(ops: list[Op], costs: list[OpCost]) -> float:
    return float(sum(np.max(op.count * cost.time_s) for op, cost in zip(ops, costs, strict=True)))


def _power(cost_model: Any, machine: Machine) -> Iterator[str]:
    shares = np.linspace(0.0, 1.0, 11)
    for other in (0.0, 0.5, 1.0):
        for watts in (
            np.asarray(cost_model.board_power_w(machine, shares, 0.0 * shares + other)),
            np.asarray(cost_model.board_power_w(machine, 0.0 * shares + other, shares)),
        ):
            if np.any(np.diff(watts) < -1e-9):
                yield "power falls as utilisation rises"
            if watts.min() < float(np.max(machine.idle_w)) - 1e-6 or watts.max() > 1.3 * float(np.max(machine.tdp_w)):
                yield "power outside of idle to 1.3 times TDP"
