"""`simcore validate requests` on made-up runs: every plan gives a plausible answer or one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simcore
from commands.validate_requests import find_chip, find_model, find_profile, requests
from simcore.calibration.importers.vllm_run import read_vllm_run
from simcore.errors import InputError
from tests.simcore.calibration.test_layer_profile import write_profile

LLAMA, EXPERTS = "meta-llama/Llama-3.1-8B", "Qwen/Qwen3-30B-A3B-Instruct-2507"


@pytest.fixture()
def layers(tmp_path: Path) -> Path:
    root = tmp_path / "profiles"
    for model, tp in ((LLAMA, 1), (LLAMA, 2), (EXPERTS, 1), (EXPERTS, 2)):
        write_profile(root / "RTXPRO6000" / model / "bf16" / f"tp{tp}", experts=model == EXPERTS and tp == 1)
    return root


def write_run(tmp_path: Path, model: str = LLAMA, **engine: Any) -> Path:
    folder = tmp_path / f"RTXPRO6000_{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    (folder / "meta.json").write_text(json.dumps({"model": model, "engine_kwargs": engine}))
    rows = [
        {
            "input_toks": 100 + 40 * (at % 7),
            "output_toks": 20 + 5 * (at % 5),
            "queued_ts": 0.02 * at,
            "first_token_ts": 0.02 * at + 0.1,
            "last_token_ts": 0.02 * at + 1.0,
        }
        for at in range(40)
    ]
    (folder / "requests.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def replayed(run: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    requests(
        run,
        **(
            {"chip": None, "profile": None, "layers": None, "out": None, "write_scenario": None, "as_json": True}
            | options
        ),
    )
    return dict(json.loads(capsys.readouterr().out))


def tpot_s(run: Path, capsys: pytest.CaptureFixture[str], **options: Any) -> float:
    return float(replayed(run, capsys, **options)["values"]["tpot_s"]["predicted"]["mean"])


def test_two_gpus_are_faster_than_one_but_pay_for_their_link(
    tmp_path: Path, layers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The made-up profiles of tp 1 and 2 are equal, so all that differs is the all-reduce."""
    one, two = (
        tpot_s(write_run(tmp_path, tensor_parallel_size=tp), capsys, profile="layers", layers=layers) for tp in (1, 2)
    )
    assert two > one + 65 * 4e-6


def test_ranks_of_a_dense_model_share_the_load(
    tmp_path: Path, layers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (
        tpot_s(write_run(tmp_path, data_parallel_size=dp), capsys, profile="layers", layers=layers) for dp in (1, 2)
    )
    assert 0.5 * one < two < one


def test_ranks_of_experts_share_weights_and_pay_for_the_exchange(
    tmp_path: Path, layers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"profile": "layers", "layers": layers}
    one, two = (replayed(write_run(tmp_path, EXPERTS, data_parallel_size=dp), capsys, **options) for dp in (1, 2))
    assert two["kv_blocks"] > 1.5 * one["kv_blocks"]
    assert two["values"]["tpot_s"]["predicted"]["mean"] < one["values"]["tpot_s"]["predicted"]["mean"]
    assert "the KV size is not stated: derived from the memory fraction" in two["assumed"]


@pytest.mark.parametrize("plan", [{"data_parallel_size": 2}, {"tensor_parallel_size": 2}])
def test_operators_serve_every_plan(tmp_path: Path, plan: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (tpot_s(write_run(tmp_path, EXPERTS, **p), capsys, profile="operators") for p in ({}, plan))
    assert 0.5 * one < two < one


def test_a_narrow_kv_has_no_layer_profile(tmp_path: Path, layers: Path) -> None:
    with pytest.raises(InputError, match="no 16-bit layer profile"):
        requests(write_run(tmp_path, kv_cache_dtype="fp8"), profile="layers", layers=layers)


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ({"pipeline_parallel_size": 2}, "pipeline_parallel_size"),
        ({"tensor_parallel_size": 3}, "does not divide"),
        ({"gpu_memory_utilization": 0.1}, "leave no room"),
        ({"num_gpu_blocks_override": 10}, "do not fit the KV of 10 blocks"),
    ],
)
def test_what_cannot_run_is_one_line(tmp_path: Path, layers: Path, engine: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        requests(write_run(tmp_path, **engine), profile="operators", layers=layers)


def test_names_are_found(tmp_path: Path, layers: Path) -> None:
    assert find_chip("NVIDIA RTX PRO 6000 Blackwell Server Edition").name == "rtx-pro-6000"
    with pytest.raises(InputError, match="no known chip"):
        find_chip("somewhere")
    assert find_model("/models/Llama-3.1-8B").name == find_model(LLAMA).name
    run = read_vllm_run(write_run(tmp_path, "meta-llama/Llama-3.1-8B-Instruct"))
    found = find_profile(tmp_path, layers, run, "RTXPRO6000")
    assert found is not None
    assert found.parts[-3:] == ("Llama-3.1-8B", "bf16", "tp1")


@pytest.mark.parametrize("model,engine", [(LLAMA, {}), (LLAMA, {"tensor_parallel_size": 2, "max_num_seqs": 8})])
def test_simulate_answers_the_written_scenario_as_the_replay_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, engine: dict[str, Any]
) -> None:
    run, folder = write_run(tmp_path, model, **engine), tmp_path / "asked"
    ours = replayed(run, capsys, profile="operators", write_scenario=folder)["values"]
    theirs = simcore.simulate(folder / "scenario.toml")
    for name in ("ttft", "tpot", "e2e"):
        mean = ours[f"{name}_s"]["predicted"]["mean"]
        assert mean == pytest.approx(theirs.flat[f"{name}_mean_s"], rel=1e-12)


def test_the_analytic_engine_refuses_what_only_a_replay_knows(tmp_path: Path) -> None:
    question = simcore.scenario("llama-3.1-8b", "l40s", policy={"effects": "kernels"})
    with pytest.raises(InputError, match=r"policy\.effects"):
        simcore.estimate(question)
