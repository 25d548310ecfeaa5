"""Every number of a spec moves some result, or is listed here as descriptive with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import hardware_specs
import simcore
import workloads
from simcore.spec.base import Spec
from simcore.spec.system import System

DESCRIPTIVE = {
    "chip compute.*.sparse_peak_flop_per_s.*": "dense peaks are used; a sparse one is a claim kept for comparison",
    "chip compute.*.count": "the peak is stated; count x clock x width is checked against it",
    "chip compute.*.flop_per_clock.*": "as count",
    "chip compute.*.array_columns": "weight-stationary arrays fill by rows; columns are in the peak",
    "chip memory.*.write_bytes_per_s": "writes of a step hide behind its reads on every tier that we know of",
    "chip memory.*.granularity_bytes": "KV blocks and weights are far larger than an access",
    "chip memory.*.energy_j_per_byte": "board power is by utilisation",
    "chip links.*.energy_j_per_byte": "board power is by utilisation",
    "node memory.*.write_bytes_per_s": "as the chip's",
    "node memory.*.granularity_bytes": "as the chip's",
    "node memory.*.energy_j_per_byte": "node power is stated as a whole",
    "node links.*.energy_j_per_byte": "node power is stated as a whole",
    "node hosts": "host processors are in the node's power and price",
    "node levels.*.link.energy_j_per_byte": "node power is stated as a whole",
    "cluster levels.*.link.energy_j_per_byte": "node power is stated as a whole",
    "model card_tables": "which tables a vendor counts as active: a figure for the model's card",
    "model mtp_layers": "multi-token prediction is asked for by policy.draft_tokens, priced by its own fields",
    "model other_parameters": "a vision tower does not run in a text step",
    "model position_tokens": "a table of GPT-2's time; no model here has one",
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
    holders = ("compute", "memory", "links", "levels", "layers", "ffn")
    out = [
        part if at == 0 or (parts[at - 1] not in holders and "per_" not in parts[at - 1]) else "*"
        for at, part in enumerate(parts)
    ]
    return f"{kind} {'.'.join(out)}"


BIG = {"input_tokens": 700, "output_tokens": 60, "batch": 8}
PURCHASE = {"basis": "purchase"}
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "policy": {"graphs": False}, "economics": PURCHASE},
    {"model": "llama-3.1-8b", "stack": "roofline", "input_tokens": 9, "output_tokens": 9, "batch": 1, "tp": 2},
    {"model": "llama-3.1-8b", "stack": "vllm", **BIG, "tp": 2},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 8, "cp": 2, "weights": "fp8", "pp": 2},
    {"model": "llama-3.1-8b", "stack": "roofline", **BIG, "tp": 4, "cp": 8, "pp": 32, "weights": "int8"},
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
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG, "weights": "fp4", "kv": "fp8"},
    {"model": "llama-3.1-8b", "stack": "datasheet", **BIG, "policy": {"pim_attention": True, "sub_batches": True}},
    {"model": "opt-125m", "stack": "roofline", **BIG, "policy": {"pim_attention": True}},
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
            case, _ = case_of(simcore.scenario(question["model"], "h100-sxm" if False else system_name(system), **rest))
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
    """Patterns of the numbers of a spec that move no answer; `put(case, spec)` is the case with that spec."""
    before = answers(base)
    silent = []
    for path, value in numbers(spec):
        moved = False
        for ratio in (1.7, 0.55):
            other = changed(spec, path, ratio) if value else None
            if other is None:
                moved = True
                break
            after = answers([put(case, other) for case in base])
            moved = moved or repr(after) != repr(before)
            if moved:
                break
        if not moved:
            silent.append(pattern(kind, path))
    return silent


def put_chip(case: Any, chip: Any) -> Any:
    return case.replace(system=case.system.replace(chip=chip))


def put_node(case: Any, node: Any) -> Any:
    return case.replace(system=case.system.replace(node=node))


def put_cluster(case: Any, cluster: Any) -> Any:
    return case.replace(system=case.system.replace(cluster=cluster))


@pytest.mark.parametrize(
    "name", ["h100-sxm", "b200-sxm", "npu-pim", "h100-bank-pim", "tpu-v5e", "l40s", "x86-emerald-rapids"]
)
def test_chips(name: str) -> None:
    system = simcore.resolve("system", name)
    told = unread("chip", system.chip, cases(system), put_chip)
    assert not [path for path in told if path not in DESCRIPTIVE], name


@pytest.mark.parametrize("name", ["dgx-h100-cxl", "8x-l40s-pcie", "gb200-nvl72"])
def test_nodes(name: str) -> None:
    system = simcore.resolve("system", name)
    told = unread("node", system.node, cases(system), put_node)
    assert not [path for path in told if path not in DESCRIPTIVE], name


@pytest.mark.parametrize("name", ["dgx-h100-infiniband", "8x-l40s-ethernet"])
def test_clusters(name: str) -> None:
    system = simcore.resolve("system", name)
    told = unread("cluster", system.cluster, cases(system), put_cluster)
    assert not [path for path in told if path not in DESCRIPTIVE], name


@pytest.mark.parametrize(
    "name", ["llama-3.1-8b", "gpt-oss-20b", "deepseek-v3.2", "qwen3-next-80b-a3b", "nemotron-3-nano-30b-a3b"]
)
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
    from scenarios.estimate import case_of

    found = [
        case_of(simcore.scenario("llama-3.1-8b", chip, stack=name, tp=tp, users=users, **{**BIG, "batch": None}))[0]
        for chip in ("h100-sxm", "l40s")
        for tp in (1, 2)
        for users in (4, 600)
    ]
    told = unread("stack", hardware_specs.stack(name), found, lambda case, stack: case.replace(stack=stack))
    assert not [path for path in told if path not in DESCRIPTIVE], name


def test_economics() -> None:
    from scenarios.estimate import case_of

    found = [case_of(simcore.scenario("llama-3.1-8b", "dgx-h100", stack="datasheet", **BIG))[0]]
    prices = hardware_specs.economics("default")
    for basis in ("rental", "purchase"):
        found.append(found[0].replace(economics=prices.replace(basis=basis)))

    def put(case: Any, changed_prices: Any) -> Any:
        return case.replace(economics=changed_prices.replace(basis=case.economics.basis))

    assert not unread("economics", prices, found, put)
