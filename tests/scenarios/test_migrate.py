"""Old schemas: an old file and its scenario/2 have the same answers; the examples are such pairs."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simcore
from planners.search.study import problem_of, read_search
from scenarios.migrate import SCHEMA, migrated, new_key
from scenarios.read import from_raw, read
from scenarios.resolved import resolve
from scenarios.toml import dumps
from simcore.errors import InputError
from simcore.spec.load import read_file
from simcore.spec.scenario import Scenario
from tests.shared import ROOT
from tests.test_any_bytes import as_toml, spoilt, try_all

EXAMPLES = ROOT / "examples"
Raw = dict[str, Any]
SLO = {"ttft": "1 s", "tpot": "50 ms"}
SERVE_8B: Raw = {
    "name": "serve-8b",
    "seed": 1,
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "h100-sxm", "stack": "datasheet"},
    "traffic": {
        "input_median_tokens": 800, "input_p90_tokens": 3000, "output_median_tokens": 150, "output_p90_tokens": 400,
        "requests": 200, "rate_per_s": 24.0,
    },
}  # fmt: skip
CHAT: Raw = {"name": "azure-conversation-2023"}


def simulation(name: str, model: str, system: str, **tables: Raw) -> Raw:
    """An old scenario; without a stack the data sheet was meant."""
    head = {"schema": "scenario/1", "name": name, "seed": 1}
    return {**head, "model": {"name": model}, "hardware": {"system": system}, **tables}


TIERS = [
    {"name": "host", "capacity": "128 GB", "read": "100 GB/s", "latency": "20 us"},
    {"name": "pool", "capacity": "1 TB", "read": "50 GB/s", "write": "50 GB/s", "latency": "100 us", "shared": True},
    {"name": "ssd", "capacity": "4 TB", "read": "12 GB/s", "write": "8 GB/s", "latency": "200 us"},
]
LINK = {"bandwidth": "50 GB/s", "latency": "10 us", "channels": 4, "overlap_ratio": 0.5}
ROLES = {
    "high_queue_tokens": 20000, "low_queue_tokens": 4000, "high_decode_ratio": 0.8, "low_decode_ratio": 0.6,
    "interval": "0.5 s", "hold": "5 s", "switch": "1 s",
}  # fmt: skip


def pools(prefill: int, decode: int) -> list[Raw]:
    return [{"name": n, "role": n, "count": c} for n, c in (("prefill", prefill), ("decode", decode))]


SIMULATIONS = [
    simulation(
        "simulate-llama-70b", "llama-3.1-70b", "h100-sxm",
        plan={"tp": 4, "weights": "fp8"},
        policy={"replicas": 2, "router": "least-outstanding", "token_budget": 2048, "max_running": 128},
        traffic={**CHAT, "requests": 2000, "rate_per_s": 6.0}, slo={**SLO, "attainment": 0.9},
    ),
    simulation(
        "sessions", "llama-3.1-8b", "h100-sxm",
        plan={"dp": 2}, policy={"router": "session", "prefix_cache": True, "token_budget": 2048},
        traffic={**CHAT, "requests": 300, "rate_per_s": 3.0, "turns": 4, "copies": 2, "pause": "2 s", "wait": True},
        slo={"ttft": "0.5 s", "tpot": "25 ms"},
    ),
    simulation(
        "pipeline", "llama-3.1-70b", "l40s",
        plan={"tp": 2, "pp": 4, "weights": "fp8"},
        policy={"token_budget": 1024, "max_running": 128, "microbatches": 4},
        traffic={"input_tokens": [500, 1500], "output_tokens": [100, 300], "requests": 400, "users": 64},
        slo={"ttft": "5 s", "tpot": "200 ms"},
    ),
    simulation(
        "disaggregated", "llama-3.1-70b", "h100-sxm",
        plan={"tp": 4, "weights": "fp8", "kv": "fp8"}, policy={"router": "shortest-queue", "token_budget": 8192},
        traffic={**CHAT, "requests": 1500, "rate_per_s": 10.0}, slo={"ttft": "1 s", "tpot": "25 ms"},
        fleet={
            "decode_router": "shortest-queue", "transfer": LINK, "pools": pools(2, 2),
            "failures": [{"at": "60 s", "replica": 0, "down": "60 s"}],
        },
    ),
    simulation(
        "kv-tiers", "llama-3.1-70b", "h100-sxm",
        plan={"tp": 2, "dp": 2, "weights": "fp8", "kv": "fp8"},
        policy={
            "scheduler": "sglang", "router": "least-outstanding", "prefix_cache": "radix", "token_budget": 8192,
            "max_running": 64, "offload": "write-through", "tiers": TIERS,
        },
        traffic={
            "input_tokens": [1500, 2500], "output_tokens": [100, 300], "requests": 150, "rate_per_s": 0.5, "turns": 5,
            "pause": "30 s", "wait": True,
        },
        slo=SLO,
    ),
    simulation(
        "attention-ffn", "mixtral-8x22b", "h20",
        plan={"tp": 2, "weights": "fp8"}, policy={"token_budget": 1024, "max_running": 512},
        attention_ffn={
            "replicas": 4, "microbatches": 3, "hardware": {"system": "h100-sxm"},
            "plan": {"tp": 8, "ep": 8, "weights": "fp8"}, "bandwidth": "50 GB/s", "latency": "5 us",
        },
        traffic={"input_tokens": [200, 600], "output_tokens": [200, 400], "requests": 1500, "rate_per_s": 8.0},
        slo={"ttft": "2 s", "tpot": "50 ms"},
    ),
    simulation(
        "power-policies", "llama-3.1-70b", "h100-sxm",
        plan={"tp": 4, "dp": 2, "weights": "fp8"}, policy={"token_budget": 2048, "max_running": 128},
        traffic={**CHAT, "requests": 1500, "rate_per_s": 6.0}, slo=SLO,
        power={"policy": "phase-aware", "clock_ratios": [1.0, 0.9, 0.8, 0.7], "decode_level": 2},
    ),
    simulation(
        "role-switching", "llama-3.1-8b", "h100-sxm",
        policy={"router": "shortest-queue", "token_budget": 8192, "max_running": 64},
        traffic={"name": "azure-code-2023", "requests": 2000, "rate_per_s": 20.0},
        slo={"ttft": "1 s", "tpot": "25 ms"}, fleet={"transfer": LINK, "roles": ROLES, "pools": pools(1, 3)},
    ),
]  # fmt: skip
SWEEP: Raw = {
    "schema": "study/1",
    "name": "llama-70b-azure",
    "model": {"name": "llama-3.1-70b"},
    "traffic": CHAT,
    "hardware": {"systems": ["a100-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "l40s"], "stack": "datasheet"},
    "space": {
        "chips": [1, 2, 4, 8, 16, 32], "tp": [1, 2, 4, 8], "pp": [1, 2, 4], "weights": ["bf16", "fp8"],
        "kv": ["bf16", "fp8"], "batch": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    },
    "slo": {**SLO, "quantile": 0.5},
    "objective": {"rank_by": "usd_per_million_tokens", "frontier": ["usd_per_million_tokens", "tpot_s"]},
}  # fmt: skip
COST = ["usd_per_million_tokens", "tpot_s"]
PEAK, RATE = "chip.compute.tensor.peak.bf16", "chip.memory.hbm.read_bandwidth"
FORMATS = {"weights": {"choices": ["bf16", "fp8"]}, "kv": {"choices": ["bf16", "fp8"]}}


def search(name: str, model: str, tokens: tuple[int, int], **tables: Any) -> Raw:
    """An old analytic search."""
    traffic = {"input_tokens": tokens[0], "output_tokens": tokens[1]}
    return {"schema": "search/1", "name": name, "model": {"name": model}, "traffic": traffic, **tables}


CHIPS = ["a100-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "l40s"]
SEARCHES = [
    search(
        "chip-mix", "llama-3.1-70b", (2048, 256),
        constraints=["tp * pp <= 16", "power_w <= 10000", "ttft_s <= 2"], hardware={"systems": CHIPS},
        space={
            "system": {"choices": CHIPS}, "tp": {"ordinal": [1, 2, 4, 8]}, "pp": {"ordinal": [1, 2, 4]}, **FORMATS,
            "batch": {"ordinal": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]},
        },
        objective={"minimise": COST, "reference": [20.0, 0.1]}, search={"method": "surrogate", "budget": 200},
    ),
    search(
        "npu-shape", "llama-3.1-8b", (2048, 256),
        constraints=["area_mm2 <= 858"], hardware={"systems": ["h100-sxm"]}, economics={"basis": "purchase"},
        space={
            PEAK: {"float": ["250 TFLOP/s", "2000 TFLOP/s"], "log": True, "steps": 10},
            RATE: {"float": ["1 TB/s", "8 TB/s"], "log": True, "steps": 10},
            "chip.memory.hbm.capacity": {"ordinal": ["24 GB", "48 GB", "80 GB", "141 GB"]},
            "batch": {"ordinal": [1, 2, 4, 8, 16, 32, 64, 128, 256]},
        },
        laws={
            "area_mm2": f"200 mm2 + 450 mm2 * {PEAK} / 989.4 TFLOP/s + 160 mm2 * {RATE} / 3.35 TB/s",
            "chip.money.purchase": f"6000 USD + 12000 USD * {PEAK} / 989.4 TFLOP/s + 4000 USD * {RATE} / 3.35 TB/s"
            " + 60 USD * chip.memory.hbm.capacity / 1 GB",
        },
        objective={"minimise": COST, "reference": [5.0, 0.1]},
    ),
    search(
        "long-context", "llama-3.1-70b", (32768, 512),
        constraints=["tpot_s <= 0.5"], hardware={"systems": ["dgx-h100", "dgx-h100-cxl", "h100-bank-pim"]},
        space={
            "system": {"choices": ["dgx-h100", "dgx-h100-cxl", "h100-bank-pim"]},
            "policy.kv_tier": {"choices": ["main", "cxl"], "when": {"system": ["dgx-h100-cxl"]}},
            "policy.sub_batches": {"choices": [False, True], "when": {"system": ["h100-bank-pim"]}},
            "tp": {"ordinal": [2, 4, 8]}, **FORMATS, "batch": {"ordinal": [1, 2, 4, 8, 16, 32, 64, 128]},
        },
        objective={"minimise": COST, "reference": [100.0, 0.5]},
    ),
]  # fmt: skip
EVENT: Raw = {
    "schema": "search/1",
    "name": "serve-8b",
    "evaluator": {"kind": "event", "scenario": "base.toml"},
    "space": {
        "hardware.system": {"choices": ["a100-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "l40s", "l4"]},
        "plan.tp": {"ordinal": [1, 2, 4]}, "plan.dp": {"ordinal": [1, 2, 4]},
        "plan.weights": {"choices": ["bf16", "fp8"]}, "plan.kv": {"choices": ["bf16", "fp8"]},
        "policy.scheduler": {"choices": ["chunked", "prefill-first", "sglang"]},
        "policy.token_budget": {"ordinal": [512, 1024, 2048, 8192]},
        "policy.max_running": {"ordinal": [8, 16, 32, 64, 128]},
    },
    "objective": {"minimise": ["e2e_p90_s", "usd_per_million_tokens"], "reference": [10.0, 2.0]},
    "search": {"method": "surrogate", "budget": 200},
}  # fmt: skip


def old(tmp_path: Path, raw: Raw) -> Path:
    """The old tables as a file."""
    path = tmp_path / f"{raw['name']}.toml"
    path.write_text(dumps(raw))
    return path


def question(scenario: Scenario) -> Raw:
    """Everything that an engine is told: names looked up, defaults filled in."""
    known = resolve(scenario)
    whole = known.scenario.model_dump(exclude={"name", "title", "file", "notes"})
    return {**whole, "stack": known.release.name, "system": known.system.model_dump()}


@pytest.mark.parametrize("raw", SIMULATIONS, ids=lambda raw: str(raw["name"]))
def test_simulations_ask_what_their_examples_ask(raw: Raw, tmp_path: Path) -> None:
    before, after = read(old(tmp_path, raw)), read(EXAMPLES / f"{raw['name']}.toml")
    assert question(before) == question(after)
    assert "scenario/1, read for one more release: `simcore migrate" in before.notes[0] and after.notes == ()


def test_a_simulation_answers_alike(tmp_path: Path) -> None:
    few = {"traffic.requests": 60}
    before = simcore.simulate(read(old(tmp_path, SIMULATIONS[0]), few))
    after = simcore.simulate(read(EXAMPLES / "simulate-llama-70b.toml", few))
    assert before.report == after.report


def test_a_sweep_answers_alike(tmp_path: Path) -> None:
    few = {"plan.chips": [4, 8], "traffic.batch": [1, 64]}
    rows = []
    for path in (old(tmp_path, SWEEP), EXAMPLES / "llama-70b-azure.toml"):
        asked = read(path)
        found = simcore.sweep(asked.set({"vary": {**asked.vary, **few}}))
        assert found.summary.study.objective.frontier == ("usd_per_million_tokens", "tpot_s")
        table = found.table.drop(columns=["prefill_bound", "decode_bound"], errors="ignore")
        rows.append(table.sort_values(["system", "weights", "kv", "chips", "tp", "pp", "batch"], ignore_index=True))
    assert rows[0].equals(rows[1]) and len(rows[0]) > 100


@pytest.mark.parametrize("raw", SEARCHES, ids=lambda raw: str(raw["name"]))
def test_searches_answer_alike(raw: Raw, tmp_path: Path) -> None:
    first, second = (
        problem_of(read_search(p)) for p in (old(tmp_path, raw), EXAMPLES / "search" / f"{raw['name']}.toml")
    )
    assert set(first.space.names) == set(second.space.names) == {new_key(n) for n in raw["space"]}
    assert first.space.size == second.space.size and first.reference == second.reference
    points = first.space.points(first.space.sample(np.random.default_rng(0), 40))
    told = [p.judge(points, p.evaluator(points, [0] * 40, 0)) for p in (first, second)]
    assert np.array_equal(told[0][0], told[1][0], equal_nan=True) and np.array_equal(told[0][1], told[1][1])
    assert np.isfinite(told[0][0]).any()


def test_a_search_of_runs_answers_alike(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(dumps({"schema": "scenario/1", **SERVE_8B}))
    asked = read_search(old(tmp_path, EVENT)), read_search(EXAMPLES / "search" / "serve-8b.toml")
    assert all(isinstance(one, Scenario) and one.search.engine == "simulate" for one in asked)
    first, second = map(problem_of, asked)
    assert first.space == second.space and first.reference == second.reference
    points = first.space.points(first.space.sample(np.random.default_rng(3), 2))
    told = [p.evaluator(points, [7, 8], 0) for p in (first, second)]
    assert np.array_equal(told[0]["e2e_p90_s"], told[1]["e2e_p90_s"], equal_nan=True)
    (tmp_path / "base.toml").unlink()
    with pytest.raises(InputError, match=r"base\.toml"):
        read_search(tmp_path / "serve-8b.toml")


def test_migrating_leaves_its_input_alone_and_names_the_schema() -> None:
    for raw in (*SIMULATIONS, SWEEP, *SEARCHES):
        before = copy.deepcopy(raw)
        found = migrated(raw, "old.toml")
        assert raw == before and next(iter(found.items())) == ("schema", SCHEMA)
        assert from_raw(found).name == raw["name"]
    with pytest.raises(InputError, match=r"old\.toml: schema: 'chip/1' cannot be migrated"):
        migrated({"schema": "chip/1"}, "old.toml")
    with pytest.raises(InputError, match=r"evaluator\.kind"):
        migrated({"schema": "search/1", "evaluator": {"kind": "builtin"}}, "old.toml")


def test_a_text_where_a_table_is_wanted_names_its_key() -> None:
    raw = copy.deepcopy(SEARCHES[2])
    raw["space"]["policy.kv_tier"]["when"] = "system == 'dgx-h100-cxl'"
    with pytest.raises(InputError, match=r"old\.toml: space\.policy\.kv_tier\.when: is no table"):
        migrated(raw, "old.toml")


def test_replicas_prices_and_even_arrivals_find_their_new_places() -> None:
    raw = simulation(
        "a", "llama-3.1-8b", "h100-sxm", policy={"replicas": 3},
        traffic={"input_tokens": 8, "output_tokens": 8, "rate_per_s": 1.0, "arrivals": "uniform"},
    )  # fmt: skip
    raw["hardware"]["usd_per_hour"] = 2.0
    found = migrated(raw, "a.toml")
    assert found["plan"]["dp"] == 3 and "replicas" not in found["policy"]
    assert found["economics"] == {"usd_per_hour": 2.0} and "usd_per_hour" not in found["hardware"]
    assert found["traffic"]["arrivals"] == "constant"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.toml")), ids=lambda path: path.stem)
def test_no_example_is_of_an_old_schema(path: Path) -> None:
    kept = ("serving-study/1", "search/1", "tasks/1")
    said = read_file(path, "example").get("schema")
    assert said in (SCHEMA, *kept, None), f"{path}: simcore migrate"
    if said == "search/1":
        assert path.stem == "tiered"


@pytest.mark.parametrize("raw", [*SIMULATIONS[3:6], SWEEP, *SEARCHES[:2]], ids=lambda raw: str(raw["name"]))
def test_spoilt_old_files_are_refused_in_words(raw: Raw, tmp_path: Path) -> None:
    draw, file = random.Random(str(raw["name"])), tmp_path / "spoilt.toml"
    for _ in range(100):
        file.write_text(as_toml(spoilt(raw, draw)), encoding="utf-8")
        try_all(read, file)
