"""Every number of a spec moves some result, or is listed here as descriptive with its reason."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import pytest

import hardware_specs
import simcore
import workloads
from simcore import registry
from simcore.spec.base import Spec
from simcore.spec.system import System

DESCRIPTIVE = {
    "chip compute.*.sparse_peak_flop_per_s.*": "dense peaks are used; a sparse one is a claim kept for comparison",
    "chip compute.*.peak_flop_per_s.fp16": "plans compute in bf16 and narrower formats",
    "chip compute.*.peak_flop_per_s.tf32": "as fp16",
    "chip compute.*.peak_flop_per_s.fp32": "as fp16; vector work is bound by memory",
    "chip compute.*.peak_flop_per_s.fp64": "as fp16",
    "chip compute.*.peak_flop_per_s.fp6": "no checkpoint here is in fp6",
    "chip compute.*.peak_flop_per_s.bf16 of pim": "what a PIM unit does is bound by its banks",
    "chip compute.*.clock_hz": "the peak is stated; count x clock x width is checked against it",
    "chip compute.*.count": "as clock",
    "chip compute.*.flop_per_clock.*": "as clock",
    "chip compute.*.array_columns": "without a dataflow arrays fill by rows; columns are in the peak",
    "chip compute.*.internal_bytes_per_s": "follows from the time of a tile where that is stated",
    "chip memory.*.write_bytes_per_s": "of the main tier: a step's few writes hide behind its reads",
    "chip memory.*.latency_s": "of tiers on the chip: streams hide it",
    "chip memory.*.granularity_bytes": "KV blocks and weights are far larger than an access",
    "chip memory.*.energy_j_per_byte": "board power is by utilisation",
    "chip memory.*.reported_ratio": "drivers report the main tier alone",
    "chip issue.thread_ratio": "of a host: read where the chip is one (see test_releases.py)",
    "chip links.*.energy_j_per_byte": "board power is by utilisation",
    "chip links.*.bytes_per_s": "a port of the chip; what is wired to it the node's levels and links say",
    "chip links.*.latency_s": "as its bandwidth",
    "node memory.*.granularity_bytes": "as the chip's",
    "node memory.*.energy_j_per_byte": "node power is stated as a whole",
    "node links.*.energy_j_per_byte": "node power is stated as a whole",
    "node hosts": "host processors are in the node's power and price",
    "node power.idle_w": "a node that serves draws its stated power; nodes are not switched off",
    "node levels.*.link.energy_j_per_byte": "node power is stated as a whole",
    "cluster levels.*.link.energy_j_per_byte": "node power is stated as a whole",
    "model card_tables": "which tables a vendor counts as active: a figure for the model's card",
    "model mtp_layers": "multi-token prediction is asked for by policy.draft_tokens, priced by its own fields",
    "model other_parameters": "a vision tower does not run in a text step",
    "stack serving.graph_tokens": "the prompts of this test are longer (see test_releases.py)",
    "stack serving.graph_tokens_per_sequence": "the same",
    "stack untuned.expert_ratio": "of the newest release nothing is untuned",
    "stack releases.0.untuned.expert_ratio": "of an older release (see test_releases.py)",
    "stack releases.1.untuned.expert_ratio": "the same",
    "stack serving.stream_interval": "without server effects nothing waits for a group of tokens of one",
}
"""kind and path (* for any name) -> why nothing reads it"""


def numbers(spec: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Dotted path and value of every number, flags aside."""
    if isinstance(spec, Spec):
        pairs: Any = ((n, getattr(spec, n)) for n in type(spec).model_fields if n not in ("sources", "citations"))
    elif isinstance(spec, dict):
        pairs = spec.items()
    elif isinstance(spec, tuple):
        pairs = ((str(at), item) for at, item in enumerate(spec))
    elif isinstance(spec, int | float) and not isinstance(spec, bool):
        if math.isfinite(spec):
            yield path, float(spec)
        return
    else:
        return
    for name, value in pairs:
        yield from numbers(value, f"{path}.{name}" if path else str(name))


def changed(spec: Any, path: str, ratio: float) -> Any:
    """A copy with one number multiplied, whole numbers kept whole."""
    name, _, rest = path.partition(".")
    value = getattr(spec, name) if isinstance(spec, Spec) else spec[int(name) if isinstance(spec, tuple) else name]
    if rest:
        new = changed(value, rest, ratio)
    else:
        new = round(value * ratio) if isinstance(value, int) else value * ratio
    if isinstance(spec, Spec):
        return spec.replace(**{name: new})
    if isinstance(spec, dict):
        return {**spec, name: new}
    return tuple(new if at == int(name) else item for at, item in enumerate(spec))


