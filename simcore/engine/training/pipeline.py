"""A pipeline schedule run with the seconds of its stages: one compiled loop over the orders of all ranks.

Every operation starts when its rank is free and what it needs has arrived: a forward pass its predecessor's, a backward
pass its successor's (the last stage its own forward pass), a weight gradient its input gradient. Between ranks an
arrival takes `latency_s`. Nothing is preempted and nothing is reordered, so the result is exact for the order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from simcore.cost.jit import njit_with_memory as njit
from simcore.engine.training.schedules import schedules
from simcore.engine.training.schedules._base import FORWARD, INPUT, PAIR, WEIGHT, Ints
from simcore.errors import InputError
from simcore.ops.op import Array

MOST_OPERATIONS = 400_000_000


@dataclass(frozen=True)
class Program:
    """Orders of all ranks of one schedule, and what each operation waits for."""

    name: str
    rank_of: NDArray[np.int32]
    """[stages], through the chains"""
    starts: NDArray[np.int64]
    """[ranks + 1] rows of `rows`"""
    rows: Ints
    """[operations, 3] kind, cell, other cell"""
    microbatches: int
    """per chain"""
    needs: Ints
    """[operations, 2] events that it waits for; -1: none. Event c: cell c went forward; cells + c: it went back"""
    late: NDArray[np.bool_]
    """[operations, 2] whether that event comes from another rank"""
    gives: Ints
    """[operations, 2] events that it is; a spare one where it is none"""

    @property
    def ranks(self) -> int:
        return len(self.starts) - 1

    @property
    def stages(self) -> int:
        return len(self.rank_of)

    @cached_property
    def kinds(self) -> Ints:
        return np.ascontiguousarray(self.rows[:, 0])

    @cached_property
    def stage(self) -> Ints:
        """[operations] of the first cell."""
        return self.rows[:, 1] // self.microbatches

    @cached_property
    def partner(self) -> Ints:
        """[stages] the stage whose backward pass a stage's forward pass is paired with."""
        found = np.arange(self.stages, dtype=np.int32)
        pairs = self.kinds == PAIR
        found[self.stage[pairs]] = self.other[pairs]
        return found

    @cached_property
    def priced(self) -> NDArray[np.int64]:
        """[operations] where its seconds stand: kind x stages + stage."""
        stage = np.where(self.kinds == PAIR, self.stage, self.other)
        return self.kinds.astype(np.int64) * self.stages + stage

    @cached_property
    def other(self) -> Ints:
        """[operations] stage of what goes back in a pair, else of the cell."""
        return np.where(self.kinds == PAIR, self.rows[:, 2] // self.microbatches, self.stage)


@dataclass(frozen=True)
class StageTimes:
    """Seconds and bytes of every stage, [stages] in the order of the chains."""

    forward_s: Array
    input_s: Array
    """the pass of input gradients"""
    weight_s: Array
    pair_s: Array | None = None
    """of a forward pass of this stage over another's backward pass; None: their sum"""
    latency_s: float = 0.0
    """from one rank to the next"""
    held_bytes: Array | None = None
    """kept by a microbatch from its forward pass to its last gradient; None: 1 each"""

    def lengths_s(self, found: Program) -> Array:
        """Seconds of every operation."""
        forward, inputs, weights = (np.asarray(t, float) for t in (self.forward_s, self.input_s, self.weight_s))
        pairs = forward + (inputs + weights)[found.partner] if self.pair_s is None else np.asarray(self.pair_s, float)
        return np.concatenate([forward, inputs + weights, inputs, weights, pairs])[found.priced]

    def peaks_bytes(self, found: Program) -> Array:
        """[ranks] the most that its stages hold at once: a rank's order says it, whatever the seconds."""
        held = np.ones(found.stages) if self.held_bytes is None else np.asarray(self.held_bytes, float)
        kinds = found.kinds
        taken = np.where((kinds == FORWARD) | (kinds == PAIR), held[found.stage], 0.0)
        freed = np.where((kinds == FORWARD) | (kinds == INPUT), 0.0, held[found.other])
        level = np.cumsum(taken) - np.cumsum(freed) + freed
        spans = zip(found.starts[:-1], found.starts[1:], strict=True)
        return np.array([level[a:b].max() - (level[a] - taken[a]) for a, b in spans])


@dataclass(frozen=True)
class Pipelined:
    """A schedule's outcome."""

    time_s: float
    busy_s: Array
    """[ranks]"""
    begins_s: Array
    """[operations] as the rows of the program"""
    ends_s: Array
    program: Program
    times: StageTimes

    @cached_property
    def peak_bytes(self) -> Array:
        """[ranks] most that its stages hold at once."""
        return self.times.peaks_bytes(self.program)

    @property
    def bubble_ratio(self) -> float:
        """Share of the ranks' time in which they wait."""
        return max(0.0, 1.0 - float(np.mean(self.busy_s)) / self.time_s) if self.time_s else 0.0


def program(name: str, ranks: int, chunks: int, microbatches: int) -> Program:
    """The orders of a schedule. Raises UnknownName, and InputError where it cannot run so."""
    module = schedules.implementation(name)
    refusal = module.problem(ranks, chunks, microbatches)
    if refusal:
        raise InputError(refusal, key="training.schedule")
    if 3 * ranks * chunks * microbatches > MOST_OPERATIONS:
        raise InputError("the schedule has too many operations", key="training.global_batch")
    return _program(module.order, module.place, name, (ranks, chunks, microbatches), module.SPLITS)


@lru_cache(maxsize=512)
def _program(
    order: Callable[..., int], place: Callable[[int, int], Ints], name: str, shape: tuple[int, int, int], splits: bool
) -> Program:
    ranks, chunks, microbatches = shape
    chains = place(ranks, chunks)
    room = (3 if splits else 2) * microbatches * chunks
    rows = np.zeros((ranks * room, 3), np.int32)
    starts = np.zeros(ranks + 1, np.int64)
    for rank in range(ranks):
        used = order(rank, ranks, chunks, microbatches, rows[starts[rank] :])
        starts[rank + 1] = starts[rank] + used
    rows, each = rows[: starts[-1]], microbatches // len(chains)
    return Program(name, chains.ravel(), starts, rows, each, *_events(chains, rows, each))


def _events(chains: Ints, rows: Ints, microbatches: int) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """(events needed, whether they travel, events given) of every operation."""
    count, length = chains.shape
    stages = np.arange(count * length, dtype=np.int32).reshape(count, length)
    before, after = np.full_like(stages, -1), np.full_like(stages, -1)
    before[:, 1:], after[:, :-1] = stages[:, :-1], stages[:, 1:]
    befores, afters, rank_of = before.ravel(), after.ravel(), chains.ravel()
    cells = count * length * microbatches
    kinds = rows[:, 0]
    ahead = (kinds == FORWARD) | (kinds == PAIR)
    returns = (kinds != FORWARD) & (kinds != WEIGHT)
    back = np.where(kinds == PAIR, rows[:, 2], rows[:, 1])
    needs, late = np.full((len(rows), 2), -1, np.int32), np.zeros((len(rows), 2), bool)
    gives = np.full((len(rows), 2), 2 * cells, np.int32)
    for column, cell, wanted, feeds, base in ((0, rows[:, 1], ahead, befores, 0), (1, back, returns, afters, cells)):
        stage = cell // microbatches
        source = feeds[stage]
        own = -1 if column == 0 else cell
        fed = np.where(source >= 0, base + cell + (source - stage) * microbatches, own)
        needs[wanted, column] = fed[wanted]
        late[:, column] = wanted & (source >= 0) & (rank_of[source] != rank_of[stage])
        gives[wanted, column] = (base + cell)[wanted]
    return needs, late, gives


def run(found: Program, times: StageTimes) -> Pipelined:
    """Seconds of a whole schedule. Raises InputError for an order in which ranks wait for each other forever."""
    lengths = times.lengths_s(found)
    begins, ends = np.zeros(len(found.rows)), np.zeros(len(found.rows))
    events = np.full(2 * found.stages * found.microbatches + 1, -1.0)
    graph = (found.starts, found.needs, found.late, found.gives)
    if _run(*graph, lengths, float(times.latency_s), events, begins, ends) < len(found.rows):
        raise InputError(f"ranks of schedule {found.name!r} wait for each other", key="training.schedule")
    busy = np.add.reduceat(lengths, found.starts[:-1])
    return Pipelined(float(ends.max(initial=0.0)), busy, begins, ends, found, times)


@njit(cache=True)
def _run(starts, needs, late, gives, lengths, latency_s, events, begins, ends):  # type: ignore[no-untyped-def]
    """How many operations ran: each rank goes on through its order until it must wait."""
    ranks = len(starts) - 1
    at, free = starts[:-1].copy(), np.zeros(ranks)
    done, moved = 0, True
    while moved:
        moved = False
        for rank in range(ranks):
            now = free[rank]
            row, last = at[rank], starts[rank + 1]
            while row < last:
                one, two = needs[row, 0], needs[row, 1]
                begin = now
                if one >= 0:
                    ready = events[one]
                    if ready < 0.0:
                        break
                    begin = max(begin, ready + latency_s if late[row, 0] else ready)
                if two >= 0:
                    ready = events[two]
                    if ready < 0.0:
                        break
                    begin = max(begin, ready + latency_s if late[row, 1] else ready)
                now = begin + lengths[row]
                begins[row], ends[row] = begin, now
                events[gives[row, 0]] = now
                events[gives[row, 1]] = now
                row += 1
                done += 1
                moved = True
            at[rank], free[rank] = row, now
    return done
