"""An expert placement problem as a file: TOML or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from planners.experts import servers
from planners.experts.problem import ExpertProblem
from planners.experts.trace import Trace, generate, loads_of, read_trace, transitions_of
from simcore.errors import InputError
from simcore.spec.base import MOST_COUNT, Count, Spec
from simcore.spec.load import build, read_file, read_json


class Synthetic(Spec):
    """A generated trace."""

    layers: int = Field(ge=1, le=10_000)
    """with routed experts"""
    experts: int = Field(ge=2, le=2**15)
    """of a layer"""
    topk: Count
    """experts that a token chooses in a layer"""
    tokens: int = Field(default=20_000, ge=2, le=MOST_COUNT)
    """that are routed"""
    skew: float = Field(default=0.8, ge=0, le=1_000)
    """standard deviation of the experts' popularity in the router's scores; 0: all alike"""
    affinity: float = Field(default=1.3, ge=0, le=1_000)
    """standard deviation of what a token's topic adds to them; 0: topics do not matter"""
    seed: int = Field(default=0, ge=0)
    """of the draws"""

    @model_validator(mode="after")
    def _fits(self) -> Synthetic:
        if (choices := self.layers * self.tokens * self.topk) > MOST_CHOICES:
            raise ValueError(f"layers x tokens x topk = {choices:.2g} is more than {MOST_CHOICES:.0e} choices")
        if self.layers * self.experts**2 > MOST_PAIRS:
            raise ValueError(f"layers x experts^2 is more than {MOST_PAIRS:.0e} pairs")
        return self


MOST_CHOICES = 2e8
"""of a generated trace, which are 400 MB"""
MOST_PAIRS = 5e7
"""of experts that follow each other, each looked at many times"""


class ExpertQuestion(Spec):
    """What to place and where. One of `trace` (a file), `loads` (with `transitions` where known) or `synthetic`."""

    trace: str | None = None
    """experts that tokens chose, [tokens, layers, k]: a .npy, .parquet or .json file, relative to this one"""
    loads: tuple[tuple[float, ...], ...] | None = None
    """tokens routed, [layers, experts]"""
    transitions: tuple[tuple[tuple[float, ...], ...], ...] | None = None
    """token pairs from expert i of a layer to j of the next, [layers - 1, experts, experts]; None: loads alone count"""
    synthetic: Synthetic | None = None
    """a generated trace"""
    chips: Count
    """over which the experts of every layer are spread"""
    nodes: Count = 1
    """that hold the chips, equally many each"""
    slots: Count | None = None
    """expert copies of a layer on all chips together; None: one of each expert"""
    load_cap_ratio: float | None = Field(default=None, gt=0)
    """largest load of a layer's busiest chip over the mean, where a layer can reach it; None: several are tried"""
    load_weight: float = Field(default=1.0, ge=0)
    """in the objective, of the busiest chip's load over the mean, mean over layers"""
    cut_weight: float = Field(default=1.0, ge=0)
    """in the objective, of the share of pairs in consecutive layers whose experts lie on different chips"""
    node_hop_cost: float = Field(default=1.0, ge=1)
    """of a pair that leaves its node, where one between chips of a node costs 1"""
    previous: str | None = None
    """a placement file written before (placement.json), or a server's own"""
    move_cost: float = Field(default=0.0, ge=0)
    """in the objective, of the share of slots that change from `previous`"""

    @field_validator("loads", "transitions")
    @classmethod
    def _even_rows(cls, value: Any) -> Any:
        rows = (
            [row for layer in value for row in layer]
            if value and value[0] and isinstance(value[0][0], tuple)
            else value
        )
        for wanted in (value, rows) if value else ():
            if len({len(row) for row in wanted}) > 1:
                raise ValueError("has rows of unequal length")
        flat = [x for row in rows or () for x in row]
        if value is not None and (not flat or min(flat) < 0 or max(flat) <= 0):
            raise ValueError("must be numbers from 0, some above 0")
        return value


def read_question(path: Path) -> ExpertQuestion:
    """Read a problem file; paths in it are relative to it. Raises InputError."""
    return build(ExpertQuestion, read_file(path, "problem"), str(path))


def problem_of(question: ExpertQuestion, folder: Path = Path()) -> tuple[ExpertProblem, Trace | None]:
    """The problem, and the trace if there is one. Raises InputError for missing or contradictory sources."""
    given = [name for name in ("trace", "loads", "synthetic") if getattr(question, name) is not None]
    if len(given) != 1:
        raise InputError(
            f"gives {' and '.join(given) or 'no routing'}", key="trace", fix="give one of trace, loads, synthetic"
        )
    trace = trace_of(question, folder)
    loads = loads_of(trace) if trace is not None else np.array(question.loads, float)
    if trace is not None:
        transitions = transitions_of(trace) if trace.shape[1] > 1 else None
    else:
        transitions = None if question.transitions is None else np.array(question.transitions, float)
    fields = ("chips", "nodes", "slots", "load_cap_ratio", "load_weight", "cut_weight", "node_hop_cost", "move_cost")
    values: dict[str, Any] = {name: getattr(question, name) for name in fields}
    if question.previous:
        values["previous"] = read_placement(folder / question.previous, question.chips)
    return ExpertProblem(loads, transitions, **values), trace


def trace_of(question: ExpertQuestion, folder: Path) -> Trace | None:
    if question.synthetic is not None:
        s = question.synthetic
        if s.topk > s.experts:
            raise InputError(f"topk {s.topk} exceeds {s.experts} experts", key="synthetic.topk")
        shape = (s.layers, s.experts, s.topk)
        return generate(shape, s.tokens, skew=s.skew, affinity=s.affinity, seed=s.seed)
    return read_trace(folder / question.trace) if question.trace else None


def read_placement(path: Path, chips: int) -> Any:
    """A placement file, ours or a server's, as [layers, chips, slots per chip]."""
    try:
        found = servers.read(read_json(path), chips)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InputError("is no array of whole numbers", file=str(path), key="expert_of_slot") from None
    if found is None:
        fix = "give a placement.json written by this command, or a server's file"
        raise InputError("has no expert_of_slot", file=str(path), fix=fix)
    return found
