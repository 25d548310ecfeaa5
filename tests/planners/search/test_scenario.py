"""Any key of a scenario as a parameter; laws; the verb's answers are those of `estimate` at every point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simcore
from planners.search.rows import frontier_rows
from planners.search.scenario import ScenarioEvaluator
from planners.search.study import problem_of, read_search
from scenarios.answer import FIELDS
from scenarios.fields import changed, read
from simcore.api import resolve
from simcore.errors import InputError
from simcore.spec.expression import Expression
from tests.shared import ROOT

EXAMPLES = ROOT / "examples" / "search"
SCENARIO = """
schema = "scenario/2"
name = "small"
[model]
name = "llama-3.1-8b"
[hardware]
system = "h100-sxm"
stack = "roofline"
[traffic]
input_tokens = 1024
output_tokens = 128
batch = 8
"""


def evaluator(laws: dict[str, str] | None = None, texts: tuple[str, ...] = ()) -> ScenarioEvaluator:
    base = simcore.scenario("llama-3.1-8b", "h100-sxm", batch=8, input_tokens=1024, output_tokens=128, stack="roofline")
    return ScenarioEvaluator(base, {k: Expression(v) for k, v in (laws or {}).items()}, texts)


def agree(ask: ScenarioEvaluator, points: list[dict[str, Any]]) -> None:
    """Every answer is that of `estimate` on the scenario with the point's keys set."""
    answers = ask(points, [0] * len(points), 0)
    for row, point in enumerate(points):
        alone = simcore.estimate(ask.scenario.set({**ask.ruled(point), "vary": {}, "laws": {}}))
        assert (answers["violation"][row] == 0) == (alone.infeasible is None), point
        for name in ("ttft_s", "tpot_s", "usd_per_million_tokens", "power_w", "kv_tokens", "need_bytes"):
            if alone.infeasible is None:
                assert answers[name][row] == pytest.approx(alone.values[name], rel=1e-12), (name, point)


def test_points_equal_scenarios_built_by_hand() -> None:
    points: list[dict[str, Any]] = [
        {"plan.tp": 2, "traffic.batch": 16},
        {"hardware.system": "h200-sxm", "plan.weights": "fp8"},
        {"policy.memory_fraction": 0.8},
        {"hardware.chip.power.tdp": 500.0, "plan.dp": 2},
        {"hardware.chip.memory.main.capacity": 20e9},
        {"plan.chips": 8, "plan.tp": 2},
        {"economics.electricity": "0.5 USD/kWh", "economics.basis": "purchase"},
    ]
    agree(evaluator(), points)
    agree(evaluator({"hardware.chip.power.tdp": "300 + plan.tp * 100"}), [{"plan.tp": 2}])


def test_a_rate_and_users_take_the_batch_that_estimate_takes() -> None:
    for load in ({"rate_per_s": 30.0}, {"users": 40}, {"rate_per_s": 1e4}):
        base = simcore.scenario("llama-3.1-8b", "h100-sxm", input_tokens=1024, output_tokens=128, stack="vllm", **load)
        agree(ScenarioEvaluator(base), [{"plan.tp": tp, "plan.dp": dp} for tp in (1, 2, 4) for dp in (1, 2)])


def test_short_names_of_keys_are_the_same_points() -> None:
    ask = evaluator()
    short, whole = {"tp": 2, "batch": 16, "kv": "fp8"}, {"plan.tp": 2, "traffic.batch": 16, "plan.kv": "fp8"}
    answers = ask([short, whole], [0, 0], 0)
    assert answers["tpot_s"][0] == answers["tpot_s"][1]


def test_a_spec_changed_by_value_equals_the_main_tier() -> None:
    ask = evaluator()
    by_name, by_role, as_is = (
        ask([point], [0], 0)["tpot_s"][0]
        for point in (
            {"hardware.chip.memory.hbm.read_bandwidth": 4e12},
            {"hardware.chip.memory.main.read_bandwidth": 4e12},
            {"plan.tp": 1},
        )
    )
    assert by_name == by_role < as_is


def test_equal_values_are_evaluated_together() -> None:
    ask = evaluator()
    key = "hardware.chip.compute.tensor.peak.bf16"
    points = [{key: 5e14 * (1 + i % 3), "traffic.batch": 1 + i} for i in range(30)]
    together = ask(points, [0] * 30, 0)["ttft_s"]
    alone = [ask([p], [0], 0)["ttft_s"][0] for p in points]
    assert np.allclose(together, alone, rtol=1e-12)


def test_laws_set_keys_and_add_outputs() -> None:
    laws = {"chip.power.tdp": "300 + tp * 100", "area_mm2": "2 * tp + hardware.chip.power.tdp / 100", "dp": "8 / tp"}
    base = evaluator().scenario
    ask = ScenarioEvaluator(base, {k: Expression(v) for k, v in laws.items()}, keys=("plan.tp",))
    answers = ask([{"plan.tp": 2}, {"plan.tp": 4}, {"plan.tp": 3}], [0] * 3, 0)
    assert answers["area_mm2"].tolist()[:2] == [9.0, 15.0]
    assert answers["chips"].tolist()[:2] == [8.0, 8.0]
    assert answers["violation"][2] > 0, "8 / 3 replicas are not whole"


