"""A trace that was read before is the trace that is read now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simcore.errors import InputError
from simcore.spec.traffic import Trace
from workloads.traces import TraceOptions, _kept, read_trace


@pytest.fixture
def readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a file was parsed."""
    from workloads.traces import _table

    monkeypatch.setattr("simcore.kept.values.home", lambda: tmp_path / "kept")
    found: list[str] = []
    plain = _table.read_table

    def counted(path: str | Path, skip_bad: bool) -> object:
        found.append(str(path))
        return plain(path, skip_bad)

    monkeypatch.setattr(_table, "read_table", counted)
    return found


def written(folder: Path, rows: int = 400, bad: bool = False) -> Path:
    lines = [
        f'{{"timestamp": {i * 700}, "input_length": 1024, "output_length": {i % 7 + 1}, "hash_ids": [{i}, {i + 1}]}}\n'
        for i in range(rows)
    ]
    if bad:
        lines[3] = "{\n"
    (folder / "trace.jsonl").write_text("".join(lines))
    return folder / "trace.jsonl"


def alike(one: Trace, other: Trace) -> bool:
    mine, theirs = vars(one), vars(other)
    return all(
        np.array_equal(mine[k], theirs[k]) if isinstance(mine[k], np.ndarray) else mine[k] == theirs[k] for k in mine
    )


def test_a_trace_is_parsed_once(tmp_path: Path, readings: list[str]) -> None:
    file = written(tmp_path)
    first = read_trace(file)
    assert alike(first, read_trace(file)) and len(readings) == 1
    half = read_trace(file, TraceOptions(head=200, rate_scale=2.0))
    assert alike(half, first.head(200).scaled(2.0)) and len(readings) == 1


def test_another_content_question_or_place_is_read_again(tmp_path: Path, readings: list[str]) -> None:
    file = written(tmp_path)
    read_trace(file)
    read_trace(file, TraceOptions(hash_tokens=512))
    read_trace(file, skip_bad=True)
    (tmp_path / "there").mkdir()
    assert read_trace(written(tmp_path / "there")).source != read_trace(file).source
    written(tmp_path, 401)
    assert len(read_trace(file)) == 401 and len(readings) == 5


def test_a_refused_file_is_refused_again(tmp_path: Path, readings: list[str]) -> None:
    file = written(tmp_path, bad=True)
    for _ in range(2):
        with pytest.raises(InputError, match=r"trace\.jsonl"):
            read_trace(file)
    assert len(readings) == 2


def test_a_small_file_is_not_kept(tmp_path: Path, readings: list[str]) -> None:
    file = written(tmp_path, 3)
    assert file.stat().st_size < _kept.LEAST_BYTES
    assert alike(read_trace(file), read_trace(file)) and len(readings) == 2
