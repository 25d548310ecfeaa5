"""Expert placement: which chip holds which expert of which layer, and how many copies.

`place(problem, method="auto")` answers with a placement, its load and traffic, and a proven lower bound.
"""

from __future__ import annotations

from planners.experts.problem import ExpertProblem, Placement
from planners.experts.solve import METHODS, place

__all__ = ["METHODS", "ExpertProblem", "Placement", "place"]
