"""The roofline: time = max(FLOP / dense peak, bytes / bandwidth) + launch, with no efficiency at all.

An optimistic bound on what kernels reach (Williams, Waterman and Patterson 2009). Weights and KV stream from the main
tier; activations come from the on-chip cache when an operation's own fit there. Wrong by the kernels' efficiency: 10 to
60 % on real chips, more for tiny shapes; `calibrated` and `datasheet` models exist for that.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from simcore.cost.base import OpCost
from simcore.cost.collective import CollectiveModel, collective_model, send_time_s, spans
from simcore.cost.machine import Machine
from simcore.cost.pim import attention_s, prefers_pim
from simcore.cost.power import linear_power_w
from simcore.cost.unpacking import NOTHING, beyond, of_op
from simcore.kept.lazy import dataclass
from simcore.ops.cache import KV_WRITTEN
from simcore.ops.op import Column, Op, PlanColumns


@dataclass(frozen=True)
class Roofline:
    """Roofline with launch overhead and alpha-beta collectives."""

    name: str = "roofline"

    def board_power_w(self, machine: Machine, compute_utilisation: Column, memory_utilisation: Column) -> Column:
        return linear_power_w(machine, compute_utilisation, memory_utilisation)

    def costs(self, ops: list[Op], machine: Machine, plan: PlanColumns, graphs: bool) -> list[OpCost]:
        return [
            network_cost(op, machine, plan) if op.role == "none" else kernel_cost(op, machine, graphs) for op in ops
        ]


def kernel_cost(op: Op, machine: Machine, graphs: bool) -> OpCost:
    """Roofline of one kernel.

    Inside a graph each kernel costs a gap; launched one by one, the host needs `kernel_launch_s` for each, which hides
    behind the kernel's own work.
    """
    compute = op.flop / peak_of(op, machine)
    if op.kind == "gemm" and np.any(np.asarray(machine.array_rows) > 0):
        fill = array_ratio if machine.dataflow else systolic_fill
        compute = compute * fill(op, machine)
    memory = op.cache_bytes / activation_rate(op.cache_bytes, machine)
    if not isinstance(op.stream_bytes, float) or op.stream_bytes > 0:
        memory = memory + stream_s(op, machine)
    if machine.pim is not None and op.kind in ("attention_decode", "mla_decode"):
        compute, memory = on_pim(op, machine, compute, memory)
    kernels: float = op.kernels
    if machine.unpacking is not NOTHING and (found := of_op(op, machine)) is not None:
        more = beyond(op, machine, found)
        compute, memory = np.maximum(compute, more.unpack_s) + more.outlier_s, memory + more.passes_s
        kernels += more.kernels
    if KV_WRITTEN in op.shape and np.any(np.isfinite(machine.kv_write_bytes_per_s)):
        memory = memory + cast(Column, op.shape[KV_WRITTEN]) / machine.kv_write_bytes_per_s
    launch = kernels * machine.graph_kernel_s
    if not graphs:
        launch = launch + np.maximum(kernels * machine.kernel_launch_s - np.maximum(compute, memory), 0.0)
    return OpCost(compute, memory, 0.0, launch)


def stream_s(op: Op, machine: Machine) -> Column:
    """Seconds to read weights, or KV from the tier that holds it."""
    if op.role == "attention" and np.any(np.isfinite(machine.kv_bytes_per_s)):
        return op.stream_bytes / np.minimum(machine.kv_bytes_per_s, machine.memory_bytes_per_s) + machine.kv_latency_s
    return op.stream_bytes / machine.memory_bytes_per_s


def on_pim(op: Op, machine: Machine, compute_s: Column, memory_s: Column) -> tuple[Column, Column]:
    """(compute, memory) seconds of decode attention, on the PIM unit where operations per byte are low enough."""
    assert machine.pim is not None
    there = prefers_pim(op, machine.pim, machine.memory_bytes_per_s)
    moved = np.where(there, attention_s(op, machine.pim), memory_s)
    return np.where(there, 0.0, compute_s), moved


def activation_rate(moved_bytes: Column, machine: Machine) -> Column:
    """Bandwidth of the fastest tier that holds a kernel's activations."""
    fits = np.asarray(moved_bytes) <= machine.cache_bytes
    return np.where(fits, machine.cache_bytes_per_s, machine.memory_bytes_per_s)


def peak_of(op: Op, machine: Machine) -> Column:
    """Dense peak for an operation's role."""
    if op.role == "matrix":
        return machine.matrix_flop_per_s
    if op.role == "expert":
        return machine.expert_flop_per_s
    return machine.attention_flop_per_s if op.role == "attention" else machine.vector_flop_per_s


def systolic_fill(op: Op, machine: Machine) -> Column:
    """Slow-down of a weight-stationary array of H rows that streams `rows` inputs per tile: max(rows, H) / rows.

    Loading the next H x W weights takes H cycles and hides behind the streaming of at least H rows.
    """
    rows = np.asarray(op.shape["m"], float)
    return np.asarray(np.maximum(rows, machine.array_rows) / np.maximum(rows, 1.0))


def array_ratio(op: Op, machine: Machine) -> Column:
    """Cycles of a product on the machine's arrays over those at their peak, folds overlapped
    (`simcore.cost.dataflows`)."""
    from simcore.cost.dataflows import dataflow
    from simcore.cost.dataflows._base import Gemm

    gemm = Gemm(*(np.maximum(np.asarray(op.shape[side], float), 1.0) for side in ("m", "n", "k")))
    sides = (machine.array_rows, machine.array_columns)
    cycles = dataflow(machine.dataflow).warm_cycles(gemm, *sides, machine.arrays) + 1.0
    ideal = gemm.macs / (np.asarray(machine.array_rows) * machine.array_columns * machine.arrays)
    return np.asarray(np.maximum(cycles / ideal, 1.0))


def network_cost(op: Op, machine: Machine, plan: PlanColumns) -> OpCost:
    """Alpha-beta time of a collective or a transfer."""
    size = op.shape["message_bytes"]
    assert not isinstance(size, str)
    if op.kind == "transfer":
        return OpCost(0.0, 0.0, send_time_s(machine, op.stride, size), 0.0)
    return OpCost(0.0, 0.0, links_of(op, machine, plan).time_s(str(op.shape["op"]), size), 0.0)


def links_of(op: Op, machine: Machine, plan: PlanColumns) -> CollectiveModel:
    """Coefficients for the operation's group, computed once per plans and machine.

    The memo holds the columns too: their identity is the key, so they must outlive it.
    """
    key = (id(op.group), id(op.stride), id(machine))
    if key not in plan.memo:
        at = spans(machine, op.group, op.stride)
        plan.memo[key] = (collective_model(at, machine.collective), op.group, op.stride, machine)
    found: CollectiveModel = plan.memo[key][0]
    return found
