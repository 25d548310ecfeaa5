"""What a notebook shows of answers, and what `dir(simcore)` offers."""

from __future__ import annotations

import pytest

import simcore
from simcore.spec.scenario import Scenario

LOAD = {"users": 4, "requests": 20, "input_tokens": 512, "output_tokens": 32, "stack": "datasheet"}


@pytest.fixture(scope="module")
def question() -> Scenario:
    return simcore.scenario("llama-3.1-8b", "h100-sxm", **LOAD)


def test_dir_offers_every_verb() -> None:
    verbs = {"capacity", "compare", "estimate", "search", "simulate", "size", "sweep", "train"}
    assert verbs <= set(dir(simcore)) and all(callable(getattr(simcore, verb)) for verb in verbs)


def test_answers_are_frames_and_tables(question: Scenario) -> None:
    one = simcore.estimate(question)
    assert one.to_frame().shape[0] == 1 and one.to_frame()["tpot_s"][0] == one.tpot_s
    assert "<td>" in one._repr_html_() and "tpot_s" in one._repr_html_()
    run = simcore.simulate(question)
    requests = run.to_frame()
    assert len(requests) == 20 and requests["ttft_s"].mean() == pytest.approx(run.report["ttft_s"]["mean"])
    assert "tpot_p50_s" in run._repr_html_()
    table = simcore.sweep(question, vary={"plan.tp": [1, 2]})
    assert len(table.table) == 2


def test_comparisons_and_sizes_are_too(question: Scenario) -> None:
    (found,) = simcore.compare(question, question.set({"hardware.system": "h200-sxm"}), by="estimate")
    assert set(found.to_frame()["name"]) >= {"tpot_mean_s"} and "hardware.system" in found._repr_html_()
    vary = {"plan.tp": [1], "traffic.batch": [1, 8]}
    sized = simcore.size("llama-3.1-8b", ["h100-sxm"], "2 s", "50 ms", vary=vary)
    assert len(sized.to_frame()) == len(sized.candidates) and "Take" in sized._repr_html_()


def test_what_stands_in_a_name_is_escaped() -> None:
    from simcore.result import html_table

    assert "<script>" not in html_table("<script>", [("<script>", "<script>")])
