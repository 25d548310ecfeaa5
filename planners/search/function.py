"""Plain Python functions as evaluators, and the digest that tells one version of them from another."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planners.search.problem import Outputs
from planners.search.space import Point
from simcore.errors import InputError


@dataclass(frozen=True)
class FunctionEvaluator:
    """`function(**point)` -> {output: number}, with `violation` (0 where feasible) if some points are not.

    A noisy function also takes `seed`. The function must be importable by other processes where a backend uses them.
    `version` joins the function's source in the key under which answers are kept: change it when something that the
    function calls changes.
    """

    function: Callable[..., Mapping[str, float]]
    outputs: tuple[str, ...]
    noisy: bool = False
    version: str = "1"
    costs: tuple[float, ...] = (1.0,)

    def fingerprint(self) -> str:
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            source = ""
        name = f"{self.function.__module__}.{self.function.__qualname__}"
        return f"function {name} {digest(source)} version {self.version} outputs {','.join(self.outputs)}"

    def __call__(self, points: Sequence[Point], seeds: Sequence[int], level: int) -> Outputs:
        """Raises InputError where the function leaves out an output."""
        out = {name: np.full(len(points), np.nan) for name in (*self.outputs, "violation")}
        out["violation"][:] = 0.0
        for row, (point, seed) in enumerate(zip(points, seeds, strict=True)):
            found = self.function(**point, **({"seed": seed} if self.noisy else {}))
            for name in self.outputs:
                if name not in found and found.get("violation", 0.0) <= 0:
                    raise InputError(f"the function gives no {name!r}", key=self.function.__qualname__)
            for name, value in found.items():
                if name in out:
                    out[name][row] = float(value)
        return out


def digest(*texts: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


CALL = re.compile(r"([A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*):([A-Za-z_][A-Za-z0-9_]*)")


def imported(call: str, folder: Path, allow_code: bool) -> Callable[..., Any]:
    """The function of `module:function`; the module is installed, or a file `module.py` in `folder`.

    Nothing is imported unless `allow_code` says that the user trusts it. Raises InputError for that, for a path in
    place of a name, for a name that both the folder and an installed module have, and for what cannot be imported.
    """
    match = CALL.fullmatch(call)
    if match is None:
        raise InputError(f"{call!r} names no function", key="evaluator.call", fix="write module:function")
    if not allow_code:
        what = f"{call!r} is code, which runs on request only"
        raise InputError(what, key="evaluator.call", fix="give --allow-code (allow_code=True) if you trust it")
    module, name = match.groups()
    beside = folder.resolve() / f"{module}.py"
    if beside.is_file() and str(beside.parent) not in sys.path:
        sys.path.append(str(beside.parent))
    try:
        found = importlib.import_module(module)
        function = getattr(found, name)
    except Exception as error:
        raise InputError(f"cannot import {call!r}: {error}", key="evaluator.call") from None
    origin = getattr(found, "__file__", None)
    if beside.is_file() and (origin is None or Path(origin).resolve() != beside):
        raise InputError(f"{module!r} is also an installed module", file=str(beside), fix="rename the file")
    if not callable(function):
        raise InputError(f"{call!r} is not a function", key="evaluator.call")
    return function  # type: ignore[no-any-return]
