"""Servers' own command lines as settings."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import Any

import pytest

from scenarios.launch.command import settings, with_launch
from scenarios.launch.manifest import bench_command, manifest
from scenarios.launch.written import launch_command
from scenarios.read import from_raw
from simcore.errors import InputError
from tests.scenarios.server_options import accepted

QUESTION: dict[str, Any] = {
    "schema": "scenario/2",
    "hardware": {"system": "dgx-h200"},
    "traffic": {"input_tokens": 500, "output_tokens": 100, "batch": 8},
}


def asked(launch: str, **parts: Any) -> Any:
    return from_raw({**QUESTION, **parts, "policy": {**parts.get("policy", {}), "launch": launch}}, "mine.toml")


def test_vllm() -> None:
    line = """python -m vllm.entrypoints.openai.api_server --model meta-llama/Llama-3.1-70B \\
        --tensor-parallel-size=4 --max-num-batched-tokens 8k --max_num_seqs 128 --kv-cache-dtype fp8_e4m3
        --gpu-memory-utilization 0.92 --enforce-eager --port 8000 --swap-space 4 --async-scheduling"""
    found = asked(line)
    assert found.model.name == "meta-llama/Llama-3.1-70B" and found.hardware.stack == "vllm"
    assert (found.plan.tp, found.plan.kv) == (4, "fp8")
    policy = found.policy
    assert (policy.token_budget, policy.max_running, policy.memory_fraction, policy.graphs) == (8000, 128, 0.92, False)
    assert policy.launch is None
    assert found.notes == ("flags that nothing here reads: --swap-space",)


def test_ranks_that_share_experts() -> None:
    vllm, _ = settings("vllm serve deepseek-ai/DeepSeek-R1 -dp 8 --enable-expert-parallel")
    assert (vllm["plan.attention_dp"], vllm["plan.ep"]) == (8, 8)
    plain, _ = settings("vllm serve x -tp 2 -dp 4")
    assert plain["plan.dp"] == 4 and "plan.ep" not in plain
    sglang, _ = settings("python3 -m sglang.launch_server --model-path x --tp 8 --dp 8 --enable-dp-attention --ep 8")
    assert (sglang["plan.tp"], sglang["plan.attention_dp"], sglang["plan.ep"]) == (1, 8, 8)


def test_trtllm_and_what_is_not_read() -> None:
    found, unread = settings("trtllm-serve x --tp_size 4 --max_batch_size 512 --extra_llm_api_options f.yml")
    assert (found["plan.tp"], found["policy.max_running"], found["hardware.stack"]) == (4, 512, "trtllm")
    assert unread == ["--extra-llm-api-options"]


def test_the_scenario_may_say_the_same_but_nothing_else() -> None:
    same = asked("vllm serve meta-llama/Llama-3.1-70B-Instruct -tp 4", plan={"tp": 4}, model={"name": "llama-3.1-70b"})
    assert same.model.name == "llama-3.1-70b"
    release = {**QUESTION["hardware"], "stack": "vllm@0.11.1"}
    assert asked("vllm serve qwen3-8b", hardware=release).hardware.stack == "vllm@0.11.1"
    with pytest.raises(InputError, match="says 2, the launch command 4"):
        asked("vllm serve qwen3-8b -tp 4", plan={"tp": 2})


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("ollama serve", "starts no server"),
        ("vllm serve x -tp four", "-tp 'four'"),
        ("vllm serve x --quantization magic", "magic"),
        ("vllm serve 'x", "quotation"),
        ("", "no command line"),
    ],
)
def test_a_bad_line_is_one_line(line: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        with_launch({"policy": {"launch": line}}, "mine.toml")


@pytest.mark.parametrize("stack", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(
    "degrees", [{"tp": 1}, {"tp": 4}, {"tp": 2, "pp": 2}, {"tp": 1, "attention_dp": 8, "ep": 8}, {"tp": 8, "ep": 8}]
)
def test_a_written_command_means_the_plan(stack: str, degrees: dict[str, int]) -> None:
    """What is written is read back as the same degrees and policy, or nothing is written."""
    policy = {"token_budget": 4096, "memory_fraction": 0.85}
    scenario = from_raw({**QUESTION, "model": {"name": "deepseek-v3"}, "plan": degrees, "policy": policy}, "mine.toml")
    text = launch_command(scenario, stack, ("deepseek-v3", "deepseek-ai/DeepSeek-V3"))
    if text is None:
        assert stack == "trtllm" and "attention_dp" in degrees
        return
    found, unread = settings(text)
    assert not unread and found["hardware.stack"] == stack and found["model.name"] == "deepseek-ai/DeepSeek-V3"
    assert {name: found.get(f"plan.{name}", 1) for name in degrees} == degrees
    assert stack == "trtllm" or (found["policy.token_budget"], found["policy.memory_fraction"]) == (4096, 0.85)


@pytest.mark.parametrize(("weights", "flag"), [("fp8", " --quantization fp8"), ("nvfp4", ""), (None, "")])
def test_weights_that_a_server_converts_are_a_flag(weights: str | None, flag: str) -> None:
    plan = {"tp": 2} | ({"weights": weights} if weights else {})
    scenario = from_raw({**QUESTION, "model": {"name": "qwen3-32b"}, "plan": plan}, "mine.toml")
    for stack in ("vllm", "sglang"):
        text = launch_command(scenario, stack, ("Qwen/Qwen3-32B",))
        assert text is not None and text.endswith(flag) and ("--quantization" in text) == bool(flag)


def test_a_stack_without_a_server_has_no_command() -> None:
    assert launch_command(from_raw({**QUESTION, "model": {"name": "qwen3-8b"}}, "mine.toml"), "datasheet") is None


def test_a_manifest_has_the_flags_and_the_chips() -> None:
    yaml = pytest.importorskip("yaml")
    names = ("qwen3-32b", "Qwen/Qwen3-32B")
    for stack, module, model in (("vllm", "dynamo.vllm", "--model"), ("sglang@0.5", "dynamo.sglang", "--model-path")):
        asked = from_raw(
            {**QUESTION, "name": "my_Chat", "model": {"name": "qwen3-32b"}, "plan": {"tp": 4}}, "mine.toml"
        )
        text = manifest(asked, stack, names, 3, 8)
        assert text is not None
        found = yaml.safe_load(text)
        worker = found["spec"]["components"][1]
        (main,) = worker["podTemplate"]["spec"]["containers"]
        assert found["metadata"]["name"] == "my-chat" and worker["replicas"] == 3
        assert main["command"] == ["python3", "-m", module] and main["args"][:2] == [model, "Qwen/Qwen3-32B"]
        own = launch_command(asked, stack, names)
        assert own is not None and own.endswith(" ".join(main["args"][2:])) and "4" in main["args"]
        assert main["resources"]["limits"]["nvidia.com/gpu"] == "4"
        assert manifest(asked, stack, names, 1, 2) is None  # a replica of two nodes
    assert manifest(asked, "trtllm", names, 1, 8) is None and manifest(asked, "datasheet", names, 1, 8) is None


def test_the_bench_asks_for_the_load() -> None:
    slo = {"ttft": "1 s", "tpot": "40 ms"}
    asked = from_raw({**QUESTION, "model": {"name": "qwen3-32b"}, "slo": slo}, "mine.toml")
    load = {"input_tokens": 500.0, "output_tokens": 100.0, "requests": 300.0, "rate_per_s": 2.5}
    words = shlex.split(bench_command(asked, "vllm", ("qwen3-32b", "Qwen/Qwen3-32B"), load) or "")
    told = dict(pairwise(words))
    assert (
        told["--request-rate"] == "2.5" and told["--random-input-len"] == "500" and told["--model"] == "Qwen/Qwen3-32B"
    )
    assert words[-3:] == ["--goodput", "ttft:1000", "tpot:40"]
    users = {**load, "users": 8.0}
    users.pop("rate_per_s")
    other = bench_command(asked, "sglang", ("qwen3-32b",), users)
    assert other is not None and "--max-concurrency 8" in other and "--random-range-ratio 1.0" in other
    assert bench_command(asked, "datasheet", ("qwen3-32b",), load) is None


@pytest.mark.parametrize("server", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize("kv", [None, "bf16", "fp8"])
def test_a_server_takes_what_is_written(server: str, kv: str | None) -> None:
    """Every key that a command may state, in a word that the server's own options know."""
    plans: list[dict[str, Any]] = [{"tp": 4}, {"tp": 2, "pp": 2}, {"tp": 8, "ep": 8}, {"attention_dp": 8, "ep": 8}]
    policy = {"token_budget": 4096, "memory_fraction": 0.85, "max_running": 64}
    more = [policy, {"graphs": False}, {"overlap_scheduling": False}, {"overlap_scheduling": True, "graphs": True}]
    written = 0
    for plan in plans:
        for one in more:
            raw = {
                **QUESTION,
                "model": {"name": "deepseek-v3"},
                "plan": plan | ({"kv": kv} if kv else {}),
                "policy": one,
            }
            text = launch_command(from_raw(raw, "mine.toml"), server, ("deepseek-ai/DeepSeek-V3",))
            if text is None:
                continue
            written += 1
            accepted(server, shlex.split(text))
            assert settings(text)[0].get("plan.kv") in ((kv,) if kv != "bf16" else ("bf16", None))
    assert written >= 12


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ("vllm", "vllm serve m --kv-cache-dtype bf16"),
        ("sglang", "python -m sglang.launch_server --model-path m --kv-cache-dtype fp8"),
        ("trtllm", "trtllm-serve m --tp-size 2"),
        ("vllm", "vllm serve m --tensor-parallel-size 0"),
    ],
)
def test_the_parsers_refuse_what_servers_refuse(server: str, text: str) -> None:
    with pytest.raises(ValueError):
        accepted(server, shlex.split(text))
