"""`dataclass` as the standard library's, its methods written at the first use of a class.

The standard decorator compiles up to seven methods per class, 0.4 ms: a command imports 85 such classes and makes
instances of half of them. Here a class is finished, by the standard decorator, when it is called, asked for its fields
or its signature, or unpickled.

Wrong for classes with slots, and for the default of a `field(...)` read from the class before its first instance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")
LOCK = RLock()
LOOKED_UP = ("__dataclass_fields__", "__match_args__", "__signature__")
"""attributes of a class that finish it when somebody reads them"""

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(kind: type[T] | None = None, /, *, frozen: bool = False, eq: bool = True) -> Any:
        """Make a class a dataclass, at its first use."""
        return _marked(kind, frozen, eq) if kind is not None else lambda kind: _marked(kind, frozen, eq)


class _Asked:
    """An attribute that the finished class has, or has not."""

    def __init__(self, name: str, finish: Callable[[], None]) -> None:
        self.name, self.finish = name, finish

    def __get__(self, instance: Any, owner: type) -> Any:
        self.finish()
        return getattr(owner, self.name)


def _marked(kind: type[T], frozen: bool, eq: bool) -> type[T]:
    def finish() -> None:
        with LOCK:
            if isinstance(vars(kind).get(LOOKED_UP[0]), _Asked):
                for name in ("__init__", "__setstate__", *LOOKED_UP):
                    delattr(kind, name)
                dataclasses.dataclass(frozen=frozen, eq=eq)(kind)

    def first(self: T, *arguments: Any, **named: Any) -> None:
        finish()
        kind.__init__(self, *arguments, **named)

    def unpickled(self: Any, state: dict[str, Any]) -> None:
        finish()
        vars(self).update(state)

    made: Any = kind
    made.__init__, made.__setstate__ = first, unpickled
    for name in LOOKED_UP:
        setattr(kind, name, _Asked(name, finish))
    return kind
