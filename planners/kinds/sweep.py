"""Every plan of the scenario's axes."""

from __future__ import annotations

from simcore.result import ResultTable
from simcore.spec.scenario import Scenario


def plan(scenario: Scenario) -> ResultTable:
    """The frontier of a sweep; an empty table where no plan meets its targets. Raises InputError without axes."""
    from planners.sweep import prepare

    found = prepare(scenario).run(lambda table: None).frontier
    return ResultTable({}) if found is None else found
