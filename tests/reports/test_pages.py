"""Pages whose makers no other test opens: the answer in a sentence, and the data behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import mount
from reports.measured import bench_page
from reports.page import html
from reports.page.build import plain
from reports.pictures import rows_of
from reports.plans import whole_tpot, whole_ttft
from simcore.result import OperationRow, Result
from tests.reports.pages import Shown, shown

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("command", "says", "figure"),
    [
        (("tiers", "chat-70b.toml"), "A decode step takes", "Where each class lies"),
        (("stages", "train-llama-70b.toml"), "The pipeline takes", "Layers of every stage"),
        (("groups", "train-llama-8b.toml", "--lengths", "16x1024,2x65536"), "A step takes", "Tokens of every group"),
        (("precision", "plan-precision.toml"), "Layers 0", "Format of every layer"),
    ],
)
def test_small_planners(command: tuple[str, ...], says: str, figure: str, tmp_path: Path) -> None:
    name, file, *more = command
    words = ["plan", name, str(EXAMPLES / file), *more, "--html", str(tmp_path / "p.html"), "-q"]
    done = CliRunner().invoke(mount(), words)
    assert done.exit_code == 0 and not done.output, done.output
    page = shown(tmp_path / "p.html")
    found = page.figure(figure)
    assert says in page.text and found.get("rows", found.get("cells"))
    assert CliRunner().invoke(mount(), [*words[:3], *more, "--html", str(EXAMPLES / file)]).exit_code != 0


def test_a_bench_is_judged_by_its_worst() -> None:
    metrics = [
        {"name": "ttft_mean_s", "measured": 0.1, "predicted": 0.09, "error_percent": -10.0, "inside": "inside",
         "interval": [0.08, 0.12]},
        {"name": "throughput_tokens_per_s", "measured": 100.0, "predicted": 102.0, "error_percent": 2.0, "inside": "",
         "interval": None},
    ]  # fmt: skip
    page = Shown(html(bench_page([{"tool": "vllm", "load": "60 requests", "metrics": metrics, "notes": []}])))
    assert "6.0 % off in the median; the worst is ttft_mean_s, -10.0 %" in page.text
    (first, second) = page.figure("Predicted over measured")["rows"]
    assert first[1:4] == pytest.approx([0.9, 0.8, 1.2]) and second[2] is None


def test_breakdowns_add_up_to_the_whole() -> None:
    rows = [
        OperationRow(phase, "qkv", 1.0, time_s, 1.0, 1.0, "memory")
        for phase, time_s in (("decode", 0.01), ("prefill", 0.2))
    ]
    result = Result({"tpot_s": 0.013, "ttft_s": 0.5, "queue_s": 0.1}, operations=tuple(rows))
    assert whole_tpot(result) == pytest.approx({"gemm": 10.0, "prefill of others": 3.0})
    assert whole_ttft(result) == pytest.approx({"gemm": 200.0, "queue": 100.0, "waiting and front end": 200.0})
    shared = Result({"tpot_s": 0.01, "ttft_s": 0.15}, operations=tuple(rows))
    assert sum(whole_ttft(shared).values()) == pytest.approx(150.0)


def test_numbers_of_a_page_are_plain() -> None:
    given = {"a": np.float64(1.23456789), "b": np.array([np.nan, 2.0]), "c": (np.int64(3), None, True, float("inf"))}
    assert plain(given) == {"a": 1.23457, "b": [None, 2.0], "c": [3, None, True, None]}


def test_a_simulated_run_tells_where_its_time_goes(tmp_path: Path) -> None:
    words = ["simulate", str(EXAMPLES / "simulate-llama-70b.toml"), "--set", "traffic.requests=200", "-q"]
    assert CliRunner().invoke(mount(), [*words, "--out", str(tmp_path)]).exit_code == 0
    page = shown(tmp_path / "simulate.html")
    (tpot,), (ttft,) = (page.figure(f"Where {name} goes")["rows"] for name in ("TPOT", "TTFT"))
    assert set(tpot[1]) >= {"decode steps", "steps with prefill of others"} and set(ttft[1]) >= {"queue", "prefill"}
    report = page.figure("TTFT")["series"][0]
    assert len(page.figure("KV cache")["series"]) == 2 and max(report[2]) == 1.0
    assert page.figure("TPOT")["along"] == [[0.05, "50 ms"]]


@pytest.mark.parametrize(("bound", "says"), [("1 us", "The SLO is missed"), ("10 s", "The SLO is met")])
def test_the_verdict_is_of_every_bound(bound: str, says: str) -> None:
    from reports.serving import answer
    from scenarios.read import read, with_changes
    from scenarios.simulate import simulate

    asked = {"traffic.requests": 50, "slo.ttft": None, "slo.tpot": None, "slo.itl_p99": bound}
    found = simulate(with_changes(read(EXAMPLES / "simulate-llama-70b.toml"), asked))
    (first, _), is_no = answer(found.report, found.ready)
    assert first.startswith(f"{says}: ITL p99") and is_no == (says == "The SLO is missed")


def test_the_data_of_a_figure_is_a_table() -> None:
    from reports.page import Axis, Bars, Lines

    assert rows_of(Bars("t", [("a", {"x": 1.0})], "ms")) == (["row", "part", "ms"], [("a", "x", 1.0)])
    assert rows_of(Lines("t", [("a", [1.0], [2.0])], Axis("x"), Axis("y")))[1] == [("a", 1.0, 2.0)]
