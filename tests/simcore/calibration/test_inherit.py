"""What a chip never measured takes from its siblings, and what it does not take from strangers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import simcore
from hardware_specs import calibration, chip
from simcore.calibration.datasheet import Measured, fit_datasheet, main_groups
from simcore.calibration.split import held_out
from simcore.calibration.tables import Group
from simcore.calibration.transfer import leave_one_out, with_spreads
from simcore.cost.calibrated import SIBLINGS, Artefact, KernelFit, OperatorModel, kernel_line, lent
from simcore.cost.facts import ChipFacts, chip_facts, kernel_format
from simcore.cost.laws._base import Setting, roofline_s
from simcore.cost.operator_laws import law, law_time_s

RULE = law("gemm")


def habit(m: np.ndarray) -> np.ndarray:
    """What the made-up library does on every chip of a generation, and no law says."""
    return np.where(m % 64 == 0, 0.7, 1.2) * np.where(m < 256, 1.3, 1.0)


def measured(name: str, rows: int = 3000) -> tuple[ChipFacts, Group]:
    """A gemm table of a chip: the law, the habit, one per cent of noise."""
    rng = np.random.default_rng(len(name))
    facts = chip_facts(chip(name))
    shapes = {c: (2 ** rng.uniform(5, 12, rows)).astype(int).astype(float) for c in "kmn"}
    shapes["m"] = np.where(rng.random(rows) < 0.5, np.maximum(64 * (shapes["m"] // 64), 64), shapes["m"])
    setting = Setting(facts, kernel_format("bf16"))
    ideal = law_time_s(RULE, RULE.work(shapes, setting), setting, np.array(RULE.start))
    time_s = ideal * habit(shapes["m"]) * np.exp(rng.normal(0, 0.01, rows))
    return facts, Group("gemm", "vllm", "1", "bf16", "", "one", shapes, time_s, np.arange(rows))


@pytest.fixture(scope="module")
def tables() -> list[Measured]:
    return [measured("h100-sxm"), measured("a100-sxm-80gb")]


@pytest.fixture(scope="module")
def laws(tables: list[Measured]) -> Artefact:
    fitting = [item for facts, group in tables for item in main_groups(facts, [group])]
    return Artefact("any", "datasheet", tuple(fit_datasheet(fitting)))


def error(laws: Artefact, name: str, stack: str = "vllm") -> float:
    facts, group = measured(name)
    unseen = group.take(held_out(group.shapes))
    answer = OperatorModel(facts, stack, (), laws).predict("gemm", unseen.shapes)
    return float(np.abs(answer.time_s / unseen.time_s - 1.0).mean())


def test_a_sibling_inherits_the_habit_and_says_so(laws: Artefact) -> None:
    facts = chip_facts(chip("h200-sxm"))
    assert OperatorModel(facts, "vllm", (), laws).predict("gemm", {"m": 64, "n": 512, "k": 512}).source == SIBLINGS
    assert error(laws, "h200-sxm") < 0.06 < 0.15 < error(laws, "h200-sxm", "datasheet")


def test_strangers_and_the_bare_data_sheet_inherit_nothing(laws: Artefact) -> None:
    for name, stack in (("b200-sxm", "vllm"), ("h200-sxm", "datasheet")):
        model = OperatorModel(chip_facts(chip(name)), stack, (), laws)
        answer = model.predict("gemm", {"m": np.arange(1.0, 4000.0), "n": 4096, "k": 4096})
        assert answer.source == "datasheet" and (np.diff(answer.time_s) >= 0).all()
    assert not len(next(fit for fit in laws.fits if fit.kernel == "datasheet@hopper").words)


def test_another_number_format_keeps_the_law_alone(laws: Artefact) -> None:
    model = OperatorModel(chip_facts(chip("h200-sxm")), "vllm", (), laws)
    assert model.predict("gemm", {"m": 64, "n": 512, "k": 512}, "int8").source == "datasheet"


def test_what_is_inherited_never_beats_the_roofline(laws: Artefact) -> None:
    fit = next(fit for fit in laws.fits if fit.kernel == "vllm@hopper")
    facts = chip_facts(chip("h200-sxm"))
    eager = replace(fit, parameters=fit.parameters * 1e-6, residual_low=-5.0)
    shapes = {name: np.array([64.0, 8192.0]) for name in "kmn"}
    setting = Setting(facts, kernel_format("bf16"))
    assert (eager.time_s(shapes, facts) >= roofline_s(RULE.work(shapes, setting), setting)).all()


def test_the_interval_is_what_leaving_a_sibling_out_shows(tables: list[Measured]) -> None:
    both = [*tables, measured("h200-sxm")]
    fitting = [item for facts, group in both for item in main_groups(facts, [group])]
    tests = [(facts, group.take(held_out(group.shapes))) for facts, group in both]
    found = [left for left in leave_one_out(fitting, tests) if left.chip != "a100-sxm-80gb"]
    widened = {fit.kernel: fit for fit in with_spreads(tuple(fit_datasheet(fitting)), found)}
    assert widened["vllm@hopper"].spread < 0.5 * widened["vllm"].spread
    inside = [np.abs(x.logs) <= widened["vllm@hopper"].spread for x in found if x.sibling]
    assert 0.7 < np.concatenate(inside).mean() < 0.95


def test_attention_on_data_centre_blackwell_is_tensorrt_llms() -> None:
    blackwell, hopper = chip_facts(chip("b200-sxm")), chip_facts(chip("h200-sxm"))
    assert kernel_line("attention_decode", "vllm", blackwell) == "trtllm"
    assert kernel_line("attention_decode", "vllm", hopper) == kernel_line("attention_decode", "sglang", hopper) == "fa3"
    assert kernel_line("attention_decode", "trtllm", hopper) == "trtllm"
    assert kernel_line("gemm", "vllm", blackwell) == "vllm"


def test_a_borrowed_kernel_leaves_its_stacks_habits_behind() -> None:
    rule = law("attention_decode")
    numbers = np.array(rule.start)
    empty = np.empty(0)
    fit = KernelFit(
        "attention_decode", "bf16", "", "trtllm", numbers, empty.astype(np.uint32), empty, empty, 0, 0, 0, 1
    )
    given = dict(zip(rule.parameters, lent(fit).parameters, strict=True))
    assert given.pop("wide_odds") == 0.0 and list(given.values()) == [
        v for name, v in zip(rule.parameters, rule.start, strict=True) if name != "wide_odds"
    ]


def test_a_chip_whose_attention_kernels_are_a_guess_keeps_the_law() -> None:
    columns = {"batch_size": 16, "step": 4095, "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
    sibling, stranger = (calibration(name, "vllm").predict("attention_decode", columns) for name in ("l4", "mi300x"))
    assert (sibling.source, stranger.source) == (SIBLINGS, "datasheet")
    assert stranger.relative_error[0] > sibling.relative_error[0]


def test_an_estimate_says_that_its_operators_are_inherited() -> None:
    notes = {
        (name, stack): simcore.estimate("llama-3.1-8b", name, stack=stack).notes
        for name, stack in (("b300-sxm", "vllm"), ("mi300x", "vllm"), ("h200-sxm", "vllm"), ("b300-sxm", "datasheet"))
    }
    assert "siblings" in " ".join(notes["b300-sxm", "vllm"])
    assert "data sheet" in " ".join(notes["mi300x", "vllm"]) and "siblings" not in " ".join(notes["mi300x", "vllm"])
    assert not notes["h200-sxm", "vllm"] and "siblings" not in " ".join(notes["b300-sxm", "datasheet"])
