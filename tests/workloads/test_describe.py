"""What is told of a trace: closed forms of small ones, own column names, the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import mount
from simcore.spec.traffic import Trace
from tests.reports.pages import shown
from workloads.describe import describe, prefix_hits, rank_correlation
from workloads.described import in_words


def trace(arrival_s: list[float], **more: object) -> Trace:
    count = len(arrival_s)
    return Trace(np.array(arrival_s), np.full(count, 40), np.arange(1, count + 1), **more)  # type: ignore[arg-type]


def test_a_steady_stream_has_no_variation() -> None:
    found = describe(trace([0.5 * i for i in range(101)]))
    assert (found.rate_per_s, found.gap_cv, found.together_ratio) == (2.0, pytest.approx(0.0, abs=1e-9), 0.0)
    assert found.dispersion == {"1": 0.0} and found.output["p50_tokens"] == 51.0
    assert "more regular" in " ".join(in_words(found))


def test_poisson_arrivals_vary_as_they_should() -> None:
    draw = np.random.default_rng(5)
    found = describe(trace(np.cumsum(draw.exponential(0.1, 20_000)).tolist()))
    assert found.gap_cv == pytest.approx(1.0, abs=0.03)
    assert len(found.dispersion) == 3
    assert all(value == pytest.approx(1.0, abs=0.35) for value in found.dispersion.values())
    assert found.rate_per_s == pytest.approx(10.0, rel=0.03)
    assert found.busiest_rate_per_s > found.rate_per_s


def test_prefixes_count_where_an_earlier_request_had_them() -> None:
    """Blocks of 16: [a b] [a b c] [d] [a b c] of 40 tokens: two, then three of which the last is cut, seen before."""
    hashes, start = np.array([1, 2, 1, 2, 3, 4, 1, 2, 3]), np.array([0, 2, 5, 6, 9])
    made = trace([0.0, 1.0, 2.0, 3.0], prefix_hashes=hashes, prefix_start=start, prefix_block_tokens=16)
    hits = prefix_hits(made)
    assert hits is not None and hits.tolist() == [0, 32, 0, 40]
    found = describe(made)
    assert found.prefix_hit_ratio == 72 / 160 and found.prefix_tokens == 64


def test_ranks_share_ties() -> None:
    assert rank_correlation(np.array([1, 2, 2, 9]), np.array([10, 20, 20, 21])) == pytest.approx(1.0)
    assert np.isnan(rank_correlation(np.array([1, 1]), np.array([1, 2])))


def test_own_names_are_sniffed_or_told(tmp_path: Path) -> None:
    rows = "".join(f"{0.25 * i},{100 + i},{5 + i % 3}\n" for i in range(30))
    answers = []
    for head, more in (("Timestamp,Prompt_Tokens,Completion_Tokens", []), ("when,a,b", ["--columns", TOLD])):
        (tmp_path / "own.csv").write_text(f"{head}\n{rows}")
        done = CliRunner().invoke(mount(), ["traffic", str(tmp_path / "own.csv"), "--json", "--time-unit", "s", *more])
        assert done.exit_code == 0, done.output
        answers.append(json.loads(done.output) | {"reading": []})
    assert answers[0] == answers[1] and answers[0]["rate_per_s"] == 4.0


TOLD = "arrival=when,input=a,output=b"


def test_the_page_says_it_and_a_bad_trace_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n")
    words = ["traffic", str(tmp_path / "own.csv"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(mount(), words)
    assert done.exit_code == 0, done.output
    assert "no rate" in done.output and shown(tmp_path / "out/traffic.html").figure("Lengths")
    (tmp_path / "own.csv").write_text("arrival_s,input_tokens,output_tokens\n")
    assert CliRunner().invoke(mount(), words).exit_code != 0
