"""A stranger's path: from an empty folder, with files of one's own only, every verb answers; nothing here is edited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import simcore
from simcore import registry

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "num_hidden_layers": 22,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}
SOURCES = '[sources.me]\nkind = "assumed"\ntitle = "a plan"\nnote = "not built yet"\n'
WHOLE_CHIP = f"""schema = "chip/1"
name = "stranger-1"
kind = "accelerator"
vendor = "nobody"
architecture = "none"
{SOURCES}
[compute.array]
kind = "systolic"
reads = "hbm"
array_rows = 128
array_columns = 128
peak.bf16 = {{ value = "600 TFLOP/s", source = "me" }}
[memory.hbm]
kind = "hbm"
capacity = {{ value = "96 GB", source = "me" }}
read_bandwidth = {{ value = "5 TB/s", source = "me" }}
[memory.sram]
kind = "sram"
capacity = {{ value = "64 MB", source = "me" }}
read_bandwidth = {{ value = "20 TB/s", source = "me" }}
[links.pcie]
kind = "pcie"
bandwidth = {{ value = "64 GB/s", source = "me" }}
[power]
tdp = {{ value = "500 W", source = "me" }}
idle = {{ value = "80 W", source = "me" }}
[issue]
kernel_launch = {{ value = "4 us", source = "me" }}
graph_kernel = {{ value = "1 us", source = "me" }}
graph_launch = {{ value = "5 us", source = "me" }}
"""
DERIVED_CHIP = f"""schema = "chip/1"
name = "stranger-2"
extends = "h100-sxm"
{SOURCES}
[memory.hbm]
capacity = {{ value = "192 GB", source = "me" }}
read_bandwidth = {{ value = "8 TB/s", source = "me" }}
"""
NODE = f"""schema = "node/1"
name = "stranger-node"
chip = "./CHIP"
chips = 4
{SOURCES}
[links]
slot = "pcie-gen5-x16"
[[levels]]
name = "ring"
size = 4
shape = "ring"
link = {{ kind = "nvlink", bandwidth = {{ value = "400 GB/s", source = "me" }} }}
[memory.cxl]
kind = "cxl"
capacity = {{ value = "1 TB", source = "me" }}
read_bandwidth = {{ value = "160 GB/s", source = "me" }}
latency = {{ value = "0.25 us", source = "me" }}
link = "slot"
"""
SCENARIO = """schema = "scenario/2"
name = "stranger"
[model]
name = "mine.toml"
[hardware]
system = "./node.toml"
stack = "datasheet"
[residency]
kv = "KV"
[traffic]
trace = "own.csv"
columns = { arrival = "when", input = "ctx", output = "gen" }
time_unit = "ms"
[slo]
ttft = "1 s"
"""
SCHEDULER = '''"""Batches of at least `least` prompts, else decodes."""

from simcore.policy.verbs import admit, can_admit, continue_prefills, decode_all, left, policy, start_step, take

OPTIONS = {"most": 2.0}


@policy
def compose(replica, requests, hashes, cache):
    """Chunked prefill that admits at most `most` new prompts a step."""
    start_step(replica)
    undisturbed = decode_all(replica, requests, hashes, cache)
    budget = continue_prefills(replica, requests, hashes, cache, replica.token_budget - replica.step_tokens)
    new = 0
    while undisturbed and budget > 0 and new < replica.options[0] and can_admit(replica, requests, hashes, cache):
        number = admit(replica, requests, hashes, cache)
        tokens = min(left(requests, number), budget, replica.chunk_tokens)
        if not take(replica, requests, hashes, cache, number, tokens):
            break
        budget -= tokens
        new += 1
'''


def write(folder: Path, chip: str = WHOLE_CHIP, kv: str = "cxl") -> Path:
    """The stranger's folder; returns its scenario."""
    rows = "".join(f"{at * 250},{600 + 10 * at},{20 + at}\n" for at in range(12))
    (folder / "own.csv").write_text("when,ctx,gen\n" + rows)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "chip.toml").write_text(chip)
    (folder / "node.toml").write_text(NODE.replace("CHIP", "chip.toml"))
    (folder / "q.toml").write_text(SCENARIO.replace("KV", kv))
    return folder / "q.toml"


