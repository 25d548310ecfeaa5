"""The replay of recorded runs: reads no measured column, and how far off it is today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import hardware_specs
import workloads
from simcore.calibration.importers.layer_profile import Shape, layer_step_times
from simcore.calibration.importers.vllm_run import read_vllm_run
from simcore.calibration.validate_requests import compare, replay
from simcore.calibration.vllm_engine import Card, Ranks, graph_sizes, run_pool, run_settings
from simcore.engine.kv_pool import KvPool
from simcore.errors import InputError
from tests.shared import shared

LLAMA_8B = workloads.model("llama-3.1-8b")
CHIPS = {"RTX4090": "rtx-4090", "RTXPRO6000": "rtx-pro-6000"}
RUNS = {"RTX4090": "RTX4090_Llama-3.1-8B", "RTXPRO6000": "RTXPRO6000_Llama-3.1-8B"}


def pool(engine: dict, device: str) -> KvPool:
    card = Card(hardware_specs.chip(CHIPS[device]).memory["gddr"].reported_bytes, hardware_specs.stack("vllm").memory)
    return run_pool(engine, LLAMA_8B, card, Ranks())


def replayed(device: str, folder: Path | None = None) -> tuple[dict, np.ndarray]:
    run = read_vllm_run(folder or shared("measured/serving/vllm_runs") / RUNS[device])
    profile = shared(f"measured/layers/{device}/meta-llama/Llama-3.1-8B/bf16/tp1")
    times = layer_step_times(profile, Shape(layers=32, graph_sizes=graph_sizes(run.engine)))
    ours = replay(run, times, run_settings(run.engine, pool(run.engine, device)))
    return compare(run, ours), ours.requests


LIMITS = {"RTX4090": (6.0, 4.0, 5.5, 5.5), "RTXPRO6000": (5.0, 2.0, 2.0, 5.0)}
"""mean TTFT, TPOT, E2E, P99 E2E in per cent; the RTX 4090 profile is 3 % slower than its engine throughout"""


@pytest.mark.parametrize("device", RUNS)
def test_errors_stay_where_they_are(device: str) -> None:
    """The RTX PRO 6000 is held to the acceptance bounds; the RTX 4090 misses two and is kept from drifting."""
    errors = replayed(device)[0]["error_percent"]
    found = (errors["ttft_s"]["mean"], errors["tpot_s"]["mean"], errors["e2e_s"]["mean"], errors["e2e_s"]["p99"])
    assert all(abs(error) < limit for error, limit in zip(found, LIMITS[device], strict=True)), found


def test_kv_follows_from_the_memory_fraction() -> None:
    """The one run that states its KV: 2,588 blocks; nothing of the footprint was fitted to it."""
    run = read_vllm_run(shared("measured/serving/vllm_runs") / RUNS["RTX4090"])
    unstated = {key: value for key, value in run.engine.items() if key not in ("kv_blocks", "kv_tokens")}
    for engine in (unstated, {k: v for k, v in unstated.items() if k != "device_memory_bytes"}):
        assert pool(engine, "RTX4090").blocks == pytest.approx(2588, rel=0.04)
    assert run_settings(run.engine, pool(run.engine, "RTX4090")).kv_blocks == 2588


def test_the_replay_reads_no_measured_column(tmp_path: Path) -> None:
    source = shared("measured/serving/vllm_runs") / RUNS["RTX4090"]
    folder = tmp_path / source.name
    folder.mkdir()
    shutil.copy(source / "meta.json", folder / "meta.json")
    with (source / "requests.jsonl").open() as rows, (folder / "requests.jsonl").open("w") as out:
        for line in rows:
            row = json.loads(line)
            row["first_token_ts"] = row["queued_ts"] + 1.0
            row["last_token_ts"] = row["queued_ts"] + 2.0
            row.pop("scheduled_ts")
            out.write(json.dumps(row) + "\n")
    assert replayed("RTX4090", folder)[1].tobytes() == replayed("RTX4090")[1].tobytes()


def test_a_malformed_run_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"model": "m", "engine_kwargs": {}}')
    (tmp_path / "requests.jsonl").write_text('{"input_toks": 3}\n')
    with pytest.raises(InputError, match=r"requests\.jsonl:1"):
        read_vllm_run(tmp_path)
    row = '"input_toks": 3, "output_toks": 1, "queued_ts": 1, "first_token_ts": 2, "last_token_ts": 2'
    (tmp_path / "requests.jsonl").write_text(f'{{{row}, "scheduled_ts": -1}}\n')
    with pytest.raises(InputError, match=r"requests\.jsonl:1.*scheduled_ts is -1"):
        read_vllm_run(tmp_path)
    (tmp_path / "requests.jsonl").write_text(f"{{{row}}}\n")
    (tmp_path / "timeseries.csv").write_text("t,waiting,running\n-inf,1,1\n1,1,1\n")
    with pytest.raises(InputError, match="t: is not a number from 0"):
        read_vllm_run(tmp_path)
