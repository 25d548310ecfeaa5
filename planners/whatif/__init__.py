"""`what-if` and `sensitivity`: what a change of any number of the hardware moves, what it may cost, what is assumed."""

from planners.whatif.assumed import Moved, assumed
from planners.whatif.breakeven import BreakEven, break_even
from planners.whatif.heat import HeatMap, heat_map
from planners.whatif.question import WhatIf, overlay
from planners.whatif.sensitivity import Draws, beats, swings
from planners.whatif.tornado import Bar, tornado

__all__ = [
    "Bar",
    "BreakEven",
    "Draws",
    "HeatMap",
    "Moved",
    "WhatIf",
    "assumed",
    "beats",
    "break_even",
    "heat_map",
    "overlay",
    "swings",
    "tornado",
]
