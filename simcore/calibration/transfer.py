"""Leave one chip out: how wrong the data-sheet laws are on a chip that took no part in fitting them.

Each chip is left out once with its siblings (chips of its family) kept, and once with the whole family gone. The
spreads found so are what the shipped laws state as their interval: family laws carry the error with a sibling, the
wider laws the error without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.datasheet import Measured, fit_datasheet, main_kernels
from simcore.calibration.split import held_out
from simcore.calibration.tables import Group
from simcore.cost.calibrated import FAMILY_MARK, Artefact, KernelFit, OperatorModel, kernel_family
from simcore.cost.facts import ChipFacts

Array = NDArray[np.float64]
Say = Callable[[str], None]
TEST_ROWS = 1500


@dataclass(frozen=True, eq=False)
class Left:
    """Errors of one kernel on a chip left out: log(predicted / measured) `[rows]`."""

    chip: str
    sibling: bool
    """was a chip of the same family among those that fitted?"""
    law: str
    """name of the fit that answered"""
    group: Group
    logs: Array


def judged(measured: list[tuple[ChipFacts, list[Group]]]) -> list[Measured]:
    """What a left-out chip is judged on: the main kernel of each (operation, stack, format), held-out shapes."""
    return [(chip, _test_rows(g)) for chip, groups in measured for g in main_kernels(groups)]


def _test_rows(group: Group) -> Group:
    """At most TEST_ROWS held-out rows, chosen by the shape so that all stacks are judged on the same ones."""
    from simcore.calibration.split import shape_hash

    unseen = group.take(held_out(group.shapes))
    order = np.argsort(shape_hash(unseen.shapes), kind="stable")
    return unseen.take(np.sort(order[:TEST_ROWS]))


def leave_one_out(fitting: list[Measured], tests: list[Measured], say: Say = lambda text: None) -> Iterator[Left]:
    """Every chip left out, with its siblings kept and then without."""
    operations = {g.operation for _, g in fitting}
    for chip in {c.name: c for c, _ in fitting}.values():
        mine = [g for c, g in tests if c.name == chip.name]
        for alone in (False, True):
            say(f"{chip.name} left out, {'its family too' if alone else 'siblings kept'}")
            for operation in sorted(operations):
                yield from _one(chip, operation, fitting, [g for g in mine if g.operation == operation], alone)


def _one(chip: ChipFacts, operation: str, fitting: list[Measured], tests: list[Group], alone: bool) -> Iterator[Left]:
    family = kernel_family(operation, chip)
    kin = [(c, g) for c, g in fitting if g.operation == operation and c.name != chip.name]
    siblings = {c.name for c, _ in kin if kernel_family(operation, c) == family}
    if alone == (not siblings):
        rest = kin
    elif alone:
        rest = [(c, g) for c, g in kin if c.name not in siblings]
    else:
        return
    if not rest or not tests:
        return
    laws = Artefact("any", "datasheet", tuple(fit_datasheet(rest, {family})))
    for group in tests:
        model = OperatorModel(chip, group.stack, (), laws)
        if any(g.format == group.format for _, g in rest) and len(group.row):
            answer = model.predict(operation, group.shapes, group.format)
            fit, _ = model.find(operation, group.format)
            logs = np.log(answer.time_s / group.time_s)
            yield Left(chip.name, bool(siblings) and not alone, fit.kernel, group, logs)


def spreads(found: list[Left]) -> dict[tuple[str, str, str | bool], float]:
    """80 % quantile of |log error|, chips weighed alike, by (operation, format, name of the fit or with a sibling?)."""
    parts: dict[tuple[str, str, str | bool], list[Array]] = {}
    for x in found:
        rows = np.random.default_rng(0).choice(np.abs(x.logs), 500)
        for side in (x.law, x.sibling):
            parts.setdefault((x.group.operation, x.group.format, side), []).append(rows)
    return {key: float(np.quantile(np.concatenate(rows), 0.8)) for key, rows in parts.items()}


def interval(known: Mapping[tuple[str, str, str | bool], float], x: Left | KernelFit) -> float | None:
    """The spread of a fit or of one that was left out: its own, else that of fits with (without) a sibling."""
    kind = x.group if isinstance(x, Left) else x
    name, family = (x.law, x.sibling) if isinstance(x, Left) else (x.kernel, FAMILY_MARK in x.kernel)
    seen = (known.get((kind.operation, kind.format, side)) for side in (name, family, not family))
    return next((value for value in seen if value is not None), None)


def inside(found: list[Left], parts: list[Left]) -> float:
    """Share of a chip's rows within the intervals that leaving the other chips out has shown; NaN where none has."""
    known = spreads([x for x in found if x.chip != parts[0].chip])
    wide = [(x, interval(known, x)) for x in parts]
    within = [np.abs(x.logs) <= spread for x, spread in wide if spread is not None]
    return float(np.concatenate(within).mean()) if within else float("nan")