def simcore_says(folder: Path, *words: str, path: str = "") -> Any:
    """What the command prints as JSON, run from `folder`; `path` holds packages of one's own."""
    places = os.pathsep.join(p for p in (path, str(ROOT)) if p)
    found = subprocess.run(
        [sys.executable, "-m", "cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr or found.stdout
    return json.loads(found.stdout) if "--json" in words else found.stdout


@pytest.mark.parametrize("chip", [WHOLE_CHIP, DERIVED_CHIP], ids=["whole", "derived"])
def test_files_of_ones_own_under_every_verb(tmp_path: Path, chip: str) -> None:
    write(tmp_path, chip)
    simcore_says(tmp_path, "import-model", "config.json", "--out", "mine.toml")
    estimated = simcore_says(tmp_path, "estimate", "q.toml", "--json")
    simulated = simcore_says(tmp_path, "simulate", "q.toml", "--json")
    assert estimated["feasible"] and simulated["served"] == 12
    assert simulated["kv_tokens"] == pytest.approx(1e12 / 4 / (22 * 2 * 4 * 64 * 2), rel=0.01), "KV lies in the tier"
    assert estimated["kv_tokens"] == pytest.approx(simulated["kv_tokens"], rel=1e-3)
    assert simulated["tpot_mean_s"] == pytest.approx(estimated["tpot_mean_s"], rel=0.05)
    swept = simcore_says(tmp_path, "sweep", "q.toml", "--vary", "plan.tp=1,2,4", "--json")
    text = json.dumps(swept)
    assert '"plan.tp": 4' in text or '"tp": 4' in text


def test_the_tier_and_the_chip_move_the_answer(tmp_path: Path) -> None:
    slow = simcore.simulate(simcore.read(prepared(tmp_path, "cxl"))).flat
    fast = simcore.simulate(simcore.read(prepared(tmp_path, "main"))).flat
    assert slow["tpot_mean_s"] > fast["tpot_mean_s"] and slow["kv_tokens"] > fast["kv_tokens"]


def prepared(folder: Path, kv: str) -> Path:
    """The stranger's folder with its model imported in this process."""
    from workloads.importers.export import to_toml
    from workloads.importers.huggingface import import_model

    file = write(folder, kv=kv)
    (folder / "mine.toml").write_text(to_toml(import_model(CONFIG, "mine", "config.json")))
    return file


def test_a_scheduler_registered_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger_scheduler.py").write_text(SCHEDULER)
    monkeypatch.syspath_prepend(str(tmp_path))
    import stranger_scheduler  # type: ignore[import-not-found]

    question = simcore.read(prepared(tmp_path, "cxl")).set({"traffic.rate_scale": 1e6, "policy.token_budget": 8192})
    simcore.register("scheduler", stranger_scheduler)
    try:
        own = {"policy.scheduler": "stranger-scheduler"}
        few = simcore.simulate(question.set({**own, "policy.options.most": 1})).flat
        many = simcore.simulate(question.set({**own, "policy.options.most": 8})).flat
    finally:
        registry.unregister("scheduler", "stranger-scheduler")
    assert few["served"] == many["served"] == 12 and few["steps"] > many["steps"]


def test_a_scheduler_of_an_installed_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "stranger-0.1.dist-info").mkdir(parents=True)
    (site / "stranger_scheduler.py").write_text(SCHEDULER)
    (site / "stranger-0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 0.1\n")
    points = "[simcore.schedulers]\npatient = stranger_scheduler\n"
    (site / "stranger-0.1.dist-info" / "entry_points.txt").write_text(points)
    prepared(tmp_path, "cxl")
    option = ("--set", "policy.scheduler=patient", "--set", "policy.options.most=3")
    assert simcore_says(tmp_path, "simulate", "q.toml", *option, "--json", path=str(site))["served"] == 12
