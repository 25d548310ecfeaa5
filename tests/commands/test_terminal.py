"""What every command does on a terminal: quiet where asked, exit code 1 for "no", a way on for whoever stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands.terminal import table_lines
from planners.answer import Answer
from tests.test_hard_to_break import simcore

ROOT = Path(__file__).resolve().parents[2]
HEADER = ["plan", "ms", "why"]
ROWS = [["h100-sxm tp 4 dp 2", "20.5", "decode is bound by memory on every chip"], ["l40s", "9", ""]]


@pytest.mark.parametrize("width", [None, 200, 60, 40, 20, 5])
def test_no_cell_is_cut(width: int | None) -> None:
    lines = list(table_lines(HEADER, ROWS, ("plan", "why"), width))
    text = "\n".join(lines)
    assert "h100-sxm tp 4 dp 2" in text and "…" not in text
    shown = [name for name in HEADER if name in lines[0].split()]
    told = [line for line in lines if line.startswith("left out")]
    assert (len(shown) < len(HEADER)) == bool(told) and all(name in told[0] for name in HEADER if name not in shown)
    if width == 60:
        assert " ".join(text.split()).count("every chip") == 1 and max(map(len, lines)) <= 60


def test_every_command_can_be_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert simcore(monkeypatch, capsys, "list", "chips", "-q") == (0, "", "")
    assert simcore(monkeypatch, capsys, "study", "show", "megatron-lm", "--quiet") == (0, "", "")
    code, out, err = simcore(monkeypatch, capsys, "show", "chip", "nosuch", "--quiet")
    assert code == 2 and not out and err.count("\n") == 1


@pytest.mark.parametrize("command", ["power", "experts"])
def test_no_plan_is_an_answer(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = Answer(None, float("inf"), 0.0, "ilp", 0, 0.0, "infeasible", ("the bounds clash",))
    monkeypatch.setattr(f"planners.{command}.{'plan' if command == 'power' else 'place'}", lambda *a, **more: none)
    file = ROOT / "examples/power-row.toml" if command == "power" else tmp_path / "experts.toml"
    (tmp_path / "experts.toml").write_text("chips = 2\nloads = [[1.0, 2.0]]\n")
    assert simcore(monkeypatch, capsys, "plan", command, file) == (1, "the bounds clash\n", "")
    code, out, _ = simcore(monkeypatch, capsys, "plan", command, file, "--json")
    assert code == 1 and json.loads(out)["feasible"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_search_says_how_to_go_on(tmp_path: Path) -> None:
    words = [
        "search",
        "examples/search/serve-8b.toml",
        "--budget",
        "100000",
        "--method",
        "random",
        "--out",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *words, "-q"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob("unfinished-*")) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "simcore: stopped; finished files are kept; the same command with --resume goes on\n"
