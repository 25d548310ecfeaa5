"""Calls of compiled functions: from a kept library where there is one, else compiled, and only then with numba."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from simcore.cost.libraries import find
from simcore.errors import SimcoreError


class Gate:
    """A compiled function of one array of whole numbers, by file and name; looked for at its first call.

    `compiled(name)` makes it and returns its address, where no library is kept.
    """

    def __init__(self, file: str, name: str, compiled: Callable[[str], int]) -> None:
        self.file, self.name, self.compiled = file, name, compiled

    @cached_property
    def kept(self) -> int | None:
        """The address of the C function in a kept library; None where there is none to be trusted."""
        found = find(self.file, self.name)
        return None if found is None else found[0]

    @cached_property
    def function(self) -> Any:
        """The C function."""
        address = self.compiled(self.name) if self.kept is None else self.kept
        return ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

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
            raise SimcoreError(f"compiled code broke off in {self.name}: a number of the run is zero or infinite")
