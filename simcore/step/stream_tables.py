"""What passes through the main tier in the steps of the event engine: the sampled tables of `StepTimes`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simcore.cost.residency import Stream
from simcore.ops.op import Column, PlanColumns, StepColumns
from simcore.ops.transformer import lower
from simcore.step.price import Physics
from simcore.step.streams import kv_stream, routed_stream, weight_stream
from simcore.step.times import Axis, Floats, StepTimes, Table


def with_streams(times: StepTimes, physics: Physics, plan: PlanColumns) -> StepTimes:
    """The step times with what of weights, experts and KV passes through: sampled where the tables' own knots lie."""
    weights = weight_stream(physics.machine, physics.model, plan)
    asked, tokens = _asked(times, physics, plan)
    ahead, kv = _ahead(times, physics, plan)
    found = [stream for stream in (weights, asked, ahead) if stream is not None]
    if not found:
        return times
    constant: dict[str, Any] = {}
    if weights is not None:
        constant = {"stream_s": float(np.max(weights.stream_s)), "stream_first_s": float(np.max(weights.first_s))}
    own_ratio, wait_s = min(stream.own_ratio for stream in found), max(stream.wait_s for stream in found)
    return replace(times, stream_own_ratio=own_ratio, stream_wait_s=wait_s, **constant, **tokens, **kv)


def _asked(times: StepTimes, physics: Physics, plan: PlanColumns) -> tuple[Stream | None, dict[str, Any]]:
    """Experts that a step's tokens ask for: (their stream, fields of `StepTimes`)."""
    axis = times.dense_pure.x
    tokens = np.maximum(axis.knots(), 1.0)
    decodes, chunk = StepColumns(decode_sequences=tokens, kv_tokens=1.0), StepColumns(1.0, tokens)
    machine, model = physics.machine, physics.model
    pure, mixed = (routed_stream(machine, model, plan, lower(model, plan, step)) for step in (decodes, chunk))
    if pure is None or mixed is None:
        return None, {}
    tables = {"stream_pure": _table(axis, pure.stream_s), "stream_mixed": _table(axis, mixed.stream_s)}
    return pure, {**tables, "stream_token_first_ratio": first_ratio(pure)}


def _ahead(times: StepTimes, physics: Physics, plan: PlanColumns) -> tuple[Stream | None, dict[str, Any]]:
    """KV that is brought a layer ahead: (its stream, fields of `StepTimes`)."""
    machine, model = physics.machine, physics.model
    if kv_stream(machine, model, ()) is None:
        return None, {}
    tables, found = {}, None
    for name, table in (("stream_prefill", times.prefill), ("stream_decode", times.decode_pure)):
        assert table.y is not None
        rows, kv = (grid.ravel() for grid in np.meshgrid(table.x.knots(), table.y.knots(), indexing="ij"))
        work = np.maximum(rows, 1.0)
        step = StepColumns(1.0, work, kv) if name == "stream_prefill" else StepColumns(0.0, 0.0, 0.0, work, kv)
        found = kv_stream(machine, model, lower(model, plan, step))
        assert found is not None
        values = np.where(rows > 0.0, found.stream_s, 0.0).reshape(table.x.size, table.y.size)
        tables[name] = Table(table.x, values, table.y)
    assert found is not None
    return found, {**tables, "stream_kv_first_ratio": first_ratio(found)}


def first_ratio(stream: Stream) -> float:
    """Share of a stream that the first work waits for: one layer of those ahead, all of it on demand."""
    return float(np.max(stream.first_s)) / max(float(np.max(stream.stream_s)), 1e-30)


def _table(axis: Axis, values: Column) -> Table:
    return Table(axis, np.broadcast_to(np.asarray(values, dtype=float), (axis.size,)).copy())


def beside(times: StepTimes, step_s: Floats, experts_s: Floats | float, kv_s: Floats | float) -> Floats:
    """Seconds of steps beside their streams, of which the asked experts and the KV take so long."""
    if not times.passes:
        return step_s
    first_s = times.stream_first_s + experts_s * times.stream_token_first_ratio + kv_s * times.stream_kv_first_ratio
    all_s = times.stream_s + experts_s + kv_s
    return np.asarray(Stream(all_s, first_s, times.stream_own_ratio, times.stream_wait_s).over(step_s))


def seen_by(table: Table, tokens: Floats | float) -> Table:
    """The experts' stream where the experts see other tokens than the step's own."""
    if not np.any(table.values):
        return table
    return Table(table.x, np.asarray(np.interp(tokens, table.x.knots(), table.values)))
