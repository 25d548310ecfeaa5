"""Operator times from calibration artefacts: a law with fitted efficiencies, times a small learned residual.

    time_s = law(shape; chip, fitted efficiencies) * exp(sum of tree leaves)

An `Artefact` holds the fits of one (chip, stack) as plain arrays. An `OperatorModel` asks the artefact first and falls
back, operation by operation, to the data-sheet laws whose efficiencies were learnt across chips; every prediction says
which one answered, whether the shape lies outside what was measured, and how wrong it may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.laws._base import Array, Law, Setting, roofline_s
from simcore.cost.operator_laws import law, law_time_s, shape_arrays
from simcore.cost.trees import AGAIN, Forest, unpack
from simcore.errors import InputError
from simcore.kept.lazy import dataclass

CHUNK = 4096
"""rows evaluated at once, so that intermediate arrays stay in the processor's cache"""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Arrays `[rows]`: seconds, whether the shape lies outside the measured box, and the error to expect."""

    time_s: Array
    extrapolated: NDArray[np.bool_]
    relative_error: Array
    """four of five measurements are expected within time_s * exp(+-relative_error)"""
    source: str
    """the fit that answered, `datasheet`, or `datasheet:siblings` where siblings' residual was added to its law"""


@dataclass(frozen=True, eq=False)
class KernelFit:
    """One kernel of one operation on one chip and stack."""

    operation: str
    format: str
    kv_format: str
    """empty where the operation has no KV cache or the fit covers all KV formats"""
    kernel: str
    parameters: Array
    words: NDArray[np.uint32]
    """the residual's trees, see simcore.cost.trees"""
    low: Array
    high: Array
    """the measured box: least and greatest value of each column of the law, in sorted order of names"""
    residual_low: float
    residual_high: float
    """bounds of the residual (log) outside the box"""
    spread: float
    """80 % quantile of |log(measured / predicted)| on held-out shapes"""
    rows: int
    """measurements behind the fit, held-out ones not counted"""
    shared_words: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """trees for models never measured; where there are none, `words` serve them too"""
    known: Array = field(default_factory=lambda: np.empty(0))
    """the models measured, by the columns of the law's identity, one after the other"""
    away_spread: float = 0.0
    """`spread` for models never measured, from leaving models out"""
    base: str = ""
    """another stack's fit that this one stands on (`simcore.cost.built_on`); empty: none"""
    base_words: int = 0
    """how many of `words`, counted from the first, are the base's"""

    @cached_property
    def forest(self) -> Forest:
        return unpack(self.words)

    @cached_property
    def shared_forest(self) -> Forest:
        return unpack(self.shared_words)

    @cached_property
    def law(self) -> Law:
        found: Law = law(self.operation)
        return found

    @property
    def is_inherited(self) -> bool:
        """A data-sheet law with the residual of chips of one family, for those of the family never measured."""
        return FAMILY_MARK in self.kernel and bool(len(self.words))

    @property
    def numbers(self) -> int:
        """How many numbers the fit holds, those of its base not counted."""
        trees = len(self.words) - self.base_words + len(self.shared_words)
        law = 0 if self.base else len(self.parameters)
        return law + 1 + (trees + 2 if trees else 0) + len(self.known) + (len(self.known) > 0)

    def time_s(self, shapes: Mapping[str, Array], chip: ChipFacts) -> Array:
        """Seconds `[rows]`, in chunks."""
        rows = len(next(iter(shapes.values())))
        result = np.empty(rows)
        setting = Setting(chip, kernel_format(self.format))
        for start in range(0, rows, CHUNK):
            part = slice(start, start + CHUNK)
            result[part] = self._chunk_s({name: a[part] for name, a in shapes.items()}, setting, rows)
        return result

    def _chunk_s(self, shapes: Mapping[str, Array], setting: Setting, of_rows: int) -> Array:
        work = self.law.work(shapes, setting)
        try:
            time_s = law_time_s(self.law, work, setting, self.parameters)
        except ZeroDivisionError:
            raise InputError(f"a fit of {self.operation} gives no finite time", fix=AGAIN) from None
        if not len(self.words) + len(self.shared_words):
            return time_s
        columns = self.law.features(work, setting)
        table = np.empty((len(time_s), len(columns)), np.float32)
        for index, column in enumerate(columns):
            table[:, index] = column
        residual = self.forest(table, of_rows)
        if len(self.shared_words) and not (known := self.is_known(shapes)).all():
            residual = np.where(known, residual, self.shared_forest(table, of_rows))
        bounded = np.clip(residual, self.residual_low, self.residual_high)
        corrected = time_s * np.exp(np.where(self.octaves_outside(shapes) > 0, bounded, residual))
        return np.maximum(corrected, roofline_s(work, setting)) if self.is_inherited else np.asarray(corrected)

    def is_known(self, shapes: Mapping[str, Array]) -> NDArray[np.bool_]:
        """Whether the model of each row was measured `[rows]`; all are where the law names no models."""
        rows = len(next(iter(shapes.values())))
        if not len(self.known):
            return np.ones(rows, bool)
        found = np.zeros(rows, bool)
        columns = [shapes[name] for name in self.law.identity]
        for model in self.known.reshape(-1, len(columns)):
            found |= np.logical_and.reduce([column == value for column, value in zip(columns, model, strict=True)])
        return found

    def octaves_outside(self, shapes: Mapping[str, Array]) -> Array:
        """How far a shape lies outside the measured box, in octaves summed over the columns `[rows]`."""
        distance = np.zeros(len(next(iter(shapes.values()))))
        for name, low, high in zip(sorted(shapes), self.low, self.high, strict=True):
            column = shapes[name]
            if len(column) and (column.min() < low * 0.999 or column.max() > high * 1.001):
                logs = np.log2(np.maximum(column, 0.5))
                over = logs - np.log2(max(high * 1.001, 0.5))
                under = np.log2(max(low * 0.999, 0.5)) - logs
                distance += np.maximum(0.0, np.maximum(over, under))
        return distance


