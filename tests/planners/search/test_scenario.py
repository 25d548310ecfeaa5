"""Any field of a scenario or spec as a parameter; laws; studies in TOML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import simcore
from planners.evaluate import Evaluator
from planners.search.expression import Expression
from planners.search.scenario import ScenarioEvaluator
from planners.search.study import problem_of, read_search
from scenarios.fields import changed, read
from simcore.api import cost_model, resolve
from simcore.errors import InputError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "search"


def evaluator(laws: dict[str, str] | None = None) -> ScenarioEvaluator:
    base = simcore.scenario("llama-3.1-8b", "h100-sxm", batch=8, input_tokens=1024, output_tokens=128, stack="roofline")
    systems = {"h100-sxm": base.system, "h200-sxm": resolve("system", "h200-sxm")}
    return ScenarioEvaluator(base, Evaluator(systems, cost_model), {k: Expression(v) for k, v in (laws or {}).items()})


def test_points_equal_scenarios_built_by_hand() -> None:
    ask = evaluator()
    points = [{"tp": 2, "batch": 16}, {"system": "h200-sxm", "plan.weights": "fp8"}, {"policy.memory_fraction": 0.8}]
    answers = ask(points, [0] * 3, 0)
    base = ask.base
    by_hand = [
        base.replace(plan=base.plan.replace(tp=2), batch=16),
        base.replace(system=ask.evaluator.systems["h200-sxm"], plan=base.plan.replace(weights="fp8")),
        base.replace(policy=base.policy.replace(memory_fraction=0.8)),
    ]
    for i, scenario in enumerate(by_hand):
        assert answers["tpot_s"][i] == pytest.approx(ask.evaluator.one(scenario).tpot_s, rel=1e-12)


def test_a_spec_changed_by_value_equals_the_engine_column() -> None:
    ask = evaluator()
    fast = 4e12  # beyond the cache's rate the change by value lifts that too
    by_value, by_column = (
        ask([{f"chip.memory.{tier}.read_bandwidth": fast}], [0], 0)["tpot_s"][0] for tier in ("hbm", "main")
    )
    assert by_value == pytest.approx(by_column, rel=1e-9)
    assert by_value < ask([{"tp": 1}], [0], 0)["tpot_s"][0]


def test_equal_values_are_evaluated_together() -> None:
    ask = evaluator()
    points = [{"chip.compute.tensor.peak.bf16": 5e14 * (1 + i % 3), "batch": 1 + i} for i in range(30)]
    together = ask(points, [0] * 30, 0)["ttft_s"]
    alone = [ask([p], [0], 0)["ttft_s"][0] for p in points]
    assert np.allclose(together, alone, rtol=1e-12)


def test_laws_set_fields_and_add_outputs() -> None:
    ask = evaluator({"chip.power.tdp": "300 + tp * 100", "area_mm2": "2 * tp + chip.power.tdp / 100", "dp": "8 / tp"})
    answers = ask([{"tp": 2}, {"tp": 4}, {"tp": 3}], [0] * 3, 0)
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
    first, other = evaluator(), evaluator({"area_mm2": "tp * 2"})
    assert first.fingerprint() == evaluator().fingerprint()
    assert (
        len(
            {
                first.fingerprint(),
                other.fingerprint(),
                ScenarioEvaluator(first.base, first.evaluator, {}, "x").fingerprint(),
            }
        )
        == 3
    )


@pytest.mark.parametrize("name", sorted(p.stem for p in EXAMPLES.glob("*.toml")))
def test_example_studies_answer(name: str) -> None:
    study = read_search(EXAMPLES / f"{name}.toml")
    if study.evaluator.kind == "event":
        pytest.skip("the event engine's examples run in tests/commands")
    problem = problem_of(study, resolve, cost_model)
    points = problem.space.points(problem.space.sample(np.random.default_rng(0), 64))
    values, violation = problem.judge(points, problem.evaluator(points, [0] * 64, len(problem.evaluator.costs) - 1))
    assert (violation <= 0).any() and (violation > 0).any()
    assert np.isfinite(values[violation <= 0]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("schema", 'schema = "other"'), "search/1"),
        (("tp = ", "tp = { ordnal = [1, 2] }"), "did you mean ordinal"),
        (("minimise", 'minimise = ["tpot"]'), "unknown objective 'tpot'"),
        (("constraints", 'constraints = ["tpp * pp <= 16"]'), "unknown name 'tpp'"),
        (("systems", 'systems = ["h100-sxn"]'), "did you mean h100-sxm"),
    ],
)
def test_bad_studies_are_refused_in_one_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    lines = (EXAMPLES / "chip-mix.toml").read_text().splitlines()
    file = tmp_path / "bad.toml"
    file.write_text("\n".join(change[1] if line.startswith(change[0]) else line for line in lines))
    with pytest.raises(InputError, match=words) as caught:
        problem_of(read_search(file), resolve, cost_model)
    assert "\n" not in str(caught.value)
