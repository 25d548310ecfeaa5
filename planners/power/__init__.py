"""Power oversubscription: how many servers a row's budget feeds, with which mix and clocks, at which risk.

`plan(problem)` chooses by integer programming under a chance constraint; `simcore.engine.power_control` then runs the
row for days with real controls.
"""

from __future__ import annotations

from planners.power.problem import PowerProblem, RowPlan, ServerClass
from planners.power.solve import plan

__all__ = ["PowerProblem", "RowPlan", "ServerClass", "plan"]
