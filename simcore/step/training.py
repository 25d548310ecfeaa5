"""The work of a training microbatch in seconds by class: operators priced by the laws that serving uses.

Nothing here depends on a framework's constants: `Work` is what a chip's kernels and links take by themselves, and
`pass_s` puts a framework's constants on it. So a fit, a search over plans and one answer read the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from simcore.cost.base import CostModel
from simcore.cost.far_links import Place, far_s, place
from simcore.cost.machine import Machine
from simcore.ops.build import collective
from simcore.ops.op import Column, Op
from simcore.ops.training import PASSES, STATE, Pass, Passes, Share, embedding, head, layer
from simcore.spec.model import ModelSpec
from simcore.step.framework import Framework

EXCHANGES = ("tp", "ep", "cp")
LIGHT = ("elementwise", "score", "cast")
SMALL_GRAIN = {"forward": 1.0, "input": 1.0, "weight": 0.5}
"""kernels that the host launches in a pass over those of a forward pass"""
Seconds = dict[str, Column]


@dataclass(frozen=True)
class Work:
    """Seconds by class of each pass, [plans].

    Classes: matrix, expert, attention, state, product, elementwise, score, cast; the collectives tp, ep, cp inside a
    node and tp_far, ep_far, cp_far between nodes at full rate.
    """

    passes: dict[Pass, Seconds]
    flop: Column
    """of the forward pass on one chip"""
    is_expert: bool = False

    def of(self, name: Pass) -> Seconds:
        return self.passes[name]

    def scaled(self, ratio: dict[str, float]) -> Work:
        """The same with some classes of the forward pass scaled."""
        kept = {name: value * ratio.get(name, 1.0) for name, value in self.of("forward").items()}
        return replace(self, passes={**self.passes, "forward": kept})


@dataclass(frozen=True)
class Trainee:
    """What turns a share of a microbatch into seconds."""

    model: ModelSpec
    machine: Machine
    cost_model: CostModel
    kept: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def layers(self, share: Share) -> tuple[tuple[int, Work], ...]:
        """(layers, the work of one) of each group; scalars are remembered."""
        if any(np.ndim(getattr(share, name)) for name in ("tp", "cp", "ep", "expert_tp", "sp", "sequences")):
            return self._layers(share)
        if share not in self.kept:
            self.kept[share] = self._layers(share)
        found: tuple[tuple[int, Work], ...] = self.kept[share]
        return found

    def ends(self, share: Share) -> tuple[Work, Work]:
        """(embedding, head) of one plan, remembered."""
        key = ("ends", share)
        if key not in self.kept:
            self.kept[key] = (self.embedding(share), self.head(share))
        found: tuple[Work, Work] = self.kept[key]
        return found

    def _layers(self, share: Share) -> tuple[tuple[int, Work], ...]:
        found = []
        for group in self.model.layers:
            routed = any(f.routed_experts for f in group.ffn)
            found.append((group.count, replace(self.work(layer(self.model, group, share), share), is_expert=routed)))
        return tuple(found)

    def embedding(self, share: Share) -> Work:
        """Of the first stage."""
        return self.work(embedding(self.model, share), share)

    def head(self, share: Share) -> Work:
        """Of the last stage: norm, head, loss."""
        return self.work(head(self.model, share), share)

    def work(self, passes: Passes, share: Share) -> Work:
        """Priced operations by class."""
        found: dict[Pass, Seconds] = {}
        for name in PASSES:
            ops = list(passes.of(name))
            with np.errstate(divide="ignore", invalid="ignore"):
                costs = self.cost_model.costs(ops, self.machine, share.plan, True)
            seconds: Seconds = {}
            for op, cost in zip(ops, costs, strict=True):
                if op.role == "none":
                    for label, time_s in self.exchange(op, cost.network_s).items():
                        seconds[label] = seconds.get(label, 0.0) + time_s
                else:
                    label = class_of(op)
                    time_s = op.count * self.kernel_s(op, np.maximum(cost.compute_s, cost.memory_s))
                    seconds[label] = seconds.get(label, 0.0) + time_s
            found[name] = seconds
        flop = sum((op.count * op.flop for op in passes.forward if op.role != "vector"), 0.0)
        return Work(found, flop)

    def dispatch(self, op: Op, at: Place) -> Column:
        """Tokens to the experts' nodes, each once per node (DeepSeek-V3 technical report, section 3.2.2)."""
        topk, sent = op.shape["topk"], op.shape["row_bytes"]
        assert not isinstance(topk, str) and not isinstance(sent, str)
        nodes = np.maximum(at.group / at.inside, 1.0)
        reached = (nodes - 1.0) * (1.0 - (1.0 - 1.0 / nodes) ** topk)
        found = sent * reached / at.card_bytes_per_s + at.latency_s
        return np.where(at.crosses, found, 0.0)

    def group(self, name: str, size_bytes: float, ranks: float, stride: float) -> Seconds:
        """One collective over data-parallel ranks: dp inside a node, dp_far between nodes; remembered."""
        key = (name, size_bytes, ranks, stride)
        if key not in self.kept:
            op = replace(collective(name, "dp", 1.0, size_bytes, ranks, stride), part="dp")
            plan = Share(1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0).plan
            near = self.cost_model.costs([op], self.machine, plan, True)[0].network_s
            self.kept[key] = self.exchange(op, near)
        found: Seconds = self.kept[key]
        return found

    def kernel_s(self, op: Op, time_s: Column) -> Column:
        """Elementwise kernels stream from the main tier: a training step's tensors do not stay in L2."""
        if op.kind == "elementwise" and op.role == "vector":
            return op.cache_bytes / self.machine.memory_bytes_per_s
        return time_s

    def exchange(self, op: Op, near_s: Column) -> Seconds:
        """A collective inside a node by the measured law, between nodes at the full rate of the cards."""
        size = op.shape["message_bytes"]
        assert not isinstance(size, str)
        at = place(self.machine, op.group, op.stride)
        far = far_s(at, str(op.shape["op"]), size) if "topk" not in op.shape else self.dispatch(op, at)
        return {op.part: op.count * np.where(at.crosses, 0.0, near_s), f"{op.part}_far": op.count * far}


