"""Golden answers: 200 random scenarios and the examples, on both engines.

A changed one needs a line in CHANGELOG.md under "Numbers changed"; `python -m tests.golden` records them again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import answers

HERE = Path(__file__).resolve().parent


def same(got: Any, kept: Any) -> bool:
    """Counts and words exactly, times within 1e-8."""
    if isinstance(kept, float):
        return isinstance(got, float | int) and got == pytest.approx(kept, rel=1e-8)
    return bool(got == kept)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["estimates", "simulations", "examples"])
def test_answers_are_those_that_were_recorded(kind: str) -> None:
    kept = json.loads((HERE / f"{kind}.json").read_text(encoding="utf-8"))
    got = getattr(answers, f"of_{kind}")()
    assert len(got) == len(kept)
    pairs = [(name, got[name], kept[name]) for name in kept] if isinstance(kept, dict) else enumerate_pairs(got, kept)
    wrong = [
        f"{name}: {key} is {mine.get(key)!r}, was {value!r}"
        for name, mine, theirs in pairs
        for key, value in theirs.items()
        if not same(mine.get(key), value) and not is_elsewhere(mine)
    ]
    assert not wrong, wrong[:10]


def is_elsewhere(found: dict[str, Any]) -> bool:
    """A trace that is not at hand on this machine."""
    return "names a variable that is not set" in found.get("why", "") or "no such" in found.get("why", "")


def enumerate_pairs(got: list[Any], kept: list[Any]) -> list[tuple[int, Any, Any]]:
    return [(at, mine, theirs) for at, (mine, theirs) in enumerate(zip(got, kept, strict=True))]
