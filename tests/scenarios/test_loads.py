"""Rate, users and batch under both engines; formats are the checkpoint's own in every verb."""

from __future__ import annotations

import pytest

import simcore
from planners.estimate import estimate
from planners.search.rows import frontier_rows
from scenarios.capacity import capacity
from scenarios.train import train_scenario
from simcore.result import DoesNotFit, Overloaded
from simcore.spec.scenario import Scenario
from tests.shared import ROOT


def small(**more: object) -> Scenario:
    return simcore.scenario(
        "llama-3.1-8b", "h100-sxm", input_tokens=512, output_tokens=64, requests=120, stack="datasheet", **more
    )


def test_a_rate_lies_between_two_batches() -> None:
    rate, dp = 30.0, 2
    found = simcore.estimate(small(rate_per_s=rate, dp=dp))
    batch = estimate(small(rate_per_s=rate, dp=dp)).case.batch
    less, more = (simcore.estimate(small(batch=b, dp=dp)) for b in (batch - 1, batch))
    assert batch > 1 and less.requests_per_s < rate <= more.requests_per_s
    assert found.requests_per_s == pytest.approx(rate, rel=1e-12)
    assert less.tpot_s < found.tpot_s <= more.tpot_s and less.power_w < found.power_w <= more.power_w
    assert batch - 1 < rate * found.e2e_s / dp <= batch, "Little's law"
    served = simcore.estimate(small(rate_per_s=more.requests_per_s * (1 - 1e-12), dp=dp))
    assert served.tpot_s == pytest.approx(more.tpot_s, rel=1e-9), "the rate of a whole batch is that batch"


@pytest.mark.parametrize(("rate", "basis"), [(0.02, "rental"), (0.5, "purchase"), (8.0, "rental"), (8.0, "purchase")])
def test_a_rate_is_paid_by_the_hour(rate: float, basis: str) -> None:
    """A replica that waits for requests costs and draws what `simulate` says of it, rented or bought."""
    question = small(rate_per_s=rate).set({"traffic.requests": 4000, "economics.basis": basis})
    found, run = simcore.estimate(question), simcore.simulate(question).flat
    assert found.usd_per_million_tokens == pytest.approx(1e6 * found.usd_per_hour / 3600 / (rate * 64), rel=1e-9)
    for name in ("throughput_tokens_per_s", "usd_per_million_tokens", "energy_j_per_token"):
        assert getattr(found, name) == pytest.approx(run[name], rel=0.05), name


def test_too_high_a_rate_is_an_answer() -> None:
    found = simcore.estimate(small(rate_per_s=1e4))
    assert isinstance(found.infeasible, Overloaded)
    assert found.infeasible.rate_per_s == 1e4 > found.infeasible.most_per_s > 10
    assert simcore.estimate(small(rate_per_s=0.9 * found.infeasible.most_per_s)).infeasible is None
    tight = simcore.scenario("llama-3.1-70b", "h100-sxm", rate_per_s=1.0)
    assert isinstance(simcore.estimate(tight).infeasible, DoesNotFit)


def test_users_share_the_replicas() -> None:
    """Steady state with the same requests in flight; a burst at the start is inside TTFT."""
    users, batch = simcore.estimate(small(users=32, dp=2)), simcore.estimate(small(batch=16, dp=2))
    assert users.tpot_s == pytest.approx(batch.tpot_s, rel=0.1) and users.ttft_s > batch.ttft_s


def test_a_seed_draws_which_drafts_are_accepted() -> None:
    drafts = {"policy.draft_tokens": 3, "policy.acceptance_ratio": 0.6}
    question = small(arrivals="once").set({"traffic.requests": 8, **drafts})
    found = [simcore.simulate(question.set({"seed": seed})).flat["tpot_mean_s"] for seed in (0, 1, 1)]
    assert found[0] != found[1] == found[2]


def test_engines_agree_on_a_batch() -> None:
    question = small(batch=8, dp=2)
    estimated, simulated = simcore.estimate(question), simcore.simulate(question).flat
    assert simulated["tpot_mean_s"] == pytest.approx(estimated.tpot_s, rel=0.25)
    again = simcore.simulate(small(users=16, dp=2)).flat
    assert again["tpot_mean_s"] == simulated["tpot_mean_s"]


