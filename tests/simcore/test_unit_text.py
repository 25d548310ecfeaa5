"""Quantities read without pint are what pint reads, to the last bit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore.unit_text import PREFIXES, SYMBOLS, UNITS, read_plain
from simcore.units import _EXAMPLES, QUANTITY, _by_pint, parse

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("hardware_specs", "workloads", "examples", "planners", "benchmarks")


def leaves(raw: Any) -> Iterator[str]:
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, dict | list):
        for part in raw.values() if isinstance(raw, dict) else raw:
            yield from leaves(part)


@cache
def shipped() -> list[tuple[str, str, float]]:
    """(text, unit, what pint reads) of every quantity in a shipped file."""
    files = [file for folder in SHIPPED for file in (ROOT / folder).rglob("*.toml")]
    texts = {text for file in files for text in leaves(tomllib.loads(file.read_text(encoding="utf-8")))}
    found = []
    for text in sorted(texts):
        if len(text) > 40 or not QUANTITY.fullmatch(text):
            continue
        for unit in _EXAMPLES:
            try:
                found.append((text, unit, _by_pint(text, unit, "", False)))
            except ValueError:
                continue
    return found


def test_every_shipped_quantity() -> None:
    assert len(shipped()) > 300
    assert [row for row in shipped() if read_plain(row[0], row[1]) not in (row[2], None)] == []


def test_no_shipped_quantity_needs_pint() -> None:
    assert {text for text, unit, _ in shipped() if read_plain(text, unit) is None} == set()


NAMES = st.sampled_from(sorted({*UNITS, *SYMBOLS}))
PREFIXED = st.builds(str.__add__, st.sampled_from(["", *PREFIXES]), NAMES)
PRODUCT = st.builds(
    lambda first, more: first + "".join(sign + name for sign, name in more),
    PREFIXED,
    st.lists(st.tuples(st.sampled_from("*/"), PREFIXED), max_size=2),
)


@given(st.floats(1e-6, 1e6), PRODUCT, st.sampled_from(sorted(_EXAMPLES)))
def test_any_product_of_units(number: float, product: str, unit: str) -> None:
    """Within rounding: what is not shipped may be multiplied in another order."""
    found = read_plain(f"{number} {product}", unit)
    try:
        expected = _by_pint(f"{number} {product}", unit, "", False)
    except ValueError:
        expected = None
    if found is not None:
        assert expected is not None
        assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("text", ["5", "3 parsec", "3 GB/s", "1_0 s s", "1..2 s", "2 s**2", "-3 W", "3 W/"])
def test_what_is_refused_stays_refused(text: str) -> None:
    """The same texts as pint alone refuses; a sign is read, for the field to refuse."""
    try:
        expected = _by_pint(text, "W", "", False)
    except ValueError:
        with pytest.raises(ValueError, match="W"):
            parse(text, "W")
    else:
        assert parse(text, "W") == expected
