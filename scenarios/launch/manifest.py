"""A deployment as a Kubernetes manifest of NVIDIA Dynamo (DynamoGraphDeployment, nvidia.com/v1beta1), and the command
that measures it.

The workers have the flags of `launch_command`. Sources: the examples of ai-dynamo/dynamo (examples/backends), the help
of `vllm bench serve` 0.11 and of `sglang.bench_serving`.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from scenarios.launch.written import launch_command
from simcore.spec.plan_part import PlanPart
from simcore.spec.scenario import Scenario

WORKERS = {"vllm": ("dynamo.vllm", "--model"), "sglang": ("dynamo.sglang", "--model-path")}
"""server -> (its module in Dynamo, the flag of the model)"""
IMAGE = "nvcr.io/nvidia/ai-dynamo/{server}-runtime:YOUR-TAG"
ADDRESS = "http://localhost:8000"
RESULT = "measured.json"
PERCENTILES = "50,90,95,99"


def manifest(scenario: Scenario, stack: str, names: tuple[str, ...], replicas: int, chips_per_node: int) -> str | None:
    """The manifest of so many replicas; None for a server that Dynamo's form here does not say (TensorRT-LLM), for
    attention-dp ranks under vLLM, which are workers of their own there, and for a replica of several nodes."""
    server, plan = stack.partition("@")[0], scenario.plan
    command = launch_command(scenario, stack, names)
    if server not in WORKERS or command is None or not isinstance(plan, PlanPart):
        return None
    if plan.replica_chips > chips_per_node or (server == "vllm" and plan.attention_dp > 1):
        return None
    module, model = WORKERS[server]
    words = arguments(shlex.split(command), model)
    label = re.sub(r"[^a-z0-9]+", "-", scenario.name.lower()).strip("-")[:40] or "simcore"
    image = IMAGE.format(server=server)
    worker = container(image, ["python3", "-m", module], words, plan.replica_chips)
    spec = {"components": [component("Frontend", "frontend", 1, {"name": "main", "image": image}),
                           component("Worker", "worker", replicas, worker)]}  # fmt: skip
    whole = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": label},
        "spec": spec,
    }
    return "# kubectl apply -f deploy.yaml; put your release in place of YOUR-TAG\n" + as_yaml(whole)


def arguments(words: list[str], model_flag: str) -> list[str]:
    """The flags of a server's own command, its model as a flag."""
    if words[:2] == ["vllm", "serve"]:
        return [model_flag, *words[2:]]
    return words[words.index(model_flag) :]


def container(image: str, command: list[str], words: list[str], chips: int) -> dict[str, Any]:
    """The worker's container."""
    limits = {"limits": {"nvidia.com/gpu": str(chips)}}
    secret = [{"secretRef": {"name": "hf-token-secret"}}]
    return {"name": "main", "image": image, "command": command, "args": words, "envFrom": secret, "resources": limits}


def component(name: str, kind: str, replicas: int, inner: dict[str, Any]) -> dict[str, Any]:
    """A part of the graph."""
    return {"name": name, "type": kind, "replicas": replicas, "podTemplate": {"spec": {"containers": [inner]}}}


def as_yaml(value: Any, indent: int = 0) -> str:
    """Tables and lists in YAML's block style; texts are quoted as JSON, which YAML reads.

    >>> print(as_yaml({"a": [{"b": "c: d"}], "e": 1}), end="")
    a:
    - b: "c: d"
    e: 1
    """
    pad = " " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{tail(one, indent)}" for key, one in value.items())
    lines = []
    for one in value:
        if isinstance(one, dict):
            inner = as_yaml(one, indent + 2)
            lines.append(f"{pad}- {inner[indent + 2 :]}")
        else:
            lines.append(f"{pad}- {json.dumps(one)}\n")
    return "".join(lines)


def tail(value: Any, indent: int) -> str:
    """What follows a key."""
    if isinstance(value, dict):
        return "\n" + as_yaml(value, indent + 2)
    if isinstance(value, list):
        return "\n" + as_yaml(value, indent)
    return f" {json.dumps(value)}\n"


def bench_command(scenario: Scenario, stack: str, names: tuple[str, ...], load: dict[str, float]) -> str | None:
    """The command that measures a running deployment; its result is what `simcore validate bench` reads.

    `load`: input_tokens and output_tokens (means), requests, and rate_per_s or users. Lengths are all the mean: those
    of a trace are not sent. None for a stack without a server.
    """
    server = stack.partition("@")[0]
    if launch_command(scenario, stack, names) is None:
        return None
    model = next((name for name in names if "/" in name), names[0])
    lengths = {
        "--random-input-len": f"{load['input_tokens']:.0f}",
        "--random-output-len": f"{load['output_tokens']:.0f}",
    }
    rate = (
        {"--request-rate": f"{load['rate_per_s']:g}"}
        if "rate_per_s" in load
        else {"--max-concurrency": f"{load['users']:.0f}"}
    )
    said = {"--model": model, "--dataset-name": "random", **lengths, "--num-prompts": f"{load['requests']:.0f}", **rate}
    if server == "sglang":
        words = ["python", "-m", "sglang.bench_serving", "--backend", "sglang-oai", "--base-url", ADDRESS]
        said |= {"--random-range-ratio": "1.0", "--output-file": RESULT}  # 1: every request has the whole length
        return shlex.join([*words, *(word for pair in said.items() for word in pair)])
    said |= {
        "--percentile-metrics": "ttft,tpot,itl,e2el",
        "--metric-percentiles": PERCENTILES,
        "--result-filename": RESULT,
    }
    words = ["vllm", "bench", "serve", "--backend", "openai", "--base-url", ADDRESS, "--ignore-eos", "--save-result"]
    return shlex.join([*words, *(word for pair in said.items() for word in pair), *goodput(scenario)])


def goodput(scenario: Scenario) -> list[str]:
    """The bounds in milliseconds, so that the benchmark counts what keeps them."""
    bounds = {"ttft": scenario.slo.ttft_s, "tpot": scenario.slo.tpot_s}
    told = [f"{name}:{1e3 * value:g}" for name, value in bounds.items() if value is not None]
    return ["--goodput", *told] if told else []
