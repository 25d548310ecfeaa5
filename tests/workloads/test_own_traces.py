"""Traces as people have them: own column names, units, blocks; two ways to read are refused, the rest is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.read import read
from scenarios.run import ready
from simcore import registry
from simcore.errors import InputError
from simcore.spec.traffic import Trace
from workloads import traffic
from workloads.demand import demand_of
from workloads.traces import TraceOptions, native, read_trace


def written(folder: Path, text: str, name: str = "own.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("header", "first", "last", "span_s"),
    [
        ("arrival_time,input_tokens,output_tokens", "0.5", "7.5", 7.0),
        ("Arrived_At;Prompt Tokens;Completion Tokens", "0.5", "7.5", 7.0),
        ("time\tprompt_len\toutput_len", "2025-06-03 09:00:00.0339700", "2025-06-03 09:00:05.5", 5.46603),
        ("Timestamp,ISL,OSL", "2025-06-03T23:59:59+02:00", "2025-06-03T22:00:01Z", 2.0),
        ("arrival (ms),ContextTokens,GeneratedTokens", "10", "7010", 7.0),
        ("timestamp,num_prefill_tokens,num_decode_tokens", "1748937600", "1748937607", 7.0),
        ("timestamp,input_len,output_len", "1748937600123", "1748937607123", 7.0),
        ("created_at,input,output", "1", "8", 7.0),
    ],
)
def test_usual_names_and_units(header: str, first: str, last: str, span_s: float, tmp_path: Path) -> None:
    cut = next(d for d in (",", ";", "\t") if d in header)
    rows = [[first, "10", "2"], [last, "30.0", "4"]]
    trace = read_trace(written(tmp_path, "\n".join([header, *(cut.join(row) for row in rows)]) + "\n"))
    assert trace.arrival_s == pytest.approx([0.0, span_s], abs=1e-9)
    assert list(trace.input_tokens) == [10, 30] and list(trace.output_tokens) == [2, 4]


def test_columns_named_in_the_options(tmp_path: Path) -> None:
    file = written(
        tmp_path, "when,prompt,completion,who,kind\n5000,10,2,ann,chat\n1000,30,4,bob,code\n2000,5,1,ann,chat\n"
    )
    columns = {"arrival": "when", "input": "prompt", "output": "COMPLETION", "session": "who", "class": "kind"}
    trace = read_trace(file, TraceOptions(columns=columns, time_unit="ms"))
    assert list(trace.arrival_s) == [0.0, 1.0, 4.0] and list(trace.input_tokens) == [30, 5, 10]
    assert trace.session is not None and trace.slo_class is not None
    assert trace.session[1] == trace.session[2] != trace.session[0]
    assert [trace.slo_names[at] for at in trace.slo_class] == ["code", "chat", "chat"]


def test_head_and_scales(tmp_path: Path) -> None:
    file = written(tmp_path, "arrival_s,input_tokens,output_tokens\n0,10,10\n2,10,10\n9,10,10\n")
    trace = read_trace(file, TraceOptions(head=2, rate_scale=2.0, input_scale=3.0, output_scale=0.5))
    assert list(trace.arrival_s) == [0.0, 1.0] and trace.input_tokens[0] == 30 and trace.output_tokens[0] == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("when,input_tokens,output_tokens\n0,1,1\n", "'when' looks like a time.*arrival = \"when\""),
        ("requestDate,input_tokens,output_tokens\n0,1,1\n", "'requestDate' looks like a time"),
        ("time,input_tokens,output_tokens\n03/06/2025,1,1\n", "'time' holds no times: '03/06/2025'"),
        ("timestamp,input_tokens,output_tokens\n0,1,1\n60000,1,1\n", "may be seconds or milliseconds.*time_unit"),
        ("time,tokens,output_tokens\n0,1,1\n", "no column is known as the input tokens"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n1,inf,1\n", r"own.csv:3: input_tokens inf is no finite number"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n\n1,1e12,1\n", r"own.csv:4: input_tokens .*too large"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n1,1.5,1\n", "1.5 is not a whole number"),
        ("arrival_s,input_tokens,output_tokens,session,turn\n0,1,1,1,0\n1,1,1,1,\n", r"own.csv:3: turn is blank"),
        ("arrival_s,input_tokens,output_tokens,session\n0,1,1,a\n1,1,1,\n", r"own.csv:3: session is blank"),
        ("arrival_s,input_tokens,output_tokens\n0,1,1\n1,1\n2,1,1\n", r"own.csv:3: has 2 fields, the header 3"),
        ("arrival_s,input_tokens,input_tokens\n0,1,1\n", "two columns are called 'input_tokens'"),
        ("arrival_s,input_tokens,output_tokens\n", "holds no request"),
        ("", "holds no request"),
    ],
)
def test_refusals_name_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as error:
        read_trace(written(tmp_path, text))
    assert "\n" not in str(error.value) and "own.csv" in str(error.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"arrival_s,input_tokens,output_tokens\n0,1,1\n1,\xff\xfe,1\n")
    with pytest.raises(InputError, match=r"own.csv:3: is not UTF-8 text"):
        read_trace(tmp_path / "own.csv")


def test_bad_rows_are_counted_wherever_they_are(tmp_path: Path) -> None:
    text = "arrival_s,input_tokens,output_tokens\n0,1,1\n\n1,1\nx,1,1\n3,0,1\n4,5,6\n,1,1\n"
    trace = read_trace(written(tmp_path, text), skip_bad=True)
    assert list(trace.input_tokens) == [1, 5] and trace.skipped == 4


def test_lengths_without_times_say_so(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "input_tokens,output_tokens,ttft_s\n5,6,0.1\n7,8,0.2\n"))
    assert list(trace.arrival_s) == [0, 0] and "all requests at time 0" in trace.notes["reading"][0]
    forced = read_trace(written(tmp_path, "when,input_tokens,output_tokens\n5,5,6\n"), TraceOptions(form="lengths"))
    assert list(forced.arrival_s) == [0]


HASHED = (
    {"timestamp": 0.25, "input_length": 40, "output_length": 2, "hash_ids": [1, 2, 3]},
    {"timestamp": 30.5, "input_length": 36, "output_length": 2, "hash_ids": [1, 2, 4]},
    {"timestamp": 90.25, "input_length": 90, "output_length": 3, "hash_ids": [1, 2, 3, 5, 6, 7]},
)


def test_blocks_and_seconds_are_told_by_the_numbers(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, lines(*HASHED), "own.jsonl"))
    assert trace.prefix_block_tokens == 16 and trace.arrival_s[-1] == 90.0
    assert len(trace.notes["reading"]) == 2
    said = read_trace(tmp_path / "own.jsonl", TraceOptions(time_unit="ms", hash_tokens=17))
    assert said.prefix_block_tokens == 17 and said.arrival_s[-1] == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"timestamp": 31}, {}, None),
        ({"hash_ids": [1]}, {}, "3 hashes for 40 input tokens are not ceil.*no block size agrees"),
        ({}, {"hash_tokens": 512}, r"3 hashes for 40 input tokens are not ceil\(40 / 512\).*15 to 17 would agree"),
    ],
)
def test_hashes_must_agree(change: dict[str, Any], options: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    file = written(tmp_path, lines(HASHED[0], HASHED[1] | change, HASHED[2]), "own.jsonl")
    if words is None:
        assert read_trace(file).arrival_s[1] == 30.75
        return
    with pytest.raises(InputError, match=words):
        read_trace(file, TraceOptions(**options))


def test_whole_seconds_with_other_blocks_and_fractions_with_512_are_refused(tmp_path: Path) -> None:
    whole = [row | {"timestamp": int(row["timestamp"])} for row in HASHED]  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"counts ms in files with 512 tokens per hash.*time_unit"):
        read_trace(written(tmp_path, lines(*whole), "own.jsonl"))
    few = [row | {"hash_ids": [1]} for row in HASHED]
    with pytest.raises(InputError, match=r"has fractions.*time_unit"):
        read_trace(written(tmp_path, lines(*few), "own.jsonl"))
    assert read_trace(tmp_path / "own.jsonl", TraceOptions(time_unit="s")).arrival_s[-1] == 90.0


def test_rows_out_of_order_keep_their_hashes(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, lines(HASHED[2], HASHED[0], HASHED[1]), "own.jsonl"))
    assert trace.prefix_hashes is not None and trace.prefix_start is not None
    assert list(trace.prefix_hashes) == [1, 2, 3, 1, 2, 4, 1, 2, 3, 5, 6, 7] and list(trace.prefix_start) == [
        0,
        3,
        6,
        12,
    ]


def test_a_benchmark_result_is_read_or_named(tmp_path: Path) -> None:
    result = {"backend": "vllm", "num_prompts": 2, "input_lens": [100, 200], "output_lens": [5, 6], "itls": [[1], []]}
    trace = read_trace(written(tmp_path, json.dumps(result), "result.json"))
    assert list(trace.input_tokens) == [100, 200] and "a benchmark result" in trace.notes["reading"][0]
    timed = result | {"start_times": [10.5, 12.0]}
    assert list(read_trace(written(tmp_path, json.dumps(timed, indent=1), "result.json")).arrival_s) == [0.0, 1.5]
    short = {"backend": "vllm", "num_prompts": 2, "mean_ttft_ms": 3.0, "total_input_tokens": 5}
    with pytest.raises(InputError, match=r"is a benchmark result without the lengths.*not a trace"):
        read_trace(written(tmp_path, json.dumps(short), "result.json"))


def test_logs_with_nested_usage(tmp_path: Path) -> None:
    usage = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 4)]
    rows = [{"created": f"2025-01-01T00:00:0{u['completion_tokens']}Z", "usage": u} for u in usage]
    for text in (lines(*rows), json.dumps(rows), json.dumps({"requests": rows})):
        trace = read_trace(written(tmp_path, text, "log.json"))
        assert list(trace.arrival_s) == [0, 3] and list(trace.output_tokens) == [1, 4]


def test_a_broken_json_line_is_told_by_its_number(tmp_path: Path) -> None:
    file = written(tmp_path, lines(HASHED[0]) + "{oops\n" + lines(HASHED[2]), "own.jsonl")
    with pytest.raises(InputError, match=r"own.jsonl:2: not valid JSON"):
        read_trace(file)
    trace = read_trace(file, skip_bad=True)
    assert len(trace) == 2 and trace.skipped == 1


def test_a_format_of_ones_own(tmp_path: Path) -> None:
    class Mine:
        @staticmethod
        def read(file: Path, skip_bad: bool) -> Trace:
            return Trace(np.array([0.0]), np.array([len(file.read_text())]), np.array([1]))

    registry.register("trace", Mine, "mine")
    try:
        assert read_trace(written(tmp_path, "abc"), TraceOptions(form="mine")).input_tokens[0] == 3
    finally:
        registry.unregister("trace", "mine")
    with pytest.raises(InputError, match="unknown trace format 'mine'"):
        read_trace(written(tmp_path, "abc"), "mine")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": {"inputs": "x"}}, "traffic.columns.inputs: is no role.*did you mean input"),
        ({"columns": {"input": "prompts"}}, "traffic.columns.input: has no column 'prompts'.*did you mean prompt"),
        ({"time_unit": "sec"}, "traffic.time_unit: 'sec' is no unit"),
        ({"hash_tokens": 0}, "traffic.hash_tokens"),
    ],
)
def test_wrong_options(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = written(tmp_path, "time,prompt,output\n0.5,1,1\n")
    with pytest.raises(InputError, match=words):
        read_trace(file, TraceOptions(**options))


def test_a_scenario_says_it_all(tmp_path: Path) -> None:
    written(tmp_path, "when,prompt,completion\n0,10,2\n1500,30,4\n")
    scenario = written(
        tmp_path,
        'schema = "scenario/1"\n[steps]\nprofile = "table"\nstep = "1 ms"\n[traffic]\ntrace = "own.csv"\n'
        'time_unit = "ms"\ncolumns = { arrival = "when", input = "prompt", output = "completion" }\n',
        "own.toml",
    )
    question = ready(read(scenario))
    assert list(question.trace.arrival_s) == [0.0, 1.5] and len(question.run().requests) == 2


def test_demand_of_a_trace_agrees_with_its_definition(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    known = traffic("azure-conversation-2023")
    lengths = random.integers(1, 1000, (2, 500))
    trace = Trace(np.arange(500) / 4.0, lengths[0], lengths[1])
    native.write(trace, tmp_path / "again.csv")
    demand = demand_of(read_trace(tmp_path / "again.csv"))
    assert demand.rate_requests_per_s == pytest.approx(4.0) and demand.requests == 500
    assert demand.input.mean_tokens == pytest.approx(lengths[0].mean())
    assert demand.input.quantile(0.5) == np.median(lengths[0])
    weighted = ((lengths[0] + lengths[1] / 2) * lengths[1]).sum() / lengths[1].sum()
    assert demand.mean_context_tokens == pytest.approx(weighted)
    assert set(known.input.quantiles) == set(demand.input.quantiles)
    assert demand_of(Trace(np.zeros(2), np.array([5, 5]), np.array([1, 1]))).rate_requests_per_s is None


def test_ten_thousand_rows_are_quick(tmp_path: Path) -> None:
    import time

    rows = "".join(f"{n / 7:.6f},{1 + n % 900},{1 + n % 90}\n" for n in range(10_000))
    file = written(tmp_path, "arrival_s,input_tokens,output_tokens\n" + rows)
    best_s = 1.0
    for _ in range(5):
        start = time.perf_counter()
        assert len(read_trace(file)) == 10_000
        best_s = min(best_s, time.perf_counter() - start)
    assert best_s < 0.1, "a row at a time takes twice as long"
