"""Step times of attention-dp ranks that share their experts: what each does alone, and what all do together.

Before and after every expert layer the ranks exchange their tokens, so that a step lasts as long as the slowest rank's
own part plus the experts' part for the tokens of all. `simcore.engine.rank_groups` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simcore.ops.op import PlanColumns, StepColumns
from simcore.step.price import Physics, price
from simcore.step.served import NOTHING
from simcore.step.times import Axis, Floats, StepTimes, Table


@dataclass(frozen=True)
class SharedSteps:
    """Step times of ranks in lockstep."""

    own: StepTimes
    """of one rank, by its own tokens: everything that it does alone"""
    shared: StepTimes
    """of all ranks together: `dense_*` and `communication` by the sum of their tokens; its other tables are not read"""
    padded_tokens: int = 0
    """up to so many tokens on the fullest rank all are padded to it (captured graphs); above, each sends its own"""


def split_experts(times: StepTimes, physics: Physics, plan: PlanColumns, padded_tokens: int) -> SharedSteps:
    """Step times of one plan with attention-dp ranks (`physics_step_times`) as a rank's own part and the experts'.

    The experts' part is that of their matrices, of sorting tokens to them and of the exchange, by the tokens of all
    ranks.
    """
    ranks = float(np.max(plan.attention_dp))
    axis = Axis(times.dense_pure.x.highest * ranks, linear_count=times.dense_pure.x.linear_count)
    each = np.maximum(axis.knots(), 1.0) / ranks
    pure = _experts_s(physics, plan, StepColumns(decode_sequences=each, kv_tokens=1.0), True)
    mixed = _experts_s(physics, plan, StepColumns(prefill_sequences=np.ones_like(each), prefill_tokens=each), False)

    def rest(table: Table, part_s: Floats) -> Table:
        tokens = np.maximum(table.x.knots(), 1.0) * ranks
        return Table(table.x, np.maximum(table.values - np.interp(tokens, axis.knots(), part_s), 0.0))

    own = replace(
        times,
        dense_pure=rest(times.dense_pure, pure[0]),
        dense_mixed=rest(times.dense_mixed, mixed[0]),
        communication=rest(times.communication, mixed[1]),
    )
    experts = replace(
        times,
        dense_pure=Table(axis, pure[0]),
        dense_mixed=Table(axis, mixed[0]),
        communication=Table(axis, mixed[1]),
    )
    return SharedSteps(own, experts, padded_tokens)


def _experts_s(physics: Physics, plan: PlanColumns, step: StepColumns, graphs: bool) -> tuple[Floats, Floats]:
    """Seconds of the experts' work and of their exchange in one step, `[steps]`."""
    priced = price(replace(physics, served=NOTHING), plan, step, graphs)
    work = priced.only(lambda op: op.kind == "moe" or op.name == "expert_combine").sum()
    exchange = priced.only(lambda op: op.name in EXCHANGE).sum()
    steps = np.zeros(np.size(step.tokens))
    return steps + sum(work.values()), steps + sum(exchange.values())


EXCHANGE = ("all_to_all_dispatch", "all_to_all_combine")
