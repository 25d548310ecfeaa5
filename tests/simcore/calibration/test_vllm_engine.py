"""What engine arguments of a recorded run mean: defaults, ranks, memory, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import workloads
from simcore.calibration.importers.vllm_run import read_vllm_run, stated_engine
from simcore.calibration.vllm_engine import (
    Card,
    assumed,
    graph_sizes,
    memory_of,
    padded_start,
    ranks_of,
    run_pool,
    run_settings,
)
from simcore.engine.kv_pool import KvPool
from simcore.errors import InputError
from simcore.spec.stack import StackMemory

RULES = StackMemory(context_bytes=1e9, logit_bytes=22.0)
CARD = Card(100e9, RULES)
LLAMA = workloads.model("llama-3.1-8b")


def pool(engine: dict[str, Any]) -> KvPool:
    return run_pool(engine, LLAMA, CARD, ranks_of(engine, LLAMA))


def stated(**meta: Any) -> dict[str, Any]:
    return stated_engine({"model": "m", "engine_kwargs": {}, **meta}, "meta.json")


def test_blocks_that_are_null_or_absent_are_not_stated() -> None:
    assert stated(kv_cache=None, hardware=None, resolved_config=None) == stated() == {}
    assert "max_num_seqs is not stated: 128 assumed" in assumed(stated())


def test_resolved_values_stand_in_for_arguments_that_are_null() -> None:
    resolved = {"scheduler_config": {"max_num_seqs": 64, "async_scheduling": False}, "cache_config": {"block_size": 32}}
    engine = stated(engine_kwargs={"max_num_seqs": None}, resolved_config=resolved)
    settings = run_settings(engine, pool(engine))
    assert (settings.max_running, settings.block_tokens, settings.ahead) == (64, 32, False)


def test_arguments_of_the_engine_are_heard() -> None:
    engine = stated(engine_kwargs={"enable_prefix_caching": False, "async_scheduling": False, "max_num_seqs": 7})
    settings = run_settings(engine, pool(engine))
    assert (settings.hash_tokens, settings.ahead, settings.max_running) == (0, False, 7)


def test_stated_kv_is_taken_and_unstated_kv_derived() -> None:
    assert pool({"kv_blocks": 12}).blocks == 12
    assert pool({"kv_tokens": 160}).blocks == 10
    assert pool({"kv_bytes": 20e9}).blocks == int(20e9 // (16 * 131_072))
    peak = max(128 * 128_256 * 22.0, 2048 * (2 * 4096 + 1.5 * 28_672) * 2.0)
    room = 0.5 * 100e9 - float(memory_of({}, LLAMA, CARD, ranks_of({}, LLAMA)).weights_bytes) - peak - 1e9
    assert pool({"memory_fraction": 0.5}).blocks == int(room // (16 * 131_072))
    with pytest.raises(InputError, match="leave no room"):
        pool({"memory_fraction": 0.1})


@pytest.mark.parametrize("key", ["tensor_parallel_size", "max_num_seqs", "max_num_batched_tokens"])
@pytest.mark.parametrize("value", ["two", 0, 1.5, True])
def test_what_is_no_count_is_refused(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"{key}.*not a count"):
        stated(engine_kwargs={key: value})


@pytest.mark.parametrize(
    "argument",
    [{"pipeline_parallel_size": 2}, {"speculative_config": {"method": "ngram"}}, {"dtype": "float32"}],
)
def test_what_cannot_be_replayed_is_refused_by_name(argument: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(argument))):
        ranks_of(argument, workloads.model("llama-3.1-8b"))


def test_only_ranks_of_a_mixture_of_experts_step_together() -> None:
    two = {"data_parallel_size": 2, "tensor_parallel_size": 2, "enable_expert_parallel": True}
    dense, experts = (ranks_of(two, workloads.model(name)) for name in ("llama-3.1-8b", "qwen3-30b-a3b"))
    assert (dense.dp, dense.lockstep, dense.expert_parallel) == (2, False, False)
    assert (experts.lockstep, experts.expert_parallel, experts.expert_ranks) == (True, True, 4)


def test_weights_are_spread_as_the_ranks_share_them() -> None:
    model = workloads.model("qwen3-30b-a3b")
    one, data, tensor = (
        memory_of(engine, model, CARD, ranks_of(engine, model))
        for engine in ({}, {"data_parallel_size": 2}, {"tensor_parallel_size": 2})
    )
    assert float(one.weights_bytes) == pytest.approx(2.0 * model.parameters, rel=1e-3)
    assert float(tensor.weights_bytes) == pytest.approx(float(one.weights_bytes) / 2, rel=1e-2)
    assert tensor.weights_bytes < data.weights_bytes < 0.55 * one.weights_bytes  # attention whole, experts halved
    pages = [float(found.pages.page_bytes) for found in (one, data, tensor)]
    assert pages == [pages[0], pages[0], pages[0] / 2]


def test_a_kv_head_is_never_cut() -> None:
    model = workloads.model("qwen3-30b-a3b")
    wide = {"tensor_parallel_size": 8}
    found = memory_of(wide, model, CARD, ranks_of(wide, model))
    assert float(found.pages.page_bytes) == 16 * 2.0 * model.kv_elements_per_token() / 4


def test_narrow_formats_take_half() -> None:
    wide = memory_of({}, LLAMA, CARD, ranks_of({}, LLAMA))
    narrow = memory_of({"kv_cache_dtype": "fp8_e4m3", "quantization": "fp8"}, LLAMA, CARD, ranks_of({}, LLAMA))
    assert float(narrow.pages.page_bytes) == pytest.approx(float(wide.pages.page_bytes) / 2, rel=1e-3)
    assert narrow.weights_bytes < 0.6 * wide.weights_bytes  # tables stay in 16 bits
    with pytest.raises(InputError, match="quantization"):
        memory_of({"quantization": "awq"}, LLAMA, CARD, ranks_of({}, LLAMA))


def test_graphs_follow_the_sequences_as_both_recorded_runs_have_them() -> None:
    assert graph_sizes({"max_num_seqs": 256})[-3:] == (480, 496, 512)
    assert graph_sizes({"max_num_seqs": 128})[-2:] == (248, 256)
    assert graph_sizes({"max_num_seqs": 20})[-1] == 40
    assert graph_sizes({"enforce_eager": True}) == ()
    assert graph_sizes({"graph_sizes": [1, 2]}) == (1, 2)


def test_a_batch_counts_as_its_captured_graph() -> None:
    """38 sequences are reached by a graph of 40, which 33 sequences already run in."""
    assert padded_start(38.0, graph_sizes({})) == 33.0
    assert padded_start(26.0, graph_sizes({})) == 25.0
    assert padded_start(8.0, (1, 2, 4, 8)) == 5.0
    assert padded_start(38.0, ()) == padded_start(38.0, (1, 8)) == 38.0


ROW = {"input_toks": 3, "output_toks": 2, "queued_ts": 0.0, "first_token_ts": 1.0, "last_token_ts": 2.0}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**ROW, "last_token_ts": None}, r"requests\.jsonl:2: not a request"),
        ({**ROW, "output_toks": 0}, r"requests\.jsonl:2: needs finite times"),
        ({**ROW, "queued_ts": float("nan")}, r"requests\.jsonl:2: not a request: NaN is no JSON number"),
    ],
)
def test_bad_rows_name_their_line(tmp_path: Path, row: dict[str, Any], problem: str) -> None:
    (tmp_path / "meta.json").write_text('{"model": "m", "engine_kwargs": {}}')
    (tmp_path / "requests.jsonl").write_text("\n".join([json.dumps(ROW), json.dumps(row), ""]))
    with pytest.raises(InputError, match=problem):
        read_vllm_run(tmp_path)


def test_a_run_without_requests_or_with_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"model": "m", "engine_kwargs": {}}')
    (tmp_path / "requests.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no requests"):
        read_vllm_run(tmp_path)
    (tmp_path / "requests.jsonl").write_text(json.dumps(ROW))
    (tmp_path / "timeseries.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no columns waiting"):
        read_vllm_run(tmp_path)
