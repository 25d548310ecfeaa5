"""Layers whose tensors have formats of their own: what their operations read, and which format they are priced in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from simcore.ops.op import Column, Op, PlanColumns
from simcore.spec.formats import number_format
from simcore.spec.layer_formats import LayerFormats
from simcore.spec.model import LayerGroup, ModelSpec


def plan_of_mixer(plan: PlanColumns, group: LayerGroup) -> PlanColumns:
    """The plan as the group's mixer reads it; the same object where the group has no formats of its own."""
    own = group.formats
    if own is None:
        return plan
    weights = _bytes(own.of("mixer"), plan.weight_bytes)
    return replace(plan, weight_bytes=weights, kv_bytes=_bytes(own.of("kv"), plan.kv_bytes))


def plan_of_ffn(plan: PlanColumns, group: LayerGroup) -> PlanColumns:
    """The plan as the group's feed-forward blocks read it."""
    own = group.formats
    if own is None:
        return plan
    weights = _bytes(own.of("ffn"), plan.weight_bytes)
    return replace(plan, weight_bytes=weights, expert_bytes=_bytes(own.of("experts"), plan.expert_bytes))


def _bytes(name: str | None, else_bytes: Column) -> Column:
    return else_bytes if name is None else number_format(name).bytes_per_element


def in_formats(ops: list[Op], own: LayerFormats | None, matrices: str) -> list[Op]:
    """A block's operations with the format that each is priced in; `matrices` is the class of its plain ones."""
    if own is None:
        return ops
    kinds = {"matrix": own.of(matrices), "expert": own.of("experts"), "attention": own.of("kv")}
    return [_in(op, kinds.get(op.role)) for op in ops]


def _in(op: Op, name: str | None) -> Op:
    return op if name is None or op.name == "router" else replace(op, format=name)


def named(model: ModelSpec) -> tuple[str, ...]:
    """Formats that layers of a model name."""
    found: Iterable[str] = (name for g in model.layers if g.formats is not None for name in g.formats.names)
    return tuple(dict.fromkeys(found))