def test_paths_are_read_and_changed_by_file_names() -> None:
    system = resolve("system", "h100-sxm")
    slower = changed(system, "chip.memory.hbm.read_bandwidth", 1e12)
    assert read(slower, "chip.memory.hbm.read_bandwidth") == 1e12
    assert read(system, "chip.memory.hbm.read_bandwidth") > 1e12
    with pytest.raises(InputError, match="did you mean hbm"):
        read(system, "chip.memory.hbn.read_bandwidth")


def test_the_fingerprint_tells_scenarios_apart() -> None:
    first, other = evaluator(), evaluator({"area_mm2": "plan.tp * 2"})
    assert first.fingerprint() == evaluator().fingerprint()
    assert len({first.fingerprint(), other.fingerprint(), evaluator(texts=("x",)).fingerprint()}) == 3


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.toml")))
def test_example_searches_answer(name: str) -> None:
    asked = read_search(EXAMPLES / f"{name}.toml")
    problem, count = problem_of(asked), 8 if name == "serve-8b" else 64
    points = problem.space.points(problem.space.sample(np.random.default_rng(0), count))
    seeds, level = [0] * count, len(problem.evaluator.costs) - 1
    values, violation = problem.judge(points, problem.evaluator(points, seeds, level))
    assert (violation <= 0).any() and ((violation > 0).any() or name == "serve-8b")
    assert np.isfinite(values[violation <= 0]).all()
    assert all("." in key for key in problem.space.names) or name == "tiered"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("schema", 'schema = "other"'), "schema"),
        (('"plan.tp"', '"plan.tpp" = [1, 2]'), "plan.tpp: unknown key; did you mean tp"),
        (('"plan.tp"', '"plan.tp" = { vals = [1, 2] }'), "unknown key 'vals'"),
        (("minimise", 'minimise = ["tpot"]'), "unknown objective 'tpot'"),
        (("constraints", 'constraints = ["tpp * pp <= 16"]'), "unknown name 'tpp'"),
        (("constraints", 'constraints = ["import os"]'), "not an expression"),
        (('"hardware.system"', '"hardware.system" = ["h100-sxm", "h100-sxn"]'), "did you mean h100-sxm"),
        (('"plan.kv"', '"plan.kv" = { values = ["bf16", "fp7"] }'), "plan.kv: unknown number format 'fp7'"),
        (('"plan.kv"', '"plan.kv" = { values = ["fp8"], when = { "plan.cp" = [2] } }'), "no earlier axis"),
        (("batch =", "rate_per_s = 2.0"), "give one load"),
    ],
)
def test_bad_questions_are_refused_in_one_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    lines = (EXAMPLES / "chip-mix.toml").read_text().splitlines()
    file = tmp_path / "bad.toml"
    file.write_text("\n".join(change[1] if line.startswith(change[0]) else line for line in lines))
    with pytest.raises(InputError, match=words) as caught:
        problem_of(read_search(file))
    assert "\n" not in str(caught.value) and "bad.toml" in str(caught.value)


def test_objectives_and_constraints_by_any_of_their_names(tmp_path: Path) -> None:
    """The flat fields, the engine's short names and the keys in short say the same."""
    found = []
    for aim, rule in (("tpot_p50_s", "ttft_mean_s <= 0.1"), ("tpot_s", "ttft_s <= 0.1 and tp < 8")):
        file = tmp_path / "q.toml"
        more = f'[vary]\n"plan.tp" = [1, 2, 4]\n[objective]\nminimise = ["{aim}", "chips"]\nconstraints = ["{rule}"]\n'
        file.write_text(SCENARIO + more)
        result = simcore.search(file, method="exhaustive", budget=10)
        rows = frontier_rows(result)
        assert all(row[aim] == row["tpot_mean_s"] for row in rows)
        assert set(FIELDS) | {"plan.tp", "feasible", "formats", "stack", "notes", "assumptions"} <= set(rows[0])
        found.append([(row["plan.tp"], row["chips"], row["tpot_mean_s"]) for row in rows])
    assert found[0] == found[1] and len(found[0]) > 1


def test_the_slo_binds_as_in_a_sweep(tmp_path: Path) -> None:
    file = tmp_path / "q.toml"
    file.write_text(SCENARIO + '[vary]\n"plan.tp" = [1, 2, 4, 8]\n[slo]\ntpot = "4 ms"\n')
    swept = simcore.sweep(file)
    found = simcore.search(file, method="exhaustive", budget=10)
    assert 0 < swept.summary.on_target < 4
    assert int((found.violation <= 0).sum()) == swept.summary.on_target


def test_a_load_that_only_vary_says_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "q.toml"
    file.write_text(
        SCENARIO.replace("batch = 8\n", "") + '[vary]\n"traffic.users" = { low = 4, high = 32, integer = true }\n'
    )
    assert simcore.read(file).traffic.users == 4
    found = simcore.search(file, method="random", budget=5)
    assert len(found.units) == 5 and (found.violation <= 0).all()
