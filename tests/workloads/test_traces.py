"""Trace readers: formats, malformed rows, round trip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simcore.errors import InputError
from tests.shared import shared
from workloads.traces import native, read_trace

FILES = {
    "azure": "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2023-11-16 18:17:03.9799600,480,10\n2023-11-16 18:17:04.0319600,31,8\n",
    "azure-2024": "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    "2024-05-10 00:00:00.009930+00:00,480,10\n2024-05-10 00:00:00.061930+00:00,31,8\n",
    "mooncake": '{"timestamp": 1000, "input_length": 480, "output_length": 10, "hash_ids": [0]}\n'
    '{"timestamp": 1052, "input_length": 31, "output_length": 8, "hash_ids": [1]}\n',
    "burstgpt": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,480,10,490,API log\n5.052,ChatGPT,31,8,39,API log\n",
    "native": "arrival_s,input_tokens,output_tokens\n1,480,10\n1.052,31,8\n",
}


@pytest.mark.parametrize("form", FILES)
def test_each_format_reads_the_same_requests(form: str, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text(FILES[form])
    trace = read_trace(file)
    assert trace.arrival_s == pytest.approx([0.0, 0.052], abs=1e-6)
    assert list(trace.input_tokens) == [480, 31] and list(trace.output_tokens) == [10, 8]


def test_lengths_arrive_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("input_tokens,output_tokens\n5,6\n7,8\n")
    assert list(read_trace(file).arrival_s) == [0.0, 0.0]


@pytest.mark.parametrize("bad", ["1.0,abc,3", "1.0,5,0", "nan,5,5", "1.0,5"])
def test_a_malformed_row_is_refused_with_its_line_or_counted(bad: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(f"arrival_s,input_tokens,output_tokens\n0,1,1\n{bad}\n2,2,2\n")
    with pytest.raises(InputError, match=r"trace\.csv:3") as caught:
        read_trace(file)
    assert "\n" not in str(caught.value)
    trace = read_trace(file, skip_bad=True)
    assert len(trace) == 2 and trace.skipped == 1


def test_native_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(
        "arrival_s,input_tokens,output_tokens,session,turn,pause_s,prefix_hashes,priority,slo_class\n"
        "0,1210,5,3,0,0,1 2 3,0,chat\n0.5,820,6,3,1,0.25,1 9,1,batch\n"
    )
    trace = read_trace(file)
    native.write(trace, tmp_path / "again.csv")
    again = read_trace(tmp_path / "again.csv")
    names = ("arrival_s", "input_tokens", "output_tokens", "session", "turn", "pause_s", "priority", "slo_class")
    for name in (*names, "prefix_hashes"):
        assert np.array_equal(getattr(again, name), getattr(trace, name)), name
    assert again.slo_names == ("batch", "chat") and again.prefix_block_tokens == 512


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such trace file"):
        read_trace(tmp_path / "none.csv")
    (tmp_path / "odd").write_text("what is this\n")
    with pytest.raises(InputError, match="unknown trace format"):
        read_trace(tmp_path / "odd")


def test_the_real_traces_read() -> None:
    conversation = read_trace(shared("traces/AzureLLMInferenceTrace_conv.csv"))
    assert len(conversation) == 19366 and conversation.input_tokens.mean() == pytest.approx(1154.7, abs=0.1)
    mooncake = read_trace(shared("traces/mooncake_conversation.jsonl"))
    assert len(mooncake) == 12031 and mooncake.prefix_block_tokens == 512
