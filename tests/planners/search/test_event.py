"""The event engine as an evaluator: draws by seed, plans that cannot be, the fields of every verb."""

from __future__ import annotations

from pathlib import Path

import pytest

import simcore
from planners.search.rows import frontier_rows
from planners.search.study import problem_of, read_search
from scenarios.answer import FIELDS
from simcore.errors import InputError
from tests.shared import ROOT

SERVE = ROOT / "examples" / "search" / "serve-8b.toml"
STEPS = """
schema = "scenario/2"
name = "steps"
[steps]
profile = "table"
step = "5 ms"
token = "50 us"
kv_blocks = 4000
[policy]
scheduler = "chunked"
max_running = 64
token_budget = 1024
[traffic]
input_tokens = [100, 400]
output_tokens = [20, 80]
requests = 100
rate_per_s = 8.0
[vary]
"policy.max_running" = [2, 8, 64]
"plan.dp" = [1, 2]
[objective]
minimise = ["tpot_s", "ttft_p90_s"]
[search]
engine = "simulate"
"""


def test_the_event_engine_answers_points() -> None:
    problem = problem_of(read_search(SERVE))
    point = {
        "hardware.system": "h100-sxm", "plan.tp": 1, "plan.dp": 2, "plan.weights": "bf16",
        "policy.scheduler": "chunked", "policy.token_budget": 2048, "policy.max_running": 32,
    }  # fmt: skip
    more = point | {"plan.dp": 4}
    ask = problem.evaluator
    out = ask([point, point, point, more], [5, 5, 6, 5], 1)
    assert out["e2e_p90_s"][0] == out["e2e_p90_s"][1] != out["e2e_p90_s"][2]
    assert out["e2e_p90_s"][3] < out["e2e_p90_s"][0] and out["chips"].tolist() == [2, 2, 2, 4]
    assert (out["violation"] == 0).all()
    assert ask.fingerprint() == problem_of(read_search(SERVE)).evaluator.fingerprint()


def test_a_point_is_a_simulation_of_its_scenario(tmp_path: Path) -> None:
    file = tmp_path / "steps.toml"
    file.write_text(STEPS)
    asked = simcore.read(file)
    point = {"policy.max_running": 8, "plan.dp": 2}
    out = problem_of(asked).evaluator([point], [5], 1)
    alone = simcore.simulate(asked.set({**point, "seed": 5})).flat
    told = {name: alone[name] for name in FIELDS if alone[name] is not None}
    assert told and {name: out[name][0] for name in told} == told
    found = simcore.search(file, method="exhaustive", budget=6)
    rows = frontier_rows(found)
    assert rows and set(FIELDS) | {"plan.dp", "policy.max_running", "tpot_s"} <= set(rows[0])
    assert all(row["tpot_s"] == row["tpot_mean_s"] for row in rows)


def test_what_cannot_be_is_infeasible_and_what_is_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "steps.toml"
    file.write_text(STEPS.replace('"plan.dp" = [1, 2]', '"plan.pp" = [1, 2]\n"policy.microbatches" = [1, 2]'))
    ask = problem_of(read_search(file)).evaluator
    points = [{"plan.pp": pp, "policy.microbatches": 2} for pp in (1, 2)]
    assert ask(points, [0, 0], 1)["violation"].tolist() == [1.0, 0.0]
    for change, words in (
        (("[2, 8, 64]", "[2, 0]"), "policy.max_running"),
        (("ttft_p90_s", "attainment_ratio"), r"counts what meets \[slo\]"),
        (("[search]", '[laws]\narea = "2"\n[search]'), "laws are for the analytic engine"),
        (("tpot_s", "tpot_p77_s"), "unknown objective 'tpot_p77_s'"),
    ):
        file.write_text(STEPS.replace(*change))
        with pytest.raises(InputError, match=words) as caught:
            problem_of(read_search(file))
        assert "steps.toml" in str(caught.value)


def test_a_trace_has_one_draw_and_a_short_level(tmp_path: Path) -> None:
    rows = "".join(f"{k * 0.05},200,30\n" for k in range(400))
    (tmp_path / "trace.csv").write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    file = tmp_path / "steps.toml"
    start, end = STEPS.index("[traffic]"), STEPS.index("[vary]")
    file.write_text(STEPS[:start] + '[traffic]\ntrace = "trace.csv"\n' + STEPS[end:])
    ask = problem_of(read_search(file)).evaluator
    assert not ask.noisy
    point = {"policy.max_running": 8, "plan.dp": 1}
    assert ask([point], [0], 0)["requests"][0] == 40 and ask([point], [0], 1)["requests"][0] == 400
    before = ask.fingerprint()
    (tmp_path / "trace.csv").write_text("arrival_s,input_tokens,output_tokens\n" + rows[:-1] + "1\n")
    assert problem_of(read_search(file)).evaluator.fingerprint() != before
