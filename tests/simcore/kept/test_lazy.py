"""Dataclasses that are finished at their first use are what the standard decorator makes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
from typing import Any

import pytest

from simcore.kept import lazy

TEXT = """
from __future__ import annotations
from dataclasses import field
from functools import cached_property
from DECORATOR import dataclass

@dataclass(frozen=True)
class Base:
    "Base."
    size: int
    names: list[str] = field(default_factory=list)

    @cached_property
    def twice(self):
        return 2 * self.size

@dataclass(frozen=True)
class Sub(Base):
    more: float = 1.5

class Plain(Sub):
    pass

@dataclass
class Open:
    x: int = 0

    def __post_init__(self):
        self.x += 1
"""


def module(monkeypatch: pytest.MonkeyPatch, decorator: str) -> Any:
    """A module with these classes, as if it were a file."""
    made = type(sys)("lazy_classes")
    monkeypatch.setitem(sys.modules, "lazy_classes", made)
    exec(TEXT.replace("DECORATOR", decorator), vars(made))
    return made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    return module(monkeypatch, "simcore.kept.lazy")


def test_nothing_is_written_before_the_first_use(made: Any) -> None:
    assert made.Base.__init__.__name__ == "first"
    assert made.Sub(3).twice == 6
    assert made.Base.__init__.__name__ == "__init__" and "__setstate__" not in vars(made.Base)


def test_they_are_what_the_standard_decorator_makes(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = module(monkeypatch, "dataclasses")
    for name in ("Base", "Sub", "Open", "Plain"):
        ours, theirs = getattr(made, name), getattr(plain, name)
        assert str(inspect.signature(ours)) == str(inspect.signature(theirs))
        assert [f.name for f in dataclasses.fields(ours)] == [f.name for f in dataclasses.fields(theirs)]
        assert repr(ours(2)) == repr(theirs(2)) and ours(2) == ours(2) and ours(2) != ours(3)
        assert ours.__match_args__ == theirs.__match_args__ and dataclasses.is_dataclass(ours)
    assert made.Open().x == 1 and dataclasses.replace(made.Sub(1), more=2.0).more == 2.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.Base(1).size = 2


def test_an_instance_of_another_process_is_whole(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = pickle.dumps(made.Sub(4, ["a"]))
    fresh = module(monkeypatch, "simcore.kept.lazy")
    found = pickle.loads(kept)
    assert type(found) is fresh.Sub and found == fresh.Sub(4, ["a"]) == copy.deepcopy(found)


def test_no_class_of_the_project_has_slots_and_is_lazy() -> None:
    assert "slots" not in inspect.signature(lazy.dataclass).parameters
