"""`size`: the recommendation keeps its bounds when its own scenario is served, and nothing that does is cheaper."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import simcore
from planners.sizing import Sized, SizeQuestion, size
from planners.sizing.words import flat, in_words
from simcore.errors import InputError
from tests.reports.pages import shown

MODEL = "llama-3.1-8b"
LENGTHS = {"input_tokens": 800, "output_tokens": 100}
SMALL = {"plan.tp": [1, 2], "traffic.batch": [1, 8, 32, 128]}


def asked(**more: Any) -> SizeQuestion:
    base = {"model": MODEL, "systems": ("h100-sxm",), "traffic": LENGTHS, "ttft": "1 s", "tpot": "20 ms", "vary": SMALL}
    return SizeQuestion(**(base | more))


def kept(found: Sized, one: Any) -> float:
    """Share of requests within the bounds when the candidate's scenario is served again."""
    return float(simcore.simulate(found.scenario(one)).flat["attainment_ratio"])


@pytest.mark.parametrize("rate", [None, 30.0])
def test_the_answer_keeps_its_bounds_and_nothing_cheaper_does(rate: float | None) -> None:
    found = size(asked(rate_per_s=rate))
    best = found.best
    assert best is not None and kept(found, best) >= 0.9
    assert found.scenario(best).plan.tp == best.plan["tp"]
    for one in found.candidates:
        if one.meets and rate is not None:
            assert one.usd_per_hour is not None and best.usd_per_hour is not None
            assert one.usd_per_hour >= best.usd_per_hour
        elif one.meets:
            at_bounds = one.tokens_per_chip_s * one.edge.output_ratio
            assert at_bounds <= best.tokens_per_chip_s * best.edge.output_ratio
    assert best.chips == best.replicas * best.plan["tp"]


def test_every_axis_is_carried_to_the_replay_and_its_scenario() -> None:
    """Formats that were chosen by the analytic engine are those that are served."""
    found = size(asked(vary=SMALL | {"plan.weights": ["bf16", "fp8"], "plan.tp": [1]}))
    served = {one.other["plan.weights"]: one for one in found.candidates}
    assert set(served) == {"bf16", "fp8"} and all(one.answer["formats"]["weights"] == w for w, one in served.items())
    assert found.best is served["fp8"] and str(found.scenario(served["fp8"]).plan.weights) == "fp8"
    small, large = (one.values["weights_bytes"] for one in found.estimates([served["fp8"], served["bf16"]]))
    assert small < 0.7 * large


def test_plans_are_ranked_where_their_bounds_are_reached() -> None:
    """Between the steps of the ladder the edge lies where a finer ladder finds it."""
    coarse, fine = (
        size(asked(tpot="12 ms", vary={"plan.tp": [1], "traffic.batch": loads})).best
        for loads in ([1, 16, 128], [*range(16, 129, 8)])
    )
    assert coarse is not None and fine is not None and coarse.edge.users is not None and fine.users is not None
    assert coarse.users == 16 and 0.6 * fine.users < coarse.edge.users < 1.6 * fine.users


def test_bounds_of_means_are_kept_by_means() -> None:
    found = size(asked(means=True, ttft="60 ms"))
    shares = size(asked(ttft="60 ms"))
    assert (
        found.best is not None and found.best.answer["ttft_mean_s"] <= 0.06 and "means do" in " ".join(in_words(found))
    )
    assert shares.best is None or shares.best.answer["attainment_ratio"] >= 0.9
    with pytest.raises(InputError, match="means"):
        size(asked(means=True, rate_per_s=1.0))
    with pytest.raises(InputError, match="counted"):
        size(asked(vary={"plan.dp": [1, 2]}))


def test_drafts_are_replayed_though_the_shortlist_knows_none() -> None:
    plain, fast = (size(asked(vary={"plan.tp": [1], "traffic.batch": [8]}, settings=s)) for s in ({}, DRAFTS))
    assert plain.best is not None and fast.best is not None
    assert fast.best.answer["tpot_mean_s"] < 0.8 * plain.best.answer["tpot_mean_s"]
    assert any("without drafts" in note for note in fast.notes)


DRAFTS = {"policy.draft_tokens": 3, "policy.acceptance_ratio": 0.8}


def test_bounds_that_are_tighter_never_make_it_better() -> None:
    loose, tight = (size(asked(tpot=bound)).best for bound in ("40 ms", "8 ms"))
    assert loose is not None and tight is not None
    assert tight.tokens_per_chip_s <= loose.tokens_per_chip_s
    assert (tight.users or 0) < (loose.users or 0)


