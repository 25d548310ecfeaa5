"""Calibrations that have not seen a chip or a model: what a proof by whole strangers answers with.

A chip left out takes its tables out of the laws that all chips share; its siblings stay. A mixture-of-experts model
left out takes its rows (hidden size, expert size, experts, experts per token) out of every experts table, as
`simcore.calibration.unseen` does; shapes of other operations, which models share by chance, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.build import FITTED, LARGER, MINIMUM_ROWS, by_size, table_groups
from simcore.calibration.datasheet import fit_datasheet, main_groups
from simcore.calibration.fit import fit_kernel
from simcore.calibration.tables import Group
from simcore.calibration.transfer import sizes
from simcore.cost.artefact_io import SCHEMA
from simcore.cost.built_on import base_name
from simcore.cost.calibrated import Artefact, KernelFit
from simcore.cost.facts import ChipFacts
from simcore.spec.blocks import Moe
from simcore.spec.model import ModelSpec

IDENTITY = ("hidden_size", "inter_size", "num_experts", "topk")
"""of a model with experts, in its tables"""
Say = Callable[[str], None]
Model = tuple[int, ...]


def laws_without(
    chips: list[tuple[ChipFacts, Path]], source: str, operations: list[str] | None = None, say: Say = lambda text: None
) -> Artefact:
    """The data-sheet laws of the chips that are there. Intervals are twice the spread over their own rows: who leaves
    out one chip does not leave out each other one in turn."""
    import datetime

    fitting = [item for chip, folder in chips for item in main_groups(chip, list(table_groups(folder, operations)))]
    fits = tuple(replace(fit, spread=2.0 * fit.spread) for fit in fit_datasheet(fitting, say=say))
    record: dict[str, Any] = {"schema": SCHEMA, "chip": "any", "stack": "datasheet", "source": source}
    record |= {"date": datetime.date.today().isoformat(), "chips": [chip.name for chip, _ in chips]}
    return Artefact("any", "datasheet", fits, record | sizes(fits) | {"left_out": []})


def model_identity(model: ModelSpec) -> Model:
    """The four numbers of a model in experts tables; empty for a dense one."""
    blocks = (block for group in model.layers for block in group.ffn if isinstance(block, Moe))
    block = next(blocks, None)
    if block is None:
        return ()
    return (model.hidden_size, block.intermediate_size, block.experts, block.topk)


def is_model(group: Group, model: Model) -> NDArray[np.bool_]:
    """Which rows of an experts table are the model's `[rows]`."""
    same = [group.shapes[name] == value for name, value in zip(IDENTITY, model, strict=True)]
    return np.asarray(np.logical_and.reduce(same), bool)


def experts_without(
    chip: ChipFacts, folder: Path, shipped: Mapping[str, Artefact | None], model: Model, say: Say = lambda text: None
) -> Iterator[Artefact]:
    """The chip's artefacts with every experts fit that saw the model made again without it; only stacks that change.

    Fits that stand on one made again are made again too. A kernel measured on no other model has no fit left.
    """
    again: dict[str, dict[str, KernelFit | None]] = {}
    bases: dict[tuple[str, str], dict[str, KernelFit]] = {}
    stale: set[str] = set()
    for group in by_size(table_groups(folder, ["moe"])):
        old = _fit_of(shipped.get(group.stack), group)
        if old is None:
            continue
        known = bases.setdefault((group.format, group.kv_format), {})
        rest = group.take(~is_model(group, model))
        fit: KernelFit | None = old
        if len(rest.row) < len(group.row) or old.base in stale:
            stale.add(base_name(group.stack, old))
            again.setdefault(group.stack, {})[_name(group)] = fit = _again(rest, chip, known)
            name = f"{chip.name} {group.stack} {group.format} {group.kernel[:28]}"
            say(f"{name}: {len(rest.row)} of {len(group.row)} rows")
        if fit is not None and not fit.base:
            known[base_name(group.stack, fit)] = fit
    for stack, fits in again.items():
        yield with_fits(shipped[stack], fits)


def _again(group: Group, chip: ChipFacts, bases: Mapping[str, KernelFit]) -> KernelFit | None:
    if len(group.row) < MINIMUM_ROWS:
        return None
    larger = {name: fit for name, fit in bases.items() if fit.rows > LARGER * FITTED * len(group.row)}
    return fit_kernel(group, chip, bases=larger)[0]


def _name(one: Group | KernelFit) -> str:
    return "|".join((one.format, one.kv_format, one.kernel))


def _fit_of(artefact: Artefact | None, group: Group) -> KernelFit | None:
    fits = (fit for fit in artefact.fits if fit.operation == "moe") if artefact else ()
    return next((fit for fit in fits if _name(fit) == _name(group)), None)


def with_fits(artefact: Artefact | None, fits: Mapping[str, KernelFit | None]) -> Artefact:
    """The artefact with some experts fits replaced, or gone."""
    assert artefact is not None, "only fits of an artefact are made again"
    found = [fits.get(_name(fit), fit) if fit.operation == "moe" else fit for fit in artefact.fits]
    return replace(artefact, fits=tuple(fit for fit in found if fit is not None))
