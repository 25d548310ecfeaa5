"""The best plans of a whole space: blocks in chunks of cells, two additions and a mask at full size, a running top k.

Ties are real (two overlaps that hide nothing are equal), so the order is a rule: the objective, then the bytes that a
plan needs, then its number in the space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.pareto import non_dominated
from planners.training.space import AXES, Block, blocks, modes
from planners.training.terms import Costs, Terms

Floats = NDArray[np.float64]
CHUNK = 24
"""cells at a time: their plans stay in the processor's cache"""
RANKS = ("step_time_s", "seconds_per_token", "need_bytes")


@dataclass
class Best:
    """The k best plans so far: objective, bytes, number."""

    most: int
    rows: Floats = field(default_factory=lambda: np.empty((0, 3)))

    @property
    def worst(self) -> float:
        """What a plan must not exceed to be looked at."""
        return float(self.rows[-1, 0]) if len(self.rows) >= self.most else np.inf

    def add(self, value: Floats, need: Floats, number: NDArray[np.int64]) -> None:
        """Plans that may belong to them."""
        rows = np.concatenate([self.rows, np.stack([value, need, number.astype(float)], axis=1)])
        order = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
        self.rows = rows[order[: self.most]]


@dataclass(frozen=True)
class Plan:
    """One plan of the space."""

    number: int
    step_s: float
    tokens: float
    need_bytes: float
    degrees: dict[str, int]
    switches: dict[str, int]

    def changes(self) -> dict[str, Any] | None:
        """Keys of a scenario that ask `train` for this plan; None where it has a switch that `train` does not know."""
        mode, x = modes()[self.switches["mode"]], self.switches
        sharded = mode.exchange == "sequence-parallel"
        unknown = x["weights_off"] + x["optimizer_off"] + x["dp_far"] + x["tp_far"] + x["pp_far"] + mode.offload
        again = mode.gather_again or mode.recompute == "full"
        if unknown or mode.exchange == "scattered-sends" or (sharded and not again) or x["tp_overlap"] > 1:
            return None
        plan = {f"plan.{name}": self.degrees[name] for name in ("tp", "pp", "dp", "vpp")}
        return {
            **plan,
            "plan.sp": sharded,
            "training.microbatch": self.degrees["microbatch"],
            "training.global_batch": self.degrees["batch"],
            "training.recompute": mode.recompute,
            "training.zero": x["sharded"],
            "training.overlap.dp": bool(x["dp_overlap"]),
            "training.overlap.tp": bool(x["tp_overlap"]),
        }

    def row(self) -> dict[str, float | int | str | bool]:
        """Flat, the mode in words."""
        mode = modes()[self.switches["mode"]]
        words = {"recompute": mode.recompute, "tp_exchange": mode.exchange}
        flags = {"gather_again": mode.gather_again, "activations_off": mode.offload}
        rest = {name: value for name, value in self.switches.items() if name != "mode"}
        times = {"step_time_s": self.step_s, "tokens_per_s": self.tokens / self.step_s, "need_bytes": self.need_bytes}
        return {"number": self.number, **self.degrees, **words, **flags, **rest, **times}


@dataclass(frozen=True)
class Found:
    """The answer of a search."""

    plans: int
    feasible: int
    best: list[Plan]
    frontier: list[Plan]
    """step seconds per token against bytes: none is beaten in both"""


def totals_s(terms: Terms, part: slice, sizes: tuple[int, ...]) -> Floats:
    """Seconds of every plan of some cells, [cells, *sizes]."""
    a, b, c = terms.schedule_s[part], terms.exchange_s[part], terms.optimizer_s[part]
    found = np.empty((a.shape[0], *sizes))
    np.add(a[:, :, :, None, None, None, None], b[:, :, None, None, ..., None], out=found)
    found += c[:, None, None, :, :, None, None, None, None, None]
    return found


def search(costs: Costs, chips: int, batch: int, rank_by: str = "step_time_s", top: int = 10) -> Found:
    """The best plans of the space by step time, seconds per token (MFU, cost and energy go with it) or bytes."""
    sequence = costs.job.recipe.sequence_tokens
    space = blocks(costs.job.trainee.model, chips, batch, sequence)
    best, feasible, frontier = Best(top), 0, np.empty((0, 3))
    for block in space:
        terms = costs.terms(block)
        for start in range(0, block.cells, CHUNK):
            part = slice(start, min(start + CHUNK, block.cells))
            feasible += look(terms, block, part, rank_by, best)
        frontier = kept_frontier(frontier, terms, block)
    plans = [plan_of(costs, space, int(number)) for number in best.rows[:, 2]]
    edge = [plan_of(costs, space, int(number)) for number in frontier[:, 2]]
    return Found(sum(block.plans for block in space), feasible, plans, edge)


