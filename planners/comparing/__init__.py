"""`compare`: what differs between scenarios or finished runs, and what that moves."""

from planners.comparing.compared import Compared, Difference, Move, compare
from planners.comparing.sides import Side, read_side

__all__ = ["Compared", "Difference", "Move", "Side", "compare", "read_side"]
