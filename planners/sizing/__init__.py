"""`size`: which chips and which plan serve a model's traffic within bounds on TTFT and TPOT at the least cost."""

from planners.sizing.question import SizeQuestion
from planners.sizing.sized import Candidate, Sized, size

__all__ = ["Candidate", "SizeQuestion", "Sized", "size"]
