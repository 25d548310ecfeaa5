"""Traces with bad values: refused with file and line, or left out and counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from simcore.errors import InputError
from workloads.traces import read_trace

HEAD = b"arrival_s,input_tokens,output_tokens,session,turn,pause_s,prefix_hashes\n"
GOOD = b"0.0,10,5,1,0,0.5,1\n"
BAD_ROWS = {
    "inf": b"1.0,inf,5,1,0,0,1\n",
    "nan": b"1.0,10,nan,1,0,0,1\n",
    "late": b"inf,10,5,1,0,0,1\n",
    "no time": b"x,10,5,1,0,0,1\n",
    "zero": b"1.0,0,5,1,0,0,1\n",
    "negative": b"1.0,10,-5,1,0,0,1\n",
    "half": b"1.0,10.5,5,1,0,0,1\n",
    "too long": b"1.0,2147483647,5,1,0,0,1\n",
    "far too long": b"1.0,1e300,5,1,0,0,1\n",
    "endless digits": b"1.0," + b"9" * 5000 + b",5,1,0,0,1\n",
    "blank turn": b"1.0,10,5,1,,0,1\n",
    "blank session": b"1.0,10,5,,0,0,1\n",
    "nan pause": b"1.0,10,5,1,0,nan,1\n",
    "negative pause": b"1.0,10,5,1,0,-1,1\n",
    "not UTF-8": b"1.0,\xff\xfe,5,1,0,0,1\n",
    "not UTF-8 elsewhere": b"1.0,10,5,1,0,0,1,\xff\n".replace(b"10", b"\xff10"),
    "short": b"1.0\n",
    "nul": b"1.0,\0,5,1,0,0,1\n",
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_told_with_its_line_or_left_out(name: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(HEAD + GOOD + BAD_ROWS[name] + GOOD)
    with pytest.raises(InputError, match=r"t\.csv:3: .*skip-bad") as caught:
        read_trace(file)
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    found = read_trace(file, skip_bad=True)
    assert len(found) == 2 and found.skipped == 1


LINES = {
    "not JSON": b"{",
    "a number": b"5",
    "a list": b"[1]",
    "inf": b'{"timestamp": 1, "input_length": Infinity, "output_length": 5}',
    "null": b'{"timestamp": null, "input_length": 5, "output_length": 5}',
    "nested": b"[" * 100_000,
    "not UTF-8": b'{"timestamp": 1, "input_length": 5, "output_length": 5, "x": "\xff"}',
}


@pytest.mark.parametrize("name", LINES)
def test_a_bad_json_line_is_told_or_left_out(name: str, tmp_path: Path) -> None:
    good = b'{"timestamp": 0, "input_length": 5, "output_length": 5, "hash_ids": [1]}\n'
    file = tmp_path / "t.jsonl"
    file.write_bytes(good + LINES[name] + b"\n" + good)
    with pytest.raises(InputError, match=r"t\.jsonl:2: "):
        read_trace(file)
    found = read_trace(file, skip_bad=True)
    assert len(found) == 2 and found.skipped == 1


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\n", b"a,b\n1,2\n", HEAD, b"\0" * 100])
def test_what_is_no_trace_is_told(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    for skip_bad in (False, True):
        with pytest.raises(InputError, match=r"t\.csv"):
            read_trace(file, skip_bad=skip_bad)
    with pytest.raises(InputError):
        read_trace(tmp_path)


@pytest.mark.parametrize("ratio", [1e300, 5e8, 1e18])
def test_scaling_does_not_wrap(ratio: float, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(HEAD + GOOD)
    trace = read_trace(file)
    for name in ("input_ratio", "output_ratio"):
        with pytest.raises(InputError, match="2147483647 tokens"):
            trace.scaled(**{name: ratio})
