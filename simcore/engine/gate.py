"""Calls of whole compiled runs: from a kept library where there is one, else compiled, and only then with numba."""

from __future__ import annotations

import ctypes
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simcore.cost.libraries import find
from simcore.errors import SimcoreError

GATES = str(Path(__file__).with_name("gates.py"))


class Gate:
    """A compiled function of `simcore.engine.gates`, by name; looked for at its first call."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def function(self) -> Any:
        """The C function."""
        found = find(GATES, self.name)
        if found is None:
            from simcore.engine.gates import address

            found = (address(self.name),)
        return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(found[0])

    def __call__(self, *parts: Any) -> None:
        """Arrays (C-contiguous, written in place), whole numbers, addresses of policies. Raises SimcoreError where the
        kernel broke off.
        """
        numbers: list[int] = []
        for part in parts:
            if isinstance(part, np.ndarray):
                assert part.flags.c_contiguous
                numbers += [part.ctypes.data, part.size]
            elif isinstance(part, tuple):
                numbers += part
            else:
                numbers.append(int(part))
        told = np.array([*numbers, 0], np.int64)
        self.function(told.ctypes.data)
        if told[-1] != 1:
            raise SimcoreError(f"the compiled engine broke off in {self.name}: a number of the run is zero or infinite")


open_loop, closed_loop = Gate("open_loop"), Gate("closed_loop")
