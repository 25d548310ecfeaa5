"""A format for every layer: the least time or loss under a bound on the other and on memory, with a proven gap."""

from planners.precision.problem import PrecisionProblem
from planners.precision.solve import PrecisionPlan, plan_precision

__all__ = ("PrecisionPlan", "PrecisionProblem", "plan_precision")
