"""Quantities at the border: what a type refuses, whoever writes it."""

from __future__ import annotations

import pytest

from simcore.errors import InputError, brief
from simcore.spec.base import Count, FileName, Spec, Whole, name_of
from simcore.spec.load import build, build_from_file
from simcore.units import Bytes, BytesPerS, Capacity, FlopPerS, Hertz, Seconds, Usd, Watts, parse


class One(Spec):
    name: str = "a"
    time_s: Seconds = 0.0
    size_bytes: Bytes = 0.0
    room: Capacity = 1.0
    rate: BytesPerS = 1.0
    peak: FlopPerS = 1.0
    clock: Hertz = 1.0
    power: Watts = 0.0
    price: Usd = 0.0
    count: Count = 1
    whole: Whole = 0
    ratio: float = 1.0
    file_name: FileName = "a"
    large: int = 0


class Many(Spec):
    parts: tuple[One, ...] = ()


FIELDS = {
    "time_s": "s",
    "size_bytes": "GB",
    "room": "GB",
    "rate": "GB/s",
    "peak": "FLOP/s",
    "clock": "GHz",
    "power": "W",
    "price": "USD",
}


@pytest.mark.parametrize(("field", "unit"), FIELDS.items())
@pytest.mark.parametrize(
    "number", ["-1", "-1e-9", "nan", "inf", "-inf", "1e400", "9**9**9**9", "2 * 3", "", "1e99999", "0x10", "1;2"]
)
def test_no_quantity_is_negative_or_infinite(field: str, unit: str, number: str) -> None:
    with pytest.raises(InputError, match=field):
        build_from_file(One, {field: f"{number} {unit}"}, "x.toml")


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), float("-inf")])
def test_nor_is_one_that_python_gives(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        build(One, {field: value}, "python")


@pytest.mark.parametrize(("field", "unit"), FIELDS.items())
def test_what_is_divided_by_is_above_zero(field: str, unit: str) -> None:
    positive = field in ("room", "rate", "peak", "clock")
    if positive:
        with pytest.raises(InputError, match=f"{field}.*above zero"):
            build_from_file(One, {field: f"0 {unit}"}, "x.toml")
    else:
        assert build_from_file(One, {field: f"0 {unit}"}, "x.toml") is not None


def test_plain_quantities_are_read() -> None:
    assert parse("3.5 TB/s", "byte/s") == 3.5e12 and parse("1_000 ms", "s") == 1.0 and parse(".5 us", "s") == 5e-7
    assert (
        parse("0.08 USD/kWh", "USD/kWh") == 0.08
        and parse("1e-3 s", "s") == 1e-3
        and parse("80GiB", "byte") == 80 * 2**30
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0),
        ("count", 2**31),
        ("count", 10**400),
        ("whole", -1),
        ("whole", 1.5),
        ("ratio", float("nan")),
        ("ratio", float("inf")),
        ("large", 2**53 + 1),
        ("large", -(10**30)),
        ("file_name", "a/b"),
        ("file_name", ".."),
        ("file_name", "a b"),
        ("file_name", ""),
        ("file_name", "x" * 300),
        ("file_name", "a\0b"),
        ("file_name", "é"),
    ],
)
def test_counts_numbers_and_names_have_bounds(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        build(One, {field: value}, "x.toml")


def test_two_entries_of_one_list_have_two_names() -> None:
    assert len(build(Many, {"parts": [{"name": "a"}, {"name": "b"}]}, "x.toml").parts) == 2
    with pytest.raises(InputError, match=r"parts.*'a'"):
        build(Many, {"parts": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}, "x.toml")


@pytest.mark.parametrize(
    ("path", "name"), [("runs/a b.toml", "a-b"), ("../é.toml", "unnamed"), ("a.b.toml", "a.b"), ("...", "unnamed")]
)
def test_names_of_files_are_names(path: str, name: str) -> None:
    assert name_of(path) == name


def test_messages_are_short_lines() -> None:
    told = str(InputError("x" * 10_000 + "\n", key="k" * 10_000, file="f.toml", fix="y\n" * 10_000))
    assert len(told) < 700 and "\n" not in told and told.startswith("f.toml: kkk")
    assert brief("a\x1b[31mred\x07") == "a?[31mred?"
