"""Parts for chips that several models and jobs share: [[models]] and [[jobs]]."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from simcore.spec.base import Count, Spec, Whole
from simcore.spec.plan_part import PlanPart
from simcore.spec.policy_part import PolicyPart
from simcore.units import Seconds


class ModelPart(Spec):
    """Which model: a shipped name, a Hugging Face name, a path, or the tables of a model file in place."""

    model_config = ConfigDict(extra="allow")
    name: str = ""
    """shipped, of Hugging Face, or a path; left out where the tables of a model file stand in its place"""

    @property
    def value(self) -> str | dict[str, Any]:
        """The name or path, or the inline table."""
        extra = dict(self.model_extra or {})
        return {"name": self.name or "inline", **extra} if extra else self.name


class DraftPart(Spec):
    """A model that drafts the tokens which another verifies, `policy.draft_tokens` at a time."""

    model: ModelPart
    """the one that drafts"""
    plan: PlanPart | None = None
    """None: that of the model that verifies; else as many chips of it, the others wait"""


MOST_COPIES = 10_000
"""of one model: each is a replica of the event engine"""


class SharedModelPart(Spec):
    """A model of a fleet that several share; what is not said is as in the scenario."""

    name: str
    """what requests ask for: a class of the trace, else drawn by `share`"""
    model: ModelPart | None = None
    """None: the scenario's"""
    copies: Annotated[int, Field(ge=1, le=MOST_COPIES)] = 1
    """models alike, each with weights of its own (fine-tuned experts of one base)"""
    share_ratio: float = Field(default=1.0, alias="share", gt=0)
    """of the requests, relative to the others', all copies together"""
    skew_ratio: float = Field(default=0.0, ge=0, le=4)
    """exponent of Zipf's law of the copies' popularity"""
    plan: PlanPart | None = None
    """None: the scenario's"""
    policy: PolicyPart | None = None
    """None: the scenario's"""
    replicas: tuple[Whole, ...] | None = Field(default=None, min_length=1)
    """those that may serve it; None: all"""
    adapters: Whole = 0
    """of low rank, asked for alike, all in the main tier; requests of different ones share steps"""
    adapter_rank: Count = 16
    """of each of the `adapters`, on every matrix"""
    draft: DraftPart | None = None
    """a model that drafts for it; None: none does"""


class JobPart(Spec):
    """Work without users in the slack of the chips that serve."""

    name: str
    """by which answers name it"""
    kind: Literal["finetune"] = "finetune"
    """what the work is: fine-tuning"""
    step_s: Seconds | None = Field(default=None, alias="step", gt=0)
    """how long a step of inference with tokens of the job may last; None: slo.tpot"""
    tokens: float | None = Field(default=None, gt=0)
    """to be trained on by each replica; None: as many as there is time for"""
    training: dict[str, Any] = Field(default_factory=dict)
    """as [training]: sequence_tokens, tune, lora_rank, ... of the scenario's model and plan"""
