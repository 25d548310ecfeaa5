"""One file under every verb: the same question, the same field names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import mount
from scenarios.answer import FIELDS
from simcore.errors import InputError
from tests.shared import ROOT

CHAT = ROOT / "examples" / "chat-70b.toml"
SAID = {*FIELDS, "feasible", "reason", "assumptions", "notes", "formats", "stack"}
SMALL = ("--set", "traffic.requests=120")


def answer(verb: str, *more: str) -> dict[str, Any]:
    done = CliRunner().invoke(mount(), [verb, str(CHAT), *SMALL, *more, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def test_every_verb_answers_in_the_same_words(tmp_path: Path) -> None:
    estimated, simulated, capacity = answer("estimate"), answer("simulate"), answer("capacity", "--tolerance", "0.2")
    for found in (estimated, simulated, capacity):
        assert set(found) >= SAID and found["feasible"] and found["stack"] == "vllm"
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.25)
    assert capacity["rate_requests_per_s"] > 6.0
    swept = answer("sweep", "--out", str(tmp_path / "sweep"))
    searched = answer("search", "--out", str(tmp_path / "search"))
    assert set(swept["best"][0]) >= {*FIELDS, "reason"} and set(searched["frontier"][0]) >= SAID
    assert {"evaluated_now", "feasible", "reason"} <= set(searched) and searched["evaluated_now"] > 0
    best = min(row["usd_per_million_tokens"] for row in searched["frontier"])
    assert best == pytest.approx(swept["best"][0]["usd_per_million_tokens"], rel=1e-12)
    assert set(searched["frontier"][0]) >= {"plan.tp", "hardware.system"}
    header = (tmp_path / "search" / "frontier.csv").read_text().splitlines()[0]
    assert header == "plan.tp,hardware.system,usd_per_million_tokens,tpot_p50_s"


def test_set_and_vary_ask_another_question(tmp_path: Path) -> None:
    found = answer("search", "--vary", "plan.tp=4,8", "--vary", "plan.kv=bf16,fp8", "--set", "plan.dp=1",
                   "--method", "exhaustive", "--budget", "20", "--out", str(tmp_path))  # fmt: skip
    assert found["evaluations"] == 2 * 2 * 3
    assert all(row["plan.kv"] in ("bf16", "fp8") for row in found["frontier"])
    assert answer("estimate", "--set", "plan.kv=fp8")["formats"]["kv"] == "fp8"


def test_training_needs_its_table() -> None:
    with pytest.raises(InputError, match=r"chat-70b.toml: training: is missing"):
        CliRunner().invoke(mount(), ["train", str(CHAT)], catch_exceptions=False)


def test_a_search_without_an_answer_exits_with_1(tmp_path: Path) -> None:
    arguments = ["search", str(CHAT), "--set", "slo.ttft=1 us", "--out", str(tmp_path), "--json"]
    done = CliRunner().invoke(mount(), arguments)
    found = json.loads(done.stdout)
    assert done.exit_code == 1 and found["feasible"] is False and found["frontier"] == []
    assert found["reason"] == "no feasible point was found"


def told(*words: str) -> dict[str, Any]:
    """What a verb says with `--json`: one document, nothing beside it."""
    done = CliRunner().invoke(mount(), [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_shown_or_written_is_told(tmp_path: Path) -> None:
    assert "memory" in told("schema", "chip")["properties"]
    shown = told("study", "show", "sarathi-serve")
    assert shown["verb"] == "study show" and shown["study"]["name"] == "sarathi-serve"
    own = told("study", "show", "sarathi-serve", "--scenario")
    assert own["command"].startswith("simcore ") and own["file"]["schema"] == "scenario/2"
    measured = told("profile", "--size", "small", "--out", str(tmp_path / "host"))
    assert measured["verb"] == "profile" and measured["device"] == "cpu"
    assert {Path(name).name for name in measured["written"]} >= {"gemm.csv", "manifest.toml"}
    assert all(Path(name).is_file() for name in measured["written"])
    fitted = told("calibrate", "--tables", str(tmp_path / "host"), "--op", "gemm", "--out", str(tmp_path / "fit"))
    assert fitted["verb"] == "calibrate" and [Path(name).is_file() for name in fitted["written"]] == [True]
    assert fitted["artefacts"][0]["fits"] >= 1
