"""What runs beside a model of a shared fleet: adapters of its requests, a draft model with a plan of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scenarios.resolved import Resolved, resolve
from scenarios.steps import hardware_steps
from simcore.cost.memory import kv_bytes_per_sequence, weight_bytes
from simcore.errors import InputError, said_in
from simcore.kept.lazy import dataclass
from simcore.spec.models_part import SharedModelPart
from simcore.spec.scenario import Scenario
from simcore.step.times import StepTimes, Table

ADAPTER_ELEMENT_BYTES = 2.0


@dataclass(frozen=True)
class Beside:
    """Memory and time of what runs beside a model, on one chip."""

    held_bytes: float = 0.0
    """weights of draft and adapters"""
    kv_ratio: float = 1.0
    """share of the KV pool that is the model's own; the rest is the draft's"""
    draft: Resolved | None = None
    adapter_bytes: float = 0.0
    adapters: int = 0


def beside_of(scenario: Scenario, part: SharedModelPart, found: Resolved) -> Beside:
    """Sizes. Raises InputError for a draft without tokens, or with more chips than the model has."""
    whole = float(np.max(weight_bytes(found.model, found.columns)))
    ratio = min(1.0, 2.0 * part.adapter_rank / found.model.hidden_size)
    each = whole / float(np.max(found.columns.weight_bytes)) * ratio * ADAPTER_ELEMENT_BYTES if part.adapters else 0.0
    if part.draft is None:
        return Beside(part.adapters * each, adapter_bytes=each, adapters=part.adapters)
    key = f"models.{part.name}.draft"
    if not found.scenario.policy.draft_tokens:
        raise InputError("drafts no tokens", file=scenario.file, key=key, fix="set policy.draft_tokens and acceptance")
    update: dict[str, Any] = {
        "model": part.draft.model,
        "plan": part.draft.plan or found.scenario.plan,
        "residency": {},
    }
    update |= {"models": (), "jobs": (), "policy": found.scenario.policy.model_copy(update={"draft_tokens": 0})}
    with said_in(scenario.file, key, part.draft.model_fields_set):
        draft = resolve(scenario.model_copy(update=update)).checked()
    if draft.plan.replica_chips > found.plan.replica_chips:
        what = f"has {draft.plan.replica_chips} chips, the model {found.plan.replica_chips}"
        raise InputError(what, file=scenario.file, key=f"{key}.plan", fix="draft on no more")
    own, theirs = (float(np.max(kv_bytes_per_sequence(r.model, r.columns, 1024.0))) for r in (found, draft))
    held = float(np.max(weight_bytes(draft.model, draft.columns))) + part.adapters * each
    return Beside(held, own / (own + theirs), draft, each, part.adapters)


def beside_times(times: StepTimes, beside: Beside, found: Resolved) -> StepTimes:
    """Step times with adapters and draft."""
    if beside.adapters:
        times = with_adapters(times, beside, found)
    if beside.draft is not None:
        times = with_draft(times, hardware_steps(beside.draft), found.scenario.policy)
    return times


def with_adapters(times: StepTimes, beside: Beside, found: Resolved) -> StepTimes:
    """Every step reads the adapters that its tokens use, A (1 - (1 - 1 / A)^tokens) of A asked alike, and multiplies.

    Wrong high for chunks, whose tokens are of few requests; wrong where kernels of many adapters fall short of the
    peaks.
    """
    machine, count = found.machine, float(beside.adapters)
    elements = beside.adapter_bytes / ADAPTER_ELEMENT_BYTES

    def longer(table: Table) -> Table:
        tokens = table.x.knots()
        touched = count * (1.0 - (1.0 - 1.0 / count) ** tokens)
        read_s = touched * beside.adapter_bytes / float(np.max(machine.memory_bytes_per_s))
        work_s = 2.0 * elements * tokens / float(np.max(machine.matrix_flop_per_s))
        return Table(table.x, table.values + np.maximum(read_s, work_s))

    return replace(times, dense_pure=longer(times.dense_pure), dense_mixed=longer(times.dense_mixed))


def with_draft(times: StepTimes, draft: StepTimes, policy: Any) -> StepTimes:
    """A step of decodes drafts first: as many steps of the draft model as tokens, on each sequence's own KV; chunks
    pass through both models.

    A step with rows = sequences x (1 + tokens x width) of the model has so many sequences. Wrong where drafts are made
    beside a chunk, whose steps here draft nothing, and for joules: a draft draws idle power.
    """
    depth, rows = float(policy.draft_tokens), 1.0 + float(policy.draft_tokens * policy.draft_width)

    def at(table: Table, x: Any) -> Any:
        return np.interp(x, table.x.knots(), table.values)

    def drafted(table: Table) -> Table:
        sequences = table.x.knots() / rows
        own_s = at(draft.dense_pure, sequences) + at(draft.head, sequences) + at(draft.communication, sequences)
        return Table(table.x, table.values + depth * (own_s + draft.host_pure_s) * (sequences > 0))

    def longer(table: Table) -> Table:
        theirs = draft.decode_pure
        assert table.y is not None and theirs.y is not None
        by_kv = np.stack([at(Table(theirs.x, column), table.x.knots() / rows) for column in theirs.values.T], axis=1)
        found = np.stack([np.interp(table.y.knots(), theirs.y.knots(), row) for row in by_kv])
        return Table(table.x, table.values + depth * found, table.y)

    def chunked(table: Table) -> Table:
        tokens = table.x.knots()
        return Table(table.x, table.values + at(draft.dense_mixed, tokens) + at(draft.communication, tokens))

    own, theirs = times.prefill, draft.prefill
    return replace(
        times,
        dense_pure=drafted(times.dense_pure),
        decode_pure=longer(times.decode_pure),
        dense_mixed=chunked(times.dense_mixed),
        prefill=Table(own.x, own.values + theirs.values, own.y),
    )
