"""Plans that a server would not load, and requests that it would not serve: vectorised over plans, in words for one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.kept.lazy import dataclass
from simcore.ops.op import Column, PlanColumns
from simcore.spec.formats import number_format
from simcore.spec.model import LayerGroup, Matrix, ModelSpec
from simcore.spec.stack import StackLoader

BLOCKS = {"fp8-block": (128, 128), "fp4": (1, 16), "int4": (1, 128), "int4-g32": (1, 32)}
"""(outputs, inputs) that share a scale; a cut inside leaves a rank without whole scales. MXFP4 is padded by servers"""


KEPT_WIDE = ("ba",)
"""matrices that block-quantised checkpoints leave in bf16: the narrow gates of linear attention (Qwen3-Next lists them
under `modules_to_not_convert`)"""


@dataclass(frozen=True)
class Objection:
    """One reason why plans are not loaded."""

    rule: str
    """the field of `StackLoader` that asks for it"""
    bad: NDArray[np.bool_]
    """[plans]"""
    text: str

    @property
    def applies(self) -> bool:
        return bool(np.any(self.bad))


def objections(
    model: ModelSpec, plan: PlanColumns, formats: tuple[str, str], context_tokens: float = 0.0
) -> list[Objection]:
    """All objections to plans, raised or not; `formats` are those of weights and routed experts."""
    weights, experts = (number_format(name).name for name in formats)
    found = _heads(model, plan)
    for group in model.layers:
        for matrix in _matrices(model, group):
            found += _cuts(matrix, plan.tp, weights)
        for block in group.ffn:
            for matrix in block.routed(model.hidden_size):
                found += _cuts(matrix, plan.moe_tp, experts)
    most = model.max_context_tokens
    if most is not None:
        text = f"{context_tokens:,.0f} tokens of input and output exceed the {most:,} of {model.name}'s context"
        found.append(Objection("within_context", np.asarray(context_tokens > most), text))
    return found


def refused(found: list[Objection], loader: StackLoader) -> NDArray[np.bool_]:
    """Plans that this stack does not load, [plans]."""
    bad = np.asarray(False)
    for objection in found:
        if getattr(loader, objection.rule):
            bad = bad | objection.bad
    return bad


def in_words(found: list[Objection], loader: StackLoader, stack: str) -> tuple[str | None, tuple[str, ...]]:
    """(why this stack refuses one plan, notes where it does not but servers do)."""
    raised = [objection for objection in found if objection.applies]
    hard = [objection.text for objection in raised if getattr(loader, objection.rule)]
    soft = (f"vLLM and SGLang would refuse this: {o.text}" for o in raised if not getattr(loader, o.rule))
    return (f"{hard[0]} ({stack} refuses it)" if hard else None), tuple(dict.fromkeys(soft))


def _heads(model: ModelSpec, plan: PlanColumns) -> list[Objection]:
    tp = np.asarray(plan.tp)
    found = []
    pieces = (g.mixer.cache_pieces for g in model.layers if g.mixer is not None)
    for heads in dict.fromkeys(count for count in pieces if count > 1):
        bad = (np.mod(tp, heads) != 0) & (np.mod(heads, tp) != 0)
        text = f"tp = {np.max(tp):.0f} and {heads} KV heads: neither divides the other"
        found.append(Objection("whole_heads", np.asarray(bad), text))
    return found


def _matrices(model: ModelSpec, group: LayerGroup) -> list[Matrix]:
    """Matrices of a layer that tp cuts, in the weights' format."""
    found = [] if group.mixer is None else list(group.mixer.matrices(model.hidden_size))
    for block in group.ffn:
        found += block.cut(model.hidden_size)
    return found


def _cuts(matrix: Matrix, ranks: Column, format: str) -> list[Objection]:
    """A slice that ends inside a block, of a dimension that is cut at all."""
    if format not in BLOCKS or matrix.split == "none" or matrix.name in KEPT_WIDE:
        return []
    ranks = np.asarray(ranks)
    if matrix.split == "row":
        pieces = [(matrix.inputs, ranks, BLOCKS[format][1])]
    else:
        pieces = [(part.width, np.minimum(ranks, part.pieces), BLOCKS[format][0]) for part in matrix.parts]
    found = []
    for width, cuts, block in pieces:
        bad = (cuts > 1) & (np.mod(width / cuts, block) != 0)
        text = f"{matrix.name}: {width} / {np.max(cuts):.0f} = {width / np.max(cuts):g} does not hold whole "
        found.append(Objection("whole_blocks", np.asarray(bad), f"{text}blocks of {block} ({format})"))
    return found