def test_twice_the_rate_needs_more_and_not_thrice() -> None:
    """Also beyond one node, where the copies become a pool."""
    few, many = (size(asked(rate_per_s=rate, systems=("dgx-h100",))) for rate in (200.0, 400.0))
    assert few.best is not None and many.best is not None
    assert few.best.chips < many.best.chips <= 3 * few.best.chips
    assert many.best.chips > 8 and kept(many, many.best) >= 0.9


def test_a_rate_is_no_burst() -> None:
    """Two thousand requests of 20,000 per second are a tenth of a second: a few replicas serve such a burst, and would
    never serve the rate."""
    few, many = (size(asked(rate_per_s=rate)).best for rate in (200.0, 20_000.0))
    assert few is not None and many is not None
    assert 70 * few.chips <= many.chips <= 130 * few.chips
    assert any("that part of the replicas" in note for note in many.answer["notes"])
    own_s = many.answer["throughput_per_chip_tokens_per_s"] * many.chips
    assert own_s >= 0.7 * 20_000.0 * LENGTHS["output_tokens"], "what the chips do is what arrives"


def test_a_budget_and_impossible_bounds_are_told_apart() -> None:
    poor = size(asked(rate_per_s=30.0, budget_usd_per_hour=0.1))
    assert poor.best is None and "within the budget" in in_words(poor)[0]
    never = size(asked(tpot="0.01 ms"))
    assert never.best is None and "Nearest" in in_words(never)[0] and flat(never)["recommended"] is None
    huge = size(asked(model="deepseek-v3", systems=("l40s",), vary={"plan.tp": [1, 2], "traffic.batch": [1]}))
    assert huge.best is None and "fits in memory" in in_words(huge)[0]


def odd_trace(folder: Path) -> Path:
    """A trace with other column names, 10 requests per second."""
    draw = random.Random(1)
    lines = ["when,prompt,completion"]
    at_s = 0.0
    for _ in range(300):
        at_s += draw.expovariate(10.0)
        lines.append(f"{at_s:.3f},{draw.randint(100, 1500)},{draw.randint(20, 200)}")
    path = folder / "odd.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_two_commands_from_a_strange_trace_to_an_answer_that_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.test_hard_to_break import simcore as command

    odd_trace(tmp_path)
    monkeypatch.chdir(tmp_path)
    columns = "arrival=when,input=prompt,output=completion"
    code, said, _ = command(
        monkeypatch, capsys, "size", "--model", MODEL, "--on", "h100-sxm,l40s", "--traffic", "odd.csv", "--columns",
        columns, "--ttft", "1s", "--tpot", "30ms", "--vary", "traffic.batch=4,32,128",
    )  # fmt: skip
    assert code == 0 and said.startswith("Take ")
    page = shown(tmp_path / "out" / "size" / "size.html")
    assert said.splitlines()[0] in page.text and "recommended" in page.figure("Plans")["columns"]["mark"]
    parts = dict(page.figure("Where TPOT goes")["rows"])
    assert all(sum(one.values()) > one["prefill of others"] > 0 for one in parts.values())
    file = tmp_path / "out" / "size" / "recommended.toml"
    code, said, _ = command(monkeypatch, capsys, "simulate", file, "--json")
    assert code == 0 and json.loads(said)["attainment_ratio"] >= 0.9


@pytest.mark.parametrize(
    "more,words",
    [
        (["--on", "nosuch"], "nosuch"),
        (["--traffic", "nosuch"], "1024:256"),
        (["--ttft", "5"], "simcore: --ttft: '5' has no unit"),
        (["--set", "slo.tpot=1"], "simcore: --set slo.tpot: "),
        (["--attainment", "2"], "simcore: --attainment: 2.0"),
        (["--traffic", "0:5"], "simcore: --traffic: 0"),
        (["--traffic", "none.csv"], "none.csv"),
        (["--traffic", "a.csv", "--columns", "when"], "arrival=when"),
    ],
)
def test_bad_input_is_one_line(
    more: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.test_hard_to_break import simcore as command

    plain = {"--model": MODEL, "--on": "l40s", "--ttft": "1s", "--tpot": "30ms"}
    plain |= dict(zip(more[::2], more[1::2], strict=True))
    code, _, err = command(monkeypatch, capsys, "size", *(word for pair in plain.items() for word in pair), "--json")
    assert code == 2 and words in err and err.count("\n") == 1