def pattern(kind: str, path: str) -> str:
    """The path with names of units, tiers, links, formats and places in lists as `*`."""
    parts = path.split(".")
    holders = ("compute", "memory", "links", "levels") if kind in ("chip", "node", "cluster") else ()
    out = ["*" if at and parts[at - 1] in holders else part for at, part in enumerate(parts)]
    if "compute" in parts and ("sparse" in path or "per_clock." in path):
        out[-1] = "*"
    suffix = " of pim" if parts[:2] == ["compute", "pim"] and path.endswith("bf16") else ""
    return f"{kind} {'.'.join(out)}{suffix}"


BIG = {"input_tokens": 700, "output_tokens": 60, "batch": 8}
PURCHASE = {"basis": "purchase"}
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "policy": {"graphs": False}, "economics": PURCHASE},
    {"model": "llama-3.1-8b", "stack": "roofline", "input_tokens": 9, "output_tokens": 9, "batch": 1, "tp": 2},
    {"model": "llama-3.1-8b", "stack": "vllm", **BIG, "tp": 2},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 8, "weights": "int8"},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 8, "cp": 8, "weights": "fp8"},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 8, "cp": 8, "pp": 16},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 8, "cp": 2, "pp": 4},
    {"model": "gpt-oss-20b", "stack": "roofline", **BIG, "weights": "int4"},
    {
        "model": "gpt-oss-20b",
        "stack": "roofline",
        **BIG,
        "weights": "fp8",
        "experts": "fp4",
        "attention_dp": 4,
        "ep": 4,
    },
    {"model": "gpt-oss-20b", "stack": "roofline", **BIG, "batch": 512, "attention_dp": 512, "ep": 32},
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG, "weights": "fp4", "kv": "fp8"},
    {"model": "qwen3-0.6b", "stack": "roofline", **BIG, "weights": "int8", "activations": "int8"},
    {"model": "qwen3-0.6b", "stack": "roofline", **BIG, "batch": 2, "economics": PURCHASE},
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG, "policy": {"pim_attention": True, "sub_batches": True}},
    {"model": "llama-2-7b", "stack": "roofline", **BIG, "policy": {"pim_attention": True}},
)
TIERS = ("dram", "cxl", "nvme", "lpddr", "host")
"""tiers that may hold KV or weights"""


def cases(system: System) -> list[Any]:
    """The questions that this system can be asked, and one per slow tier for KV and for weights."""
    from scenarios.estimate import case_of

    places = [{kind: tier} for tier in TIERS for kind in ("kv", "weights") if tier in known_tiers(system)]
    asked = [*QUESTIONS, *({**QUESTIONS[1], "residency": place} for place in places)]
    found = []
    for question in asked:
        rest = {k: v for k, v in question.items() if k != "model"}
        try:
            case, _ = case_of(simcore.scenario(question["model"], system_name(system), **rest))
        except simcore_errors() as error:  # this system cannot run this question
            assert error is not None
            continue
        found.append(case)
    assert found, system.name
    return found


def known_tiers(system: System) -> set[str]:
    """Names of the tiers of chip and node."""
    return {*system.chip.memory, *(system.node.memory if system.node else ())}


def system_name(system: System) -> str:
    """The name by which the system is found."""
    return (system.cluster or system.node or system.chip).name


def simcore_errors() -> type[Exception]:
    from simcore.errors import InputError

    return InputError


def answers(found: list[Any]) -> list[dict[str, Any]]:
    """Values and reason of every case."""
    from planners.evaluate import Evaluator
    from scenarios.stacks import cost_model

    evaluator = Evaluator({}, cost_model)
    out = []
    for case in found:
        result = evaluator.one(case)
        out.append(
            {**result.values, "reason": str(result.infeasible), "ops": [row.time_s for row in result.operations or ()]}
        )
    return out


def unread(kind: str, spec: Any, base: list[Any], put: Any) -> list[str]:
    """Patterns of the numbers of a spec, descriptive ones aside, that move no answer.

    `put(case, spec)` is the case with that spec.
    """
    before = [repr(answer) for answer in answers(base)]

    def moves(path: str, ratio: float) -> bool:
        other = changed(spec, path, ratio)
        pairs = zip(base, before, strict=True)
        return any(repr(answers([put(case, other)])[0]) != answer for case, answer in pairs)

    told = [path for path, value in numbers(spec) if value and pattern(kind, path) not in DESCRIPTIVE]
    return [pattern(kind, path) for path in told if not any(moves(path, ratio) for ratio in (1.7, 0.55, 0.02))]


