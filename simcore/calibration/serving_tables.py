"""Step times of one plan sampled once: a stack's few parameters scale them without asking the cost model again."""

from __future__ import annotations

from dataclasses import replace

from simcore.ops.op import PlanColumns
from simcore.step.price import Physics
from simcore.step.sample import RawSteps, raw_steps, served_steps
from simcore.step.served import PEER_SHARE, Served
from simcore.step.times import SampleRange, StepTimes

MEASURED = Served(host_s=2.5e-4, mixed_host_s=5e-4, replaces_launch=True)
"""what every measured server has: host time per step, not fitted, with the launch of graphs in it"""


def step_parts(physics: Physics, plan: PlanColumns, reach: SampleRange) -> RawSteps:
    """Sample one plan's step times."""
    return raw_steps(physics, plan, True, reach)


def scaled(
    parts: RawSteps,
    by: Served,
    other_server: bool = False,
    peer_share: float = PEER_SHARE,
    least_expert_tokens: float = 0.0,
) -> StepTimes:
    """`StepTimes` of a stack with these parameters; `other_server`: with `other_host_s`."""
    return served_steps(
        parts, replace(by, older=other_server, peer_share=peer_share, least_expert_tokens=least_expert_tokens)
    )
