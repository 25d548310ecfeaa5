"""What a server adds to the operators of a step: gaps, launches, host time, its own kernels' ratios. One place for all.

Small steps take dense matrices, experts, collectives and elementwise work as the operators say: ratios on them helped
curves that were fitted and hurt models and systems that were not. `Served()` adds nothing: stacks `datasheet` and
`roofline`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from simcore.kept.lazy import dataclass
from simcore.ops.op import Array, Column

FUSED_LEAST = 0.5
"""share of the matrices' time that fusing their quantisation leaves at least"""
RAMP_TOKENS = (256.0, 1024.0)
"""between these batch sizes matrices go from memory bound to compute bound"""
PEER_SHARE = 0.2
"""how many of its tokens each other attention-dp rank adds while one prefills: most are decoding then"""

ONE_THREAD = ("launch_layer_s", "host_s", "mixed_host_s", "other_host_s", "sequence_s")
"""fields that are one host thread's work"""


@dataclass(frozen=True)
class Served:
    """Seconds and ratios of one stack; ratios multiply times, all positive. Fields that were fitted say so in
    `hardware_specs/calibration/serving`."""

    fused_layer_s: float = 0.0
    """per layer with dense matrices in eight bits (no block scales), off: their tables time the quantisation that
    servers fuse into what comes before; not on servers with `other_host_s`"""
    large_ratio: float = 1.0
    """dense matrices of large steps"""
    expert_large_ratio: float = 1.0
    """experts of large steps"""
    attention_ratio: float = 1.0
    expert_ratio: float = 1.0
    """experts of all steps"""
    layer_s: float = 0.0
    """per layer and step: gaps and small kernels that no table has, less what graphs hide of kernels measured alone"""
    quantise_layer_s: float = 0.0
    """per layer and step, on top, of models in eight bits or nvfp4: kernels that quantise activations one by one"""
    launch_layer_s: float = 0.0
    """per layer of a step without a graph at least: its kernels are launched one by one"""
    graph_tokens: float = 0.0
    """steps of up to so many tokens run from a captured graph, those with a chunk too: nothing is launched alone"""
    host_s: float = 0.0
    """per step, the launch of a captured graph included"""
    mixed_host_s: float = 0.0
    """per step with a prefill chunk, on top"""
    other_host_s: float = 0.0
    """per step, on top, where the server is one that does not overlap scheduling (`older`)"""
    sequence_s: float = 0.0
    """per step and sequence: sampler, detokeniser and stream of one token"""
    first_token_s: float = 0.0
    """HTTP and detokeniser, once per request"""
    token_s: float = 0.0
    """tokeniser, per input token, one prompt after the other"""
    older: bool = False
    """a server whose scheduling is not hidden: `other_host_s` on top, and no fused quantisation"""
    peer_share: float = PEER_SHARE
    """see the constant"""
    least_expert_tokens: float = 0.0
    """fewer tokens cost their experts as many: kernels that pad every expert to a whole tile read all of them"""
    replaces_launch: bool = False
    """host time was measured with the launch of graphs in it"""

    @property
    def adds(self) -> bool:
        """Whether any time is changed."""
        return self != Served()

    def captured_tokens(self, chunk: bool, graphs: bool) -> float:
        """Tokens up to which a step runs from a graph: any step of decodes where `graphs` are captured."""
        if chunk:
            return self.graph_tokens
        return np.inf if graphs else 0.0

    def step_host_s(self, chunk: bool) -> float:
        """Host time of a step."""
        return self.host_s + self.other_host_s * self.older + self.mixed_host_s * chunk

    def on(self, quantises: bool, expert_ratio: float) -> Served:
        """The server with a checkpoint whose activations are quantised or not, its experts that much slower."""
        layer_s = self.layer_s + self.quantise_layer_s * quantises
        return replace(self, layer_s=layer_s, expert_ratio=self.expert_ratio * expert_ratio, quantise_layer_s=0.0)

    def hosted(self, thread_ratio: float) -> Served:
        """The server on a host whose threads are that much faster: scheduling, launches and sampling wait for one."""
        if thread_ratio == 1.0:
            return self
        return replace(self, **{name: getattr(self, name) / thread_ratio for name in ONE_THREAD})


NOTHING = Served()


@dataclass(frozen=True)
class Work:
    """Seconds of a step's dense work by kind, `[steps]` or scalars."""

    matrix: Column = 0.0
    expert: Column = 0.0
    elementwise: Column = 0.0

    @property
    def total_s(self) -> Column:
        return self.matrix + self.expert + self.elementwise


@dataclass(frozen=True)
class Changes:
    """What a server makes of a step's work: ratios by part, and seconds on top."""

    ratio: dict[str, Column]
    gaps_s: Column
    floor_s: Column
    """what is missing to the launches of a step without a graph"""

    def dense_s(self, work: Work) -> Column:
        """Dense seconds after the changes."""
        own = self.ratio["matrix"] * work.matrix + self.ratio["expert"] * work.expert + work.elementwise
        return own + self.gaps_s + self.floor_s


def changes(served: Served, work: Work, tokens: Column, layers: int, eight_bit: bool, graph_tokens: float) -> Changes:
    """How a server changes the dense work of steps of `tokens`, `[steps]`.

    Matrices: ratio(tokens) max(t - layers fused, t / 2), the ratio growing from 1 to `large_ratio` with log tokens;
    experts alike without fusing; `layer_s` per layer; beyond `graph_tokens`, up to which a captured graph runs, at
    least `launch_layer_s` per layer in all.
    """
    low, high = np.log(RAMP_TOKENS)
    ramp = np.clip((np.log(np.maximum(tokens, 1.0)) - low) / (high - low), 0.0, 1.0)
    fused_s = layers * served.fused_layer_s * (eight_bit and not served.older)
    left: Any = np.maximum(work.matrix - fused_s, FUSED_LEAST * np.asarray(work.matrix))
    share = np.where(np.asarray(work.matrix) > 0.0, left / np.maximum(work.matrix, 1e-30), 1.0)
    ratio: dict[str, Column] = {
        "matrix": served.large_ratio**ramp * share,
        "expert": served.expert_ratio * served.expert_large_ratio**ramp,
        "attention": served.attention_ratio,
    }
    gaps_s = layers * served.layer_s
    found = Changes(ratio, gaps_s, 0.0)
    if np.isinf(graph_tokens) or served.launch_layer_s <= 0.0:
        return found
    floor_s = np.maximum(layers * served.launch_layer_s - found.dense_s(work), 0.0)
    return Changes(ratio, gaps_s, np.where(np.asarray(tokens) > graph_tokens, floor_s, 0.0))


def expert_tokens(served: Served, tokens: Column, ranks: Column, chunk: bool) -> Column:
    """Tokens per rank that the experts of a step see: padded to the least, and with a chunk on one of `ranks`
    attention-dp ranks the others' `peer_share`."""
    seen = tokens
    if chunk:
        seen = tokens * (served.peer_share + (1.0 - served.peer_share) / ranks)
    return np.maximum(seen, served.least_expert_tokens) if served.least_expert_tokens else seen


def vector(served: Served, names: tuple[str, ...]) -> Array:
    """Some fields in order."""
    return np.array([getattr(served, name) for name in names])


def field_names() -> tuple[str, ...]:
    """All fields of `Served`."""
    return tuple(f.name for f in fields(Served))
