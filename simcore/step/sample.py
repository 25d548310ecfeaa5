"""Step tables of the event engine from the price of a step: sampled on the lattice, then changed as a server does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.ops.op import PlanColumns, StepColumns
from simcore.spec.formats import number_format
from simcore.step.overlap import Overlap, overlapped_s
from simcore.step.price import DENSE, Physics, Priced, dynamic_w, price
from simcore.step.served import NOTHING, Served, Work, changes, expert_tokens
from simcore.step.stream_tables import beside, seen_by, with_streams
from simcore.step.times import Evaluate, Floats, SampledSteps, SampleRange, StepParts, StepSample, StepTimes, Table
from simcore.step.times import sample_steps as sampled

SMALL_KERNEL_S = 2.3e-6
"""median of norms, head norms and rotation of 1 to 8 tokens in the two Qwen3 layer profiles (RTX PRO 6000, 2.0 to 3.6
us; 1.9 to 2.6 us on the RTX 4090), where the roofline and the gap between kernels of a graph say 1 us"""


def evaluate_physics(physics: Physics, plan: PlanColumns, graphs: bool = True) -> Evaluate:
    """The sampling protocol of `simcore.step.times` answered by `price`, for one plan.

    Steps with a chunk launch kernel by kernel; steps of decodes alone replay a graph where `graphs`.
    """

    def evaluate(sample: StepSample) -> StepParts:
        mixed = bool(np.any(sample.chunk_tokens > 0))
        step = StepColumns(
            prefill_sequences=np.where(sample.chunk_tokens > 0, 1.0, 0.0) if mixed else 0.0,
            prefill_tokens=sample.chunk_tokens,
            past_tokens=sample.past_tokens,
            decode_sequences=sample.decodes,
            kv_tokens=sample.kv_tokens,
        )
        return _parts(price(physics, plan, step, graphs and not mixed), len(sample.chunk_tokens))

    return evaluate


def _parts(priced: Priced, steps: int) -> StepParts:
    found = priced.sum()
    full = {name: np.broadcast_to(value, (steps,)).astype(float) for name, value in found.items()}
    zero = np.zeros(steps)
    busy = [np.broadcast_to(part, (steps,)).astype(float) for part in priced.busy_s()]
    more = {} if priced.physics.overlap is None else _kinds(priced, steps)
    return StepParts(
        Work(*(full.get(name, zero) for name in ("matrix", "expert", "elementwise"))),
        full.get("attention", zero),
        full.get("head", zero),
        full.get("communication", zero),
        full.get("launch", zero),
        (busy[0], busy[1], busy[2]),
        **more,
    )


def _kinds(priced: Priced, steps: int) -> dict[str, Any]:
    """Of steps whose micro-batches overlap: what of their dense work is of which kind, units that attention holds."""
    (matrix, memory, _, _), (held, fed) = priced.kinds(DENSE)
    attention = priced.kinds(("attention",))
    units = attention[0][0] + attention[1][0]
    columns = [np.broadcast_to(column, (steps,)).astype(float) for column in (memory, held, fed, units)]
    return {"kinds": tuple(columns), "work_s": np.broadcast_to(matrix + memory, (steps,)).astype(float)}


@dataclass(frozen=True)
class RawSteps:
    """Sampled steps of one plan as the operators say; `served_steps` makes any server's of them without asking the
    cost model again."""

    sampled: SampledSteps
    layers: int
    ranks: float
    """attention-dp ranks that share the experts"""
    physics: Physics
    """what power follows"""
    chips: float
    """at work in a step, of a stage (and an attention-dp rank)"""
    eight_bit: bool
    """dense matrices with one scale per tensor or row, whose quantisation a norm can do"""
    pace: float = 1.0
    graphs: bool = True
    """steps of decodes alone run from a graph"""


def raw_steps(
    physics: Physics, plan: PlanColumns, graphs: bool = True, reach: SampleRange | None = None, **fields: Any
) -> RawSteps:
    """Sample one plan's steps; `fields` (overlap, source) go to `StepTimes`.

    Energy is the board's, above idle, of the stage at work; `idle_w` is the idle power of all chips of the replica.
    With attention-dp both are one rank's: each rank is a replica of the engine.
    """
    machine = physics.machine
    resident = machine.with_fields(weights_away_ratio=0.0, experts_away_ratio=0.0, kv_ahead_bytes_per_s=np.inf)
    plain = replace(physics, served=NOTHING, machine=resident)
    found = sampled(evaluate_physics(plain, plan, graphs), reach or SampleRange(), overlap=physics.overlap, **fields)
    chips = float(np.max(plan.replica_chips / plan.attention_dp))
    stages = float(np.max(plan.pp))
    idle_w, tdp_w = float(np.max(machine.idle_w)), float(np.max(machine.tdp_w))
    most_w = max(tdp_w - idle_w, 0.0) * chips / stages
    times = with_streams(replace(found.times, idle_w=idle_w * chips, most_w=most_w), physics, plan)
    return RawSteps(
        replace(found, times=times),
        physics.model.layer_count,
        float(np.max(plan.attention_dp)),
        plain,
        float(np.max(plan.replica_chips / plan.pp / plan.attention_dp)),
        number_format(physics.machine.formats[0]).name == "fp8",
        stages * float(np.ceil(physics.model.layer_count / stages)) / physics.model.layer_count,
        graphs,
    )


def served_steps(raw: RawSteps, served: Served = NOTHING) -> StepTimes:
    """`StepTimes` of a server. Empty steps cost nothing but its host time."""
    times = raw.sampled.times
    if not served.adds:
        return with_energy(raw, times)
    tokens = np.maximum(times.dense_pure.x.knots(), 1.0)

    parts = repeats_of(times.overlap, tokens)

    def dense(work: Work, launch_s: Floats | float, chunk: bool) -> tuple[Table, Floats]:
        """The table of all of it, and by how much the work itself is longer."""
        seen = expert_tokens(served, tokens, raw.ranks, chunk)
        here = replace(work, expert=np.interp(seen, tokens, work.expert))
        captured = served.captured_tokens(chunk, raw.graphs)
        one = Work(here.matrix / parts, here.expert / parts, here.elementwise / parts)
        found = changes(served, one, tokens / parts, raw.layers, raw.eight_bit, captured)
        longer_s = np.asarray(replace(found, gaps_s=0.0, floor_s=0.0).dense_s(one)) * parts
        found = replace(found, gaps_s=found.gaps_s * raw.pace, floor_s=found.floor_s * raw.pace)
        own_s = np.asarray(found.dense_s(one)) * parts
        whole_s = own_s if served.replaces_launch else own_s + launch_s
        return Table(times.dense_pure.x, whole_s), longer_s / np.maximum(here.total_s, 1e-30)

    def longer(table: Table) -> Table:
        return Table(table.x, table.values * served.attention_ratio, table.y)

    pure, mixed = raw.sampled.pure, raw.sampled.mixed
    dense_pure, pure_ratio = dense(pure.work, pure.launch_s, False)
    dense_mixed, mixed_ratio = dense(mixed.work, mixed.launch_s, True)
    changed = replace(
        times,
        dense_pure=dense_pure,
        dense_mixed=dense_mixed,
        prefill=longer(times.prefill),
        decode_pure=longer(times.decode_pure),
        decode_mixed=longer(times.decode_mixed),
        head=Table(times.head.x, times.head.values + served.sequence_s * times.head.x.knots()),
        stream_pure=seen_by(times.stream_pure, expert_tokens(served, tokens, raw.ranks, False)),
        stream_mixed=seen_by(times.stream_mixed, expert_tokens(served, tokens, raw.ranks, True)),
        host_pure_s=times.host_pure_s + served.step_host_s(False),
        host_mixed_s=times.host_mixed_s + served.step_host_s(True),
    )
    if times.overlap is not None:
        beside: dict[str, Any] = _beside_served(changed, raw, pure_ratio, mixed_ratio)
        changed = replace(changed, held_decode=longer(times.held_decode), **beside)
    return with_energy(raw, changed)


def repeats_of(overlap: Overlap | None, tokens: Floats) -> Floats | float:
    """How often a step of so many tokens runs through the layers: once for each micro-batch that is no tile."""
    return 1.0 if overlap is None or overlap.tiles else np.asarray(overlap.parts(tokens))


def _beside_served(times: StepTimes, raw: RawSteps, pure_ratio: Floats, mixed_ratio: Floats) -> dict[str, Table]:
    """The kinds of dense work as a server does it: longer by its ratios; the rest is launches and gaps."""
    found: dict[str, Table] = {}
    for name, parts, ratio in (("pure", raw.sampled.pure, pure_ratio), ("mixed", raw.sampled.mixed, mixed_ratio)):
        for kind in ("read", "held", "fed"):
            table = getattr(times, f"{kind}_{name}")
            found[f"{kind}_{name}"] = Table(table.x, table.values * ratio)
        dense = getattr(times, f"dense_{name}")
        found[f"host_{name}"] = Table(dense.x, np.maximum(dense.values - ratio * parts.work_s, 0.0))
    return found


def with_energy(raw: RawSteps, times: StepTimes) -> StepTimes:
    """The step times with the joules above idle that steps of that length draw: P(utilisation) x time.

    A step that takes longer than the operators say (host time, gaps) is less busy. The time at the top clock, which
    utilisation is of, differs from a slower clock's by what the operators' own does.
    """
    batch, kv = times.decode_pure.x, times.decode_pure.y
    assert kv is not None
    tokens = times.dense_mixed.x

    def at_knots(table: Table, at: Floats) -> Floats:
        return np.asarray(np.interp(at, table.x.knots(), table.values))

    if times.overlap is not None:
        return _with_energy_in_parts(raw, times)
    at = np.maximum(batch.knots(), 1.0)
    parts = (times.dense_pure, times.head, times.communication)
    rest = sum((at_knots(table, at) for table in parts), 0.0 * at) + times.host_pure_s
    asked = np.repeat(at_knots(times.stream_pure, at), kv.size)
    ahead = 0.0 if times.stream_decode.y is None else times.stream_decode.values.ravel()
    pure = _joules(raw, raw.sampled.decodes, (rest[:, None] + times.decode_pure.values).ravel(), (asked, ahead))
    chunk = np.maximum(tokens.knots(), 1.0)
    attention = raw.sampled.mixed.attention_s * _ratio(times.prefill.values, raw.sampled.times.prefill.values)
    alone = times.dense_mixed.values + at_knots(times.communication, chunk) + attention + times.host_mixed_s
    heads = at_knots(times.head, 1.0 + batch.knots())
    passing = at_knots(times.stream_mixed, chunk), _new_kv_s(times, chunk)
    mixed = [_joules(raw, raw.sampled.mixed, alone + head_s, passing) for head_s in heads]
    return replace(
        times,
        energy_pure=Table(batch, pure.reshape(batch.size, kv.size), kv),
        energy_mixed=Table(tokens, np.stack(mixed, axis=1), batch),
    )


def _with_energy_in_parts(raw: RawSteps, times: StepTimes) -> StepTimes:
    """`with_energy` of micro-batches beside each other: the same joules above idle, in less time."""
    batch, kv, tokens = times.decode_pure.x, times.decode_pure.y, times.dense_mixed.x
    assert kv is not None
    at, chunk = np.maximum(batch.knots(), 1.0), np.maximum(tokens.knots(), 1.0)
    decode = 0.0, times.decode_pure.values, times.held_decode.values
    pure_s = _in_parts_s(times, "pure", at[:, None], decode) + times.host_pure_s
    pure_s = pure_s + np.interp(at, times.head.x.knots(), times.head.values)[:, None]
    attention = raw.sampled.mixed.attention_s * _ratio(times.prefill.values, raw.sampled.times.prefill.values)
    alone_s = _in_parts_s(times, "mixed", chunk, (attention, 0.0, 0.0)) + times.host_mixed_s
    heads = np.interp(1.0 + batch.knots(), times.head.x.knots(), times.head.values)
    pure = _joules(raw, raw.sampled.decodes, pure_s.ravel())
    mixed = [_joules(raw, raw.sampled.mixed, alone_s + head_s) for head_s in heads]
    return replace(
        times,
        energy_pure=Table(batch, pure.reshape(batch.size, kv.size), kv),
        energy_mixed=Table(tokens, np.stack(mixed, axis=1), batch),
    )


def _in_parts_s(times: StepTimes, kind: str, tokens: Floats, attention: Any) -> Floats:
    """What `simcore.step.kernel.in_parts` answers, for arrays of steps."""
    overlap = times.overlap
    assert overlap is not None

    def at(name: str) -> Floats:
        table = getattr(times, name)
        return np.asarray(np.interp(tokens, table.x.knots(), table.values))

    read, host = at(f"read_{kind}"), at(f"host_{kind}")
    prefill, decode, held = attention
    product = np.maximum(at(f"dense_{kind}") - read - host, 0.0)
    work = (product + prefill, read + decode, at("communication"), host)
    rule = (overlap.parts(tokens), float(overlap.late), *overlap.stated)
    return np.asarray(overlapped_s(work, (at(f"held_{kind}") + held, at(f"fed_{kind}")), rule))


def _ratio(changed: Floats, own: Floats) -> float:
    total = float(np.sum(own))
    return float(np.sum(changed)) / total if total > 0.0 else 1.0


def _new_kv_s(times: StepTimes, chunk: Floats) -> Floats | float:
    """Seconds to bring the KV of one chunk of a new prompt."""
    if times.stream_prefill.y is None:
        return 0.0
    return np.asarray(np.interp(chunk, times.stream_prefill.x.knots(), times.stream_prefill.values[:, 0]))


NO_STREAMS = 0.0, 0.0


def _joules(
    raw: RawSteps, parts: StepParts, time_s: Floats, streams: tuple[Floats | float, Floats | float] = NO_STREAMS
) -> Floats:
    """Joules above idle of steps; `streams` are the seconds of (experts that they ask for, KV brought ahead)."""
    assert parts.busy_s is not None
    own_s = parts.dense_s + parts.attention_s + parts.head_s + parts.communication_s
    compute_s, memory_s, full_s = parts.busy_s
    at_top_s = np.maximum(time_s - own_s + full_s, full_s) if raw.physics.clock_ratio < 1.0 else time_s
    at_top_s, time_s = (beside(raw.sampled.times, part_s, *streams) for part_s in (at_top_s, time_s))
    return np.asarray(dynamic_w(raw.physics, compute_s, memory_s, at_top_s) * time_s * raw.chips)


def physics_step_times(
    physics: Physics, plan: PlanColumns, graphs: bool = True, reach: SampleRange | None = None, **fields: Any
) -> StepTimes:
    """`StepTimes` of one plan on one machine, with what its server adds."""
    return served_steps(raw_steps(physics, plan, graphs, reach, **fields), physics.served)