def test_a_sweep_of_a_rate_says_who_is_overloaded() -> None:
    most = simcore.estimate(small(rate_per_s=1e4)).infeasible.most_per_s
    question = small(rate_per_s=1.2 * most)
    table = simcore.sweep(question, vary={"plan.dp": [1, 2, 4]}).table
    assert list(table["reason"]) == ["overloaded", "feasible", "feasible"]
    for row in table[table["reason"] == "feasible"].itertuples():
        alone = simcore.estimate(question.set({"plan.dp": int(row.dp)}))
        assert row.tpot_s == pytest.approx(alone.tpot_s, rel=1e-12)


FORMATS = {"weights": "bf16", "experts": "mxfp4", "activations": "bf16", "kv": "bf16"}


@pytest.mark.parametrize("link", [None, "16 GB/s, 20 us"])
def test_a_chip_alone_in_its_host_has_company_in_every_verb(link: str | None) -> None:
    """Plans of several chips stand in a host as wide as they are, in a table as alone."""
    question = simcore.scenario(
        "llama-3.1-8b", "rtx-4090", batch=4, input_tokens=64, output_tokens=16, stack="datasheet"
    ).set({"hardware.link": link})
    vary = {"plan.tp": [1, 2, 8], "plan.pp": [1, 2]}
    table = simcore.sweep(question, vary=vary).table
    assert list(table["tp"] * table["pp"]) == [1, 2, 2, 4, 8] and set(table["reason"]) == {"feasible"}
    for row in table.itertuples():
        alone = simcore.estimate(question.set({"plan.tp": int(row.tp), "plan.pp": int(row.pp)}))
        assert (row.tpot_s, row.usd_per_million_tokens) == (alone.tpot_s, alone.usd_per_million_tokens)


def test_the_checkpoints_formats_hold_in_every_verb() -> None:
    """gpt-oss ships bf16 attention and mxfp4 experts; every answer says so."""
    question = simcore.scenario(
        "gpt-oss-20b", "h100-sxm", users=2, requests=8, input_tokens=256, output_tokens=16, slo={"ttft": "10 s"}
    )
    assert estimate(question).flat["formats"] == FORMATS
    simulated = simcore.simulate(question).flat
    assert simulated["formats"] == FORMATS and simulated["stack"] == "vllm"
    rate = question.set({"traffic.users": None, "traffic.rate_per_s": 1.0})
    assert capacity(rate, "rate", 0.5)["formats"] == FORMATS
    varied = question.set({"vary": {"plan.tp": [1, 2]}})
    assert set(simcore.sweep(varied).table["weights"]) == {"bf16"}
    searched = simcore.search(varied, method="exhaustive", budget=2)
    assert next(row["formats"] for row in frontier_rows(searched)) == FORMATS
    need = {simcore.sweep(varied).table["need_bytes"][0], simcore.estimate(question).need_bytes}
    assert len(need) == 1, "sized alike"


def test_every_number_of_a_rate_lies_between_two_batches() -> None:
    """A column that the engine gains is sorted into means over time, means over requests, or sizes of the batch."""
    from planners.load import OVER_TIME, PER_REQUEST

    told = estimate(small(rate_per_s=8.0)).result.values
    sizes = {name for name in told if name.endswith("_bytes")} | {"kv_tokens", "chips", "reason"}
    sizes |= {"max_concurrency", "max_batch", "max_resident", "decode_bound", "prefill_bound"}
    quotients = {"energy_j_per_token", "usd_per_million_tokens"}
    assert set(told) == {*OVER_TIME, *PER_REQUEST} | sizes | quotients


def test_a_job_is_trained_at_the_price_and_pue_that_are_stated() -> None:
    question = simcore.read(ROOT / "examples" / "train-llama-8b.toml").set({"economics.basis": "rental"})
    plain, dear = (train_scenario(one).flat for one in (question, question.set({"economics.usd_per_hour": 9.0})))
    assert dear["usd_per_hour"] == pytest.approx(plain["usd_per_hour"] * 9.0 / 2.5)
