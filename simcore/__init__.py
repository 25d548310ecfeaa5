"""simcore: which chips, which parallel plan, which policy serve or train this model best, and how sure are we?

The public face is lazy: `import simcore; simcore.estimate(...)`, `simcore.sweep(...)`; see `simcore.api`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from simcore.spec.version import VERSION

__version__ = VERSION
__all__ = [
    "Scenario",
    "capacity",
    "compare",
    "estimate",
    "evaluator",
    "read",
    "register",
    "report",
    "resolve",
    "scenario",
    "search",
    "simulate",
    "size",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "Scenario":
        return import_module("simcore.spec.scenario").Scenario
    if name in __all__:
        return getattr(import_module("simcore.api"), name)
    raise AttributeError(f"module 'simcore' has no attribute {name!r}; there are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