def with_spreads(fits: tuple[KernelFit, ...], found: list[Left]) -> tuple[KernelFit, ...]:
    """The laws with the intervals that leaving chips out has shown, never narrower than on their own rows."""
    known = spreads(found)
    widened = []
    for fit in fits:
        shown = interval(known, fit)
        widened.append(replace(fit, spread=max(fit.spread, 2.0 * fit.spread if shown is None else shown)))
    return tuple(widened)


def summary(found: list[Left], operation: str, number: str, stacks: tuple[str, ...]) -> list[dict[str, Any]]:
    """Per chip left out, with and without siblings: errors over the stacks' rows; gemm: of their geometric mean.

    `within_interval` counts each stack's rows by itself.
    """
    rows = []
    for chip, sibling in sorted({(x.chip, x.sibling) for x in found}):
        parts = [
            x
            for x in found
            if (x.chip, x.sibling) == (chip, sibling)
            and (x.group.operation, x.group.format) == (operation, number)
            and x.group.stack in stacks
        ]
        wanted = [replace(x, group=x.group.take(w), logs=x.logs[w]) for x in parts for w in [_wanted(x.group)]]
        logs = _paired(wanted) if operation == "gemm" else np.concatenate([x.logs for x in wanted] or [np.empty(0)])
        if len(logs):
            wrong = np.abs(np.expm1(logs))
            line = {"chip": chip, "sibling": sibling, "operation": operation, "format": number, "rows": len(wrong)}
            line |= {"median": float(np.median(wrong)), "mean": float(wrong.mean())}
            worst = float(np.exp(np.abs(logs).max()))
            line |= {"p90": float(np.quantile(wrong, 0.9)), "worst_factor": worst}
            rows.append(line | {"within_interval": inside(found, wanted)})
    return rows


def _paired(parts: list[Left]) -> Array:
    """Log errors of the geometric mean over stacks, at the shapes that every stack has measured."""
    from simcore.calibration.split import shape_hash

    tables = [dict(zip(shape_hash(x.group.shapes).tolist(), x.logs.tolist(), strict=True)) for x in parts]
    common = set(tables[0]).intersection(*tables[1:]) if tables else set()
    return np.array([np.mean([table[key] for table in tables]) for key in sorted(common)])


def _wanted(group: Group) -> NDArray[np.bool_]:
    """gemm is judged at m, n, k >= 128, attention with a bf16 cache, everything else on all rows."""
    if group.operation == "gemm":
        return np.asarray(np.logical_and.reduce([group.shapes[name] >= 128 for name in "mnk"]), np.bool_)
    if "kv_bytes" in group.shapes:
        return np.asarray(group.shapes["kv_bytes"] == 2.0)
    return np.ones(len(group.row), bool)


JUDGED = {
    "gemm": ("trtllm", "vllm"),
    "attention_decode": ("vllm",),
    "attention_prefill": ("vllm", "trtllm"),
    "moe": ("vllm", "trtllm", "sglang"),
    "collective": ("nccl",),
    "mla_decode": ("trtllm", "sglang", "vllm"),
}
"""the stacks on which each operation is judged"""


def build_datasheet(
    measured: list[tuple[ChipFacts, list[Group]]], source: str, say: Say = lambda text: None
) -> Artefact:
    """The data-sheet laws of all chips with the intervals and errors that leaving chips out has shown."""
    import datetime

    from simcore.calibration.datasheet import main_groups
    from simcore.cost.artefact_io import SCHEMA

    fitting = [item for chip, groups in measured for item in main_groups(chip, groups)]
    found = list(leave_one_out(fitting, judged(measured), say))
    fits = with_spreads(tuple(fit_datasheet(fitting)), found)
    lines = [
        line
        for operation, stacks in JUDGED.items()
        for number in ("bf16", "fp8", "fp8_block", "nvfp4")
        for line in summary(found, operation, number, stacks)
    ]
    record: dict[str, Any] = {"schema": SCHEMA, "chip": "any", "stack": "datasheet", "source": source}
    record |= {"date": datetime.date.today().isoformat(), "chips": [chip.name for chip, _ in measured]}
    return Artefact("any", "datasheet", fits, record | sizes(fits) | {"left_out": lines})


def sizes(fits: tuple[KernelFit, ...]) -> dict[str, int]:
    """Measurements behind the laws, each counted once (the laws for all chips see every row), and numbers held."""
    rows = sum(fit.rows for fit in fits if fit.kernel == "datasheet")
    return {"rows": rows, "numbers": sum(fit.numbers for fit in fits)}


def with_others(old: Artefact | None, new: Artefact) -> Artefact:
    """`new` with the laws and errors of `old` for operations that `new` does not hold."""
    if old is None:
        return new
    fresh = {fit.operation for fit in new.fits}
    fits = (*(fit for fit in old.fits if fit.operation not in fresh), *new.fits)
    lines = [line for line in old.provenance["left_out"] if line["operation"] not in fresh]
    lines = sorted([*lines, *new.provenance["left_out"]], key=lambda line: list(JUDGED).index(line["operation"]))
    return replace(new, fits=fits, provenance={**new.provenance, **sizes(fits), "left_out": lines})
