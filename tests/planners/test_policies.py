"""Programs that order a queue: what they may say, first come is first come, evolution guarded and told apart."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import simcore
from planners.policies import PolicyQuestion, evolve, grammar
from planners.policies.evolve import Judge, program_of
from scenarios.read import read
from simcore.errors import InputError
from simcore.policy.program import KNOWN, rank_program, ranks
from simcore.testing import check_scheduler

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plan-policy.toml"


def test_every_drawn_and_changed_program_is_arithmetic() -> None:
    rng = np.random.default_rng(3)
    requests = np.zeros(4, [(name, "f8") for name in KNOWN])
    programs = [grammar.drawn(KNOWN, rng) for _ in range(60)]
    for _ in range(200):
        first, second = (programs[int(rng.integers(len(programs)))] for _ in range(2))
        before = grammar.text_of(first)
        programs.append(grammar.mutated(first, KNOWN, rng))
        crossed = grammar.crossed(first, second, rng)
        assert grammar.text_of(first) == before, "parents stay as they are"
        if grammar.size(crossed) <= grammar.MOST_NODES:
            programs.append(crossed)
    for program in programs:
        text = grammar.text_of(program)
        if len(text) < 1500:
            assert np.all(np.isfinite(ranks(text, requests)))


@pytest.mark.parametrize(
    "text", ["__import__('os')", "input_tokens.real", "wait_s", "[1]", "input_tokens if 1 else 2", ""]
)
def test_what_is_no_program_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        rank_program(text)
    with pytest.raises(InputError):
        simcore.simulate(read(EXAMPLE, {"policy.scheduler": "ranked", "policy.rank": text}))


def test_first_come_as_a_program_is_first_come() -> None:
    scenario = read(EXAMPLE, {"traffic.requests": 80})
    plain, ranked = (simcore.simulate(scenario.set(c)).flat for c in ({}, program_of("arrival_s")))
    assert {k: v for k, v in plain.items() if k != "notes"} == {k: v for k, v in ranked.items() if k != "notes"}
    check_scheduler("ranked", rank="input_tokens - 100 * priority")
    with pytest.raises(InputError, match="ranked"):
        scenario.set({"policy.rank": "arrival_s"})


def test_evolution_beats_first_come_on_arrivals_that_took_no_part() -> None:
    question = PolicyQuestion(read(EXAMPLE, {"traffic.requests": 150}), "ttft_p90_s", budget=24, train=1, held_out=1)
    found, again = (evolve(question, seed=5) for _ in range(2))
    assert (found.rank, found.held_out) == (again.rank, again.held_out)
    assert found.judged <= 24 and list(found.history) == sorted(found.history, reverse=True)
    assert found.held_out < found.baselines["chunked"] and "output_tokens" not in found.rank
    assert found.train == Judge(question).score(found.rank)
    assert isinstance(ast.parse(found.rank, mode="eval").body, ast.expr)


def test_a_metric_that_there_is_not_and_a_trace_are_named() -> None:
    with pytest.raises(InputError, match="p91"):
        evolve(PolicyQuestion(read(EXAMPLE, {"traffic.requests": 20}), "ttft_p91_s", budget=2))


def test_the_program_found_is_written_as_a_scenario(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from cli import mount

    out = tmp_path / "found.toml"
    arguments = ["plan", "policy", str(EXAMPLE), "--budget", "6", "--set", "traffic.requests=30", "--out", str(out)]
    told = CliRunner().invoke(mount(), arguments)
    assert told.exit_code == 0, told.output
    found = read(out)
    assert found.policy.scheduler == "ranked" and found.policy.rank and found.slo.ttft_s == 1.0
    assert simcore.simulate(found).flat["served"] == 30