def class_of(op: Op) -> str:
    """Which constant an operation's time stands under."""
    if op.part in ("product", "score", "cast"):
        return op.part
    if op.kind == "gemm":
        return "expert" if op.role == "expert" else "matrix"
    if op.kind in STATE:
        return "state"
    return "attention" if op.kind != "elementwise" else "elementwise"


def compute_s(work: Seconds, constants: Framework, name: Pass = "forward") -> Column:
    """Seconds of a pass's kernels under a framework's constants."""
    light = sum((work.get(label, 0.0) for label in LIGHT), 0.0)
    dense = work.get("matrix", 0.0) * constants.matrix_ratio + work.get("expert", 0.0) * constants.expert_ratio
    units = (
        dense * (constants.weight_ratio if name == "weight" else 1.0)
        + work.get("attention", 0.0) * constants.attention_ratio
        + work.get("state", 0.0) * constants.state_ratio
        + work.get("product", 0.0) / constants.product_ratio
    )
    return units / constants.unit_share + light / constants.memory_ratio


def exchange_s(work: Seconds, constants: Framework, name: str) -> Column:
    """Seconds of one class of collectives."""
    far = constants.exchange_ratio if name == "ep" else constants.card_ratio
    return work.get(name, 0.0) * constants.link_ratio + work.get(f"{name}_far", 0.0) / far


@dataclass(frozen=True)
class Hidden:
    """Classes of collectives that run beside computation; `graph` scales the host's time."""

    tp: bool = False
    ep: bool = False
    cp: bool = True
    graph_ratio: float = 1.0


def pass_s(
    works: list[tuple[Pass, Work]], constants: Framework, hidden: Hidden, tp: Column, ratio: float = 1.0
) -> Column:
    """Seconds of passes of one layer that run together, [plans]; `ratio` on its computation (a straggler)."""
    busy: Column = 0.0
    host: Column = 0.0
    open_s: Column = 0.0
    beside: Column = 0.0
    for name, work in works:
        seconds = work.of(name)
        busy = busy + compute_s(seconds, constants, name) * ratio
        host = host + SMALL_GRAIN[name] * constants.host_s(tp, work.is_expert) * hidden.graph_ratio
        for label in EXCHANGES:
            time_s = exchange_s(seconds, constants, label)
            if getattr(hidden, label):
                beside = beside + time_s
            else:
                open_s = open_s + time_s
    if np.any(np.asarray(beside) > 0):
        busy = constants.hidden(busy, beside)
    return constants.paced(busy + open_s, host)


def attention_only(work: Work) -> Work:
    """The part of a forward pass that selective recomputation repeats: the core of attention."""
    kept = {name: value for name, value in work.of("forward").items() if name in ("attention", "product", "score")}
    return replace(work, passes={**work.passes, "forward": kept})
