"""A scenario with its names looked up and its load as one batch: what the analytic engine and planners evaluate."""

from __future__ import annotations

from pydantic import Field

from simcore.spec.base import Spec
from simcore.spec.demand import Demand
from simcore.spec.economics import Economics
from simcore.spec.model import ModelSpec
from simcore.spec.plan import ParallelPlan
from simcore.spec.policy import ServingPolicy
from simcore.spec.stack import Stack
from simcore.spec.system import System
from simcore.step.served import Served


class Case(Spec):
    """A value: equal scenarios have equal answers."""

    model: ModelSpec
    system: System
    plan: ParallelPlan = ParallelPlan.plain()
    policy: ServingPolicy = ServingPolicy.plain()
    demand: Demand
    economics: Economics
    batch: int = Field(default=1, ge=1)
    """requests in flight per replica"""
    stack: str | Stack = "datasheet"
    """a shipped one by name, or one's own"""
    served: Served | None = None
    """what its server adds; None: what calibration says of the stack"""
    expert_stack: str | None = None
    """whose expert kernels the server runs; None: the stack's"""
    waves: float = 0.0
    """requests per user of a run whose users all start at once; 0: a steady state"""
    quantile: float = Field(default=0.5, gt=0, lt=1)
    """of the input length at which TTFT is told"""
    seed: int = 0