def look(terms: Terms, block: Block, part: slice, rank_by: str, best: Best) -> int:
    """Put a chunk's best plans among the best; how many of its plans fit."""
    need = terms.need_bytes[part][..., None, None, None, None, None]
    fits = terms.need_bytes[part] <= terms.have_bytes
    inner = int(np.prod(block.sizes[4:]))
    count = int(fits.sum()) * inner
    if not count:
        return 0
    value = totals_s(terms, part, block.sizes)
    value[~fits] = np.inf
    if rank_by == "seconds_per_token":
        value /= block.batch[part].reshape(-1, *[1] * len(block.sizes))
    elif rank_by == "need_bytes":
        value = np.where(np.isfinite(value), np.broadcast_to(need, value.shape), np.inf)
    flat = value.reshape(-1)
    least = best.worst
    if flat.min() > least:
        return count
    near = np.flatnonzero(flat <= least)
    if len(near) > 4 * best.most:
        edge = np.partition(flat[near], best.most - 1)[best.most - 1]
        near = near[flat[near] <= edge]
    bytes_of = np.broadcast_to(need, value.shape).reshape(-1)[near]
    best.add(flat[near], bytes_of, near + block.first + part.start * block.per_cell)
    return count


def kept_frontier(frontier: Floats, terms: Terms, block: Block) -> Floats:
    """The frontier of seconds per token and bytes with one more block: the fastest of all plans that need the same."""
    rows = [frontier]
    for start in range(0, block.cells, CHUNK):
        part = slice(start, min(start + CHUNK, block.cells))
        found = totals_s(terms, part, block.sizes)
        count = found.shape[0]
        inner = found.reshape(count, *block.sizes[:4], -1)
        at = inner.argmin(axis=-1)
        value = np.take_along_axis(inner, at[..., None], -1)[..., 0] / block.batch[part].reshape(-1, 1, 1, 1, 1)
        need = terms.need_bytes[part]
        outer = np.arange(at.size).reshape(at.shape)
        number = block.first + part.start * block.per_cell + outer * inner.shape[-1] + at
        mask = need <= terms.have_bytes
        points = np.stack([value[mask], need[mask], number[mask].astype(float)], axis=1)
        rows.append(points[non_dominated(points[:, :2])])
    points = np.concatenate(rows)
    return points[non_dominated(points[:, :2])]


def plan_of(costs: Costs, space: list[Block], number: int) -> Plan:
    """One plan by its number: the plain way, cell by cell."""
    block = next(one for one in space if one.first <= number < one.first + one.plans)
    cell, switches = block.choice(number)
    one = block.part(cell, cell + 1)
    terms = costs.terms(one)
    step_s, need = plain(terms, switches)
    names = ("tp", "pp", "dp", "vpp", "microbatch", "batch")
    degrees = {name: int(getattr(one, name)[0]) for name in names}
    tokens = float(degrees["batch"] * costs.job.recipe.sequence_tokens)
    return Plan(number, step_s, tokens, need, degrees, switches)


def plain(terms: Terms, x: dict[str, int], cell: int = 0) -> tuple[float, float]:
    """(seconds, bytes) of one plan by the formula, one number at a time."""
    a = terms.schedule_s[cell, x["mode"], x["weights_off"], x["tp_overlap"], x["tp_far"], x["pp_far"]]
    one = (x["mode"], x["sharded"], x["dp_overlap"], x["dp_far"], x["tp_overlap"], x["tp_far"])
    b = terms.exchange_s[(cell, *one)]
    c = terms.optimizer_s[cell, x["optimizer_off"], x["sharded"]]
    need = terms.need_bytes[cell, x["mode"], x["weights_off"], x["optimizer_off"], x["sharded"]]
    return float(a) + float(b) + float(c), float(need)


def sampled(space: list[Block], count: int, seed: int = 0) -> Iterator[tuple[Block, int, dict[str, int]]]:
    """Plans drawn over the whole space: (block, cell, switches)."""
    total = sum(block.plans for block in space)
    for number in np.sort(np.random.default_rng(seed).integers(0, total, count)):
        block = next(one for one in space if one.first <= number < one.first + one.plans)
        cell, switches = block.choice(int(number))
        yield block, cell, {name: switches[name] for name in AXES}
