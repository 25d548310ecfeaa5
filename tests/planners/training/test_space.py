"""The whole space: counts, the plain way, the schedule's own time, the rule for ties."""

from __future__ import annotations

import numpy as np
import pytest

import workloads
from planners.training.ask import with_changes
from planners.training.search import Plan, plain, sampled, search, totals_s
from planners.training.space import AXES, blocks
from planners.training.terms import Costs
from scenarios.read import read
from scenarios.training import Question, question_of
from tests.shared import ROOT


@pytest.fixture(scope="module")
def question() -> Question:
    return question_of(read(ROOT / "examples" / "train-space.toml", {"plan.chips": 64, "training.global_batch": 64}))


@pytest.fixture(scope="module")
def costs(question: Question) -> Costs:
    return Costs(question.job, 25e9)


@pytest.mark.parametrize(
    ("chips", "batch", "plans"), [(1024, 1536, 11698528), (64, 64, 3232128), (4096, 3072, 9670848)]
)
def test_the_space_is_the_published_one(chips: int, batch: int, plans: int) -> None:
    model = workloads.model("gpt3-175b")
    assert sum(block.plans for block in blocks(model, chips, batch, 2048)) == plans


def test_arrays_are_the_plain_formula(costs: Costs) -> None:
    space = blocks(costs.job.trainee.model, 64, 64, 2048)
    terms = {block.first: costs.terms(block) for block in space}
    for block, cell, x in sampled(space, 400):
        found = totals_s(terms[block.first], slice(cell, cell + 1), block.sizes)[0]
        assert found[tuple(x[name] for name in AXES)] == plain(terms[block.first], x, cell)[0]


def test_the_best_are_the_best_of_all(costs: Costs) -> None:
    """Against every plan of the space at once, ties by bytes and number."""
    found, rows = search(costs, 64, 64, top=12), []
    for block in blocks(costs.job.trainee.model, 64, 64, 2048):
        terms = costs.terms(block)
        for cell in range(block.cells):
            value = totals_s(terms, slice(cell, cell + 1), block.sizes)[0]
            need = np.broadcast_to(terms.need_bytes[cell][..., None, None, None, None, None], value.shape).ravel()
            flat = np.where(need <= terms.have_bytes, value.ravel(), np.inf)
            few = np.argsort(flat, kind="stable")[:400]
            rows += [(flat[i], need[i], block.first + cell * block.per_cell + int(i)) for i in few if flat[i] < np.inf]
    assert [plan.number for plan in found.best] == [number for *_, number in sorted(rows)[:12]]


def test_the_closed_form_is_near_the_schedule(question: Question, costs: Costs) -> None:
    """Of plans whose switches `train` knows: within 2.5 percent, where the last stage's head hides some latency."""
    space, errors = blocks(costs.job.trainee.model, 64, 64, 2048), []
    for block, cell, x in sampled(space, 12000, seed=3):
        names = ("tp", "pp", "dp", "vpp", "microbatch", "batch")
        degrees = {name: int(getattr(block, name)[cell]) for name in names}
        changes = Plan(0, 1.0, 1.0, 0.0, degrees, x).changes()
        if changes is None or (degrees["batch"] // degrees["dp"] // degrees["microbatch"]) % degrees["pp"]:
            continue
        step = with_changes(question, changes)
        errors.append(plain(costs.terms(block.part(cell, cell + 1)), x)[0] / step.time_s - 1.0)
        if len(errors) == 40:
            break
    assert len(errors) == 40
    assert np.quantile(np.abs(errors), 0.9) < 0.025
