"""Efficiency laws learnt across chips: what a chip nobody has measured is judged by.

For every operation and format one set of efficiencies is fitted to all measured chips together, each chip weighed
alike; then one per software stack, and one per stack and family of chips, each pulled towards the wider set, or towards
what all stacks that run one line of kernels have in common (`kernel_line`). A chip is predicted with the narrowest set
that holds: its family's if a sibling was measured, and then with what the siblings deviate from it
(`simcore.calibration.inherit`), else the stack's, else the one for all. Under stack `datasheet` the law alone answers,
which stays monotone in the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.fit import fit_law, sample
from simcore.calibration.inherit import inherited
from simcore.calibration.split import held_out
from simcore.calibration.tables import Group
from simcore.cost.calibrated import KernelFit, datasheet_key, kernel_family, kernel_line
from simcore.cost.facts import ChipFacts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, law_time_s

Array = NDArray[np.float64]
Measured = tuple[ChipFacts, Group]
ROWS = 700
"""of each group, drawn at random: the laws have about ten numbers"""
RESIDUAL_ROWS = 4000
"""of each group, for what a family has in common"""
PULL = 0.4
"""towards the wider set, so that one generation's oddities do not decide what its rows do not show"""


def main_groups(chip: ChipFacts, groups: Iterable[Group]) -> list[Measured]:
    """The main kernels without the held-out fifth."""
    return [(chip, sample(g.take(~held_out(g.shapes)), RESIDUAL_ROWS)) for g in main_kernels(groups)]


def main_kernels(groups: Iterable[Group]) -> list[Group]:
    """Per (operation, stack, format) the kernel with most rows."""
    best: dict[tuple[str, str, str], Group] = {}
    for group in groups:
        key = (group.operation, group.stack, group.format)
        if key not in best or len(group.row) > len(best[key].row):
            best[key] = group
    return list(best.values())


def fit_datasheet(
    measured: list[Measured],
    families: Collection[str] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[KernelFit]:
    """Fits of every (operation, format): for all chips, per stack, per family (all of them, or only `families`)."""
    kinds = sorted({(group.operation, group.format) for _, group in measured})
    for operation, number in kinds:
        found = [(c, g) for c, g in measured if (g.operation, g.format) == (operation, number)]
        say(f"{operation} {number}: {len(found)} groups")
        yield from _fit_kind(operation, number, found, families)


def _fit_kind(
    operation: str, number: str, found: list[Measured], families: Collection[str] | None
) -> Iterator[KernelFit]:
    wide = _fit(found, np.array(law(operation).start), 0.05)
    yield _value(found, wide, "datasheet", number)
    for family, near in _by_family(operation, found, families):
        yield _value(near, _fit(near, wide, PULL), datasheet_key("datasheet", family), number)
    lines: dict[str, Array] = {}
    for stack in sorted({group.stack for _, group in found}):
        own = [(c, g) for c, g in found if g.stack == stack]
        common = _fit(own, wide, PULL)
        yield _value(own, common, stack, number)
        for family, near in _by_family(operation, own, families):
            line = kernel_line(operation, stack, near[0][0])
            if line != stack and line not in lines:
                lines[line] = _fit([(c, g) for c, g in found if kernel_line(operation, g.stack, c) == line], wide, PULL)
            start = common if line == stack else lines[line]
            fit = _value(near, _fit(near, start, PULL), datasheet_key(stack, family), number)
            yield inherited(fit, near)


def _by_family(
    operation: str, found: list[Measured], families: Collection[str] | None
) -> Iterator[tuple[str, list[Measured]]]:
    """The measurements of each family of chips."""
    for family in sorted({kernel_family(operation, chip) for chip, _ in found}):
        if families is None or family in families:
            yield family, [(c, g) for c, g in found if kernel_family(operation, c) == family]


def _fit(found: list[Measured], start: Array, pull: float) -> Array:
    rule = law(found[0][1].operation)
    pairs = [(sample(group, ROWS), Setting(chip, kernel_format(group.format))) for chip, group in found]
    return fit_law(rule, pairs, start, pull)


def _value(found: list[Measured], parameters: Array, name: str, number: str) -> KernelFit:
    """A fit without residual, with the spread over its own rows (replaced by the leave-one-chip-out one)."""
    group = found[0][1]
    logs = np.concatenate([_logs(chip, g, parameters) for chip, g in found])
    columns = sorted(group.shapes)
    return KernelFit(
        operation=group.operation,
        format=number,
        kv_format="",
        kernel=name,
        parameters=parameters,
        words=np.empty(0, np.uint32),
        low=np.array([min(g.shapes[c].min() for _, g in found) for c in columns]),
        high=np.array([max(g.shapes[c].max() for _, g in found) for c in columns]),
        residual_low=0.0,
        residual_high=0.0,
        spread=float(np.quantile(np.abs(logs), 0.8)),
        rows=sum(len(g.time_s) for _, g in found),
    )


def _logs(chip: ChipFacts, group: Group, parameters: Array) -> Array:
    rule, setting = law(group.operation), Setting(chip, kernel_format(group.format))
    return np.asarray(np.log(group.time_s / law_time_s(rule, rule.work(group.shapes, setting), setting, parameters)))