@dataclass(frozen=True, eq=False)
class Artefact:
    """All fits of one (chip, stack), with where they come from."""

    chip: str
    stack: str
    fits: tuple[KernelFit, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    facts: ChipFacts | None = None
    """the chip as it was described when the fits were made; they hold with these numbers"""

    @cached_property
    def index(self) -> dict[tuple[str, str, str], list[KernelFit]]:
        """(operation, format, kv format) -> fits, the one with most rows first; kernels outside a graph come last."""
        found: dict[tuple[str, str, str], list[KernelFit]] = {}
        for fit in sorted(self.fits, key=lambda f: (f.kernel.endswith("_eager"), -f.rows)):
            found.setdefault((fit.operation, fit.format, fit.kv_format), []).append(fit)
        return found

    def find(self, operation: str, format: str, kv_format: str, kernel: str | None) -> KernelFit | None:
        """The fit of a kernel; without a name (or with one never measured) the kernel most measured."""
        fits = self.index.get((operation, format, kv_format)) or self.index.get((operation, format, "")) or []
        return next((fit for fit in fits if fit.kernel == kernel), fits[0] if fits else None)

    def kernels(self, operation: str) -> list[tuple[str, str, str]]:
        """(format, kv format, kernel) of every fit of an operation."""
        return [(f.format, f.kv_format, f.kernel) for f in self.fits if f.operation == operation]


KV_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp8": 1.0, "nvfp4": 0.5625, "int8": 1.0}


@dataclass(frozen=True, eq=False)
class OperatorModel:
    """Times of operations on one chip under one stack."""

    chip: ChipFacts
    stack: str
    artefacts: tuple[Artefact, ...]
    """asked in this order; empty for the data sheet alone"""
    datasheet: Artefact
    """laws with efficiencies learnt across chips"""

    @property
    def laws_alone(self) -> OperatorModel:
        """The same laws with the same efficiencies, nothing learned on top."""
        alone = [
            Artefact(a.chip, a.stack, tuple(law_alone(fit, 0.0) for fit in a.fits), a.provenance, a.facts)
            for a in (*self.artefacts, self.datasheet)
        ]
        return replace(self, artefacts=tuple(alone[:-1]), datasheet=alone[-1])

    def find(
        self, operation: str, format: str, kv_format: str | None = None, kernel: str | None = None
    ) -> tuple[KernelFit, Artefact | None]:
        """(fit, its artefact; None: the data sheet); raises InputError for an operation that nothing knows."""
        number = kernel_format(format).name
        kv = kernel_format(kv_format or format).name if operation in _WITH_KV else ""
        for artefact in self.artefacts:
            fit = artefact.find(operation, number, kv, kernel)
            if fit is not None:
                return fit, artefact
        fit = self._law(operation, number)
        if fit is not None:
            return _as_format(fit, number), None
        known = sorted({f.operation for f in self.datasheet.fits})
        raise InputError(f"no law for operation {operation!r}", fix=f"known: {', '.join(known)}")

    def _law(self, operation: str, number: str) -> KernelFit | None:
        """The narrowest law: of this stack and generation, of the stack, of the generation, of all chips."""
        family = kernel_family(operation, self.chip)
        for candidate in (number, *_NEAREST.get(number, ()), "bf16"):
            fits = {fit.kernel: fit for fit in self.datasheet.index.get((operation, candidate, ""), [])}
            names = (self.stack, "nccl", "datasheet") if operation == "collective" else (self.stack, "datasheet")
            line = kernel_line(operation, self.stack, self.chip)
            for name in [*(datasheet_key(n, family) for n in names), line, *names]:
                if name in fits:
                    fit = lent(fits[name]) if name == line != self.stack else fits[name]
                    kin = candidate == number and (operation not in _ATTENTION or self.chip.runs_known_attention)
                    return fit if kin or not fit.is_inherited else law_alone(fit, fits["datasheet"].spread)
        return None

    def predict(
        self,
        operation: str,
        columns: Mapping[str, Any],
        format: str = "bf16",
        kv_format: str | None = None,
        kernel: str | None = None,
    ) -> Prediction:
        """Seconds of one operation for arrays of shapes.

        `columns` holds the law's columns as scalars or arrays `[rows]` (see `simcore.cost.laws`); `kernel` is the
        measured `kernel_source` where several exist. Raises InputError for a missing or unknown column.
        """
        fit, artefact = self.find(operation, format, kv_format, kernel)
        columns = dict(columns)
        if operation in _WITH_KV:
            kv = kernel_format(kv_format or format)
            columns.setdefault("kv_bytes", KV_BYTES.get(kv.name, kv.weight_bytes))
        shapes = shape_arrays(fit.law, columns)
        chip = artefact.facts if artefact and artefact.facts else self.chip
        time_s = fit.time_s(shapes, chip)
        outside = fit.octaves_outside(shapes)
        plain = SIBLINGS if fit.is_inherited else "datasheet"
        label = f"{artefact.stack}:{fit.kernel}" if artefact else plain
        spread = np.where(fit.is_known(shapes), fit.spread, max(fit.spread, fit.away_spread))
        return Prediction(time_s, outside > 0, spread * (1.0 + 0.5 * outside), label)


_NEAREST = {
    "fp8_block": ("fp8",),
    "fp8": ("fp8_block",),
    "nvfp4": ("fp8",),
    "mxfp4_fp8": ("nvfp4", "fp8"),
    "mxfp4_weights": ("int4",),
    "int4": ("mxfp4_weights",),
    "int8": ("fp8",),
    "int8_weights": ("int4",),
}
"""whose efficiencies stand in for a format that no measured chip ran"""


def kernel_family(operation: str, chip: ChipFacts) -> str:
    """Chips of one family run the same kernels, so they share efficiencies.

    Collectives go by the link, attention by the kernel that the stacks choose for a generation, everything else by the
    generation.
    """
    if operation in ("collective", "allreduce_custom"):
        return chip.link_kind
    if operation in _ATTENTION:
        return chip.attention_family
    return chip.generation


def kernel_line(operation: str, stack: str, chip: ChipFacts) -> str:
    """Whose kernels a stack runs: those of one line are nearer to each other than to the rest of their stacks.

    Attention of vLLM and SGLang is FlashAttention's of the chip's family; on data-centre Blackwell it is that of
    TensorRT-LLM, called through FlashInfer (documentation of vLLM's attention back ends). Everything else is the
    stack's own.
    """
    if operation not in _ATTENTION or stack not in ("vllm", "sglang"):
        return stack
    return "trtllm" if chip.attention_family == "trtllm-gen" else chip.attention_family


def datasheet_key(stack: str, family: str) -> str:
    """Name of the data-sheet law of a stack on one generation of chips."""
    return f"{stack}{FAMILY_MARK}{family}"


FAMILY_MARK = "@"
SIBLINGS = "datasheet:siblings"
_ATTENTION = ("attention_prefill", "attention_decode")
_WITH_KV = {"attention_prefill", "attention_decode", "mla_prefill", "mla_decode"}


def _as_format(fit: KernelFit, number: str) -> KernelFit:
    """The same law read with another number format."""
    return fit if fit.format == number else replace(fit, format=number)


def lent(fit: KernelFit) -> KernelFit:
    """The fit of a stack whose kernels another stack calls: its efficiencies without its habits."""
    kept = [name not in fit.law.habits for name in fit.law.parameters]
    return replace(fit, parameters=np.where(kept, fit.parameters, 0.0))


def law_alone(fit: KernelFit, spread: float) -> KernelFit:
    """The law of a fit without the residual, which is for the kernels and the format it was learnt on; its interval."""
    none = np.empty(0, np.uint32)
    return replace(fit, words=none, shared_words=none, spread=max(fit.spread, spread))