def put_chip(case: Any, chip: Any) -> Any:
    return case.replace(system=case.system.replace(chip=chip))


def put_node(case: Any, node: Any) -> Any:
    return case.replace(system=case.system.replace(node=node))


@pytest.mark.parametrize(
    "name", ["h100-sxm", "b200-sxm", "npu-pim", "h100-bank-pim", "tpu-v5e", "l40s", "x86-emerald-rapids"]
)
def test_chips(name: str) -> None:
    system = simcore.resolve("system", name)
    assert not unread("chip", system.chip, cases(system), put_chip), name


@pytest.mark.parametrize("name", ["dgx-h100-cxl", "8x-l40s-pcie", "gb200-nvl72"])
def test_nodes(name: str) -> None:
    system = simcore.resolve("system", name)
    told = unread("node", system.node, cases(system), put_node)
    assert not [path for path in told if path not in DESCRIPTIVE], name


def joined(cluster: Any, path: str, ratio: float) -> Any:
    """The changed cluster, its nodes the product of its levels."""
    if path == "nodes":
        path = f"levels.{len(cluster.levels) - 1}.size"
    other = changed(cluster, path, ratio)
    return other.replace(nodes=math.prod(level.size for level in other.levels))


@pytest.mark.parametrize("name", ["dgx-h100-infiniband", "8x-l40s-ethernet"])
def test_clusters(name: str) -> None:
    def told(cluster: Any) -> str:
        registry.register("cluster", cluster.replace(name="changed"))
        try:
            return repr(answers(cases(simcore.resolve("system", "changed"))))
        finally:
            registry.unregister("cluster", "changed")

    cluster = hardware_specs.cluster(name)
    before = told(cluster)
    silent = []
    for path in (path for path, _ in numbers(cluster) if pattern("cluster", path) not in DESCRIPTIVE):
        if not any(told(joined(cluster, path, ratio)) != before for ratio in (2.0, 0.5)):
            silent.append(pattern("cluster", path))
    assert not [path for path in silent if path not in DESCRIPTIVE], name


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-20b", "deepseek-v3.2", "nemotron-3-nano-30b-a3b"])
def test_models(name: str) -> None:
    from scenarios.estimate import case_of

    loads = (BIG, {**BIG, "input_tokens": 20_000})
    found = [
        case_of(simcore.scenario(name, "dgx-b200", stack=s, tp=2, **load))[0]
        for s in ("datasheet", "vllm")
        for load in loads
    ]
    told = unread("model", workloads.model(name), found, lambda case, model: case.replace(model=model))
    assert not [path for path in told if path not in DESCRIPTIVE], name


@pytest.mark.parametrize("name", hardware_specs.stack.names())
def test_stacks(name: str) -> None:
    """A changed stack, registered, under questions that name it."""
    from scenarios.estimate import case_of

    def told(stack: Any) -> Iterator[str]:
        """Case by case: most facts move the first."""
        registry.register("stack", stack.replace(name="changed"))
        try:
            for chip, tp, users, inputs in itertools.product(("h100-sxm", "l40s"), (1, 2), (4, 2000), (700, 9000)):
                load = {"input_tokens": inputs, "output_tokens": 60, "users": users, "requests": 4 * users}
                asked = simcore.scenario("llama-3.1-8b", chip, stack="changed", tp=tp, traffic=load)
                yield repr(answers([case_of(asked)[0]]))
        finally:
            registry.unregister("stack", "changed")

    stack = hardware_specs.stack(name)
    before = list(told(stack))
    silent = []
    for path, value in numbers(stack):
        if pattern("stack", path) in DESCRIPTIVE:
            continue
        ratios = (0.7, 0.55, 0.02) if value < 1 or value > 10 else (1.7, 3.0)
        tried = (told(changed(stack, path, ratio)) for ratio in ratios)
        if all(now == then for one in tried for now, then in zip(one, before, strict=True)):
            silent.append(pattern("stack", path))
    assert not silent, name


def test_economics() -> None:
    from scenarios.estimate import case_of

    found = [case_of(simcore.scenario("llama-3.1-8b", "dgx-h100", stack="datasheet", **BIG))[0]]
    prices = hardware_specs.economics("default")
    for basis in ("rental", "purchase"):
        found.append(found[0].replace(economics=prices.replace(basis=basis)))

    def put(case: Any, changed_prices: Any) -> Any:
        return case.replace(economics=changed_prices.replace(basis=case.economics.basis))

    assert not unread("economics", prices, found, put)
