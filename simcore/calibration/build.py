"""All kernels of one chip: measured tables in, one artefact per stack out, with provenance."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration.fit import ROWS_PER_NUMBER, FitError, fit_kernel
from simcore.calibration.tables import LAYOUTS, Group, groups, read_table, table_files, version_key
from simcore.cost.artefact_io import SCHEMA, facts_table
from simcore.cost.built_on import base_name
from simcore.cost.calibrated import Artefact, KernelFit
from simcore.cost.facts import ChipFacts

MINIMUM_ROWS = 12
LARGER = 1.5
"""times the rows that make another table of the operation a base"""
FITTED = 0.8
"""of a table's rows that take part in its fit"""
MOST_BASES = 2
"""tables of one operation and format that others may stand on, the largest"""


def chosen(found: list[Group]) -> list[Group]:
    """The groups worth a fit: per (operation, stack, format, KV format) those of the newest version that has it."""
    newest: dict[tuple[str, ...], tuple[int, ...]] = {}
    usable = [g.take(np.isfinite(g.time_s) & (g.time_s > 0)) for g in found]
    usable = [g for g in usable if len(g.row) >= MINIMUM_ROWS]
    for g in usable:
        key = (g.operation, g.stack, g.format, g.kv_format)
        newest[key] = max(newest.get(key, ()), version_key(g.version))
    return [g for g in usable if version_key(g.version) == newest[(g.operation, g.stack, g.format, g.kv_format)]]


def table_groups(folder: Path, operations: list[str] | None = None) -> Iterator[Group]:
    """Groups worth a fit of every operation table in a folder (`<operation>.parquet` or `.csv`)."""
    for operation in operations or LAYOUTS:
        for path in table_files(folder, operation):
            yield from chosen(groups(read_table(str(path)), operation, str(path))[0])


def by_size(found: Iterator[Group]) -> Iterator[Group]:
    """Operation by operation, large tables first: the small may stand on them."""
    for _, groups_of_one in itertools.groupby(found, lambda g: g.operation):
        yield from sorted(groups_of_one, key=lambda g: -len(g.row))


def build(
    chip: ChipFacts,
    folder: Path,
    source: str,
    operations: list[str] | None = None,
    say: Callable[[str], None] = lambda text: None,
    rows_per_number: float = ROWS_PER_NUMBER,
    kin: Sequence[tuple[ChipFacts, Path]] = (),
) -> dict[str, Artefact]:
    """stack -> artefact of all kernels measured on one chip; `say` receives one line per fit.

    `rows_per_number` bounds the size: shipped artefacts keep ten measurements per number, a small profile of one's own
    machine may keep fewer. `kin`: sibling chips and their folders, whose rows of the same kernel join each fit.
    """
    fits: dict[str, list[tuple[KernelFit, FitError, str]]] = {}
    whole: dict[tuple[str, ...], dict[str, KernelFit]] = {}
    for group in by_size(table_groups(folder, operations)):
        known = whole.setdefault((group.operation, group.format, group.kv_format), {})
        larger = {} if kin else {name: f for name, f in known.items() if f.rows > LARGER * FITTED * len(group.row)}
        fit, error = fit_kernel(group, chip, rows_per_number, kindred(group, kin), larger)
        fits.setdefault(group.stack, []).append((fit, error, group.version))
        if not fit.base and len(known) < MOST_BASES:
            known[base_name(group.stack, fit)] = fit
        say(describe(group, fit, error))
    return {
        stack: Artefact(
            chip.name, stack, tuple(fit for fit, _, _ in found), provenance(chip, stack, source, found), chip
        )
        for stack, found in fits.items()
    }


def kindred(group: Group, kin: Sequence[tuple[ChipFacts, Path]]) -> list[tuple[Group, ChipFacts]]:
    """The same kernel of the same stack on the sibling chips."""
    key = (group.stack, group.format, group.kv_format, group.kernel)
    return [
        (g, chip)
        for chip, folder in kin
        for g in table_groups(folder, [group.operation])
        if (g.stack, g.format, g.kv_format, g.kernel) == key
    ]


def describe(group: Group, fit: KernelFit, error: FitError) -> str:
    """One line of the report."""
    name = "/".join(part for part in (group.stack, group.format, group.kv_format, group.kernel[:40]) if part)
    return (
        f"{group.operation} {name}: {fit.rows} rows, held-out error median {error.median:.2%} mean {error.mean:.2%}"
        f" P90 {error.p90:.2%} (law alone {error.law_median:.1%}), {fit.numbers} numbers"
    )


def provenance(
    chip: ChipFacts, stack: str, source: str, found: list[tuple[KernelFit, FitError, str]]
) -> dict[str, Any]:
    """What the artefact's TOML says."""
    import datetime

    return {
        "schema": SCHEMA,
        "chip": chip.name,
        "stack": stack,
        "source": source,
        "date": datetime.date.today().isoformat(),
        "split": "one shape in five held out by a hash of the shape columns",
        "rows": sum(fit.rows for fit, _, _ in found),
        "numbers": sum(fit.numbers for fit, _, _ in found),
        "facts": facts_table(chip),
        "fit": [_fit_table(*one) for one in found],
    }


def _fit_table(fit: KernelFit, error: FitError, version: str) -> dict[str, Any]:
    return {
        "operation": fit.operation,
        "format": fit.format,
        "kernel": fit.kernel,
        "base": " ".join(fit.base.split("|")[:2]),
        "version": version,
        "rows": fit.rows,
        "held_out_rows": error.rows,
        "numbers": fit.numbers,
        "median_error": round(error.median, 4),
        "mean_error": round(error.mean, 4),
        "p90_error": round(error.p90, 4),
        "law_median_error": round(error.law_median, 4),
    }


def merged(old: Artefact | None, new: Artefact) -> Artefact:
    """`new` with the fits of `old` for operations that `new` does not hold."""
    if old is None:
        return new
    fresh = {fit.operation for fit in new.fits}
    kept = tuple(fit for fit in old.fits if fit.operation not in fresh)
    tables = [table for table in old.provenance.get("fit", []) if table["operation"] not in fresh]
    fits = (*kept, *new.fits)
    record = dict(new.provenance) | {"fit": [*tables, *new.provenance["fit"]]}
    record["rows"] = sum(fit.rows for fit in fits)
    record["numbers"] = sum(fit.numbers for fit in fits)
    return Artefact(new.chip, new.stack, fits, record, new.facts)
