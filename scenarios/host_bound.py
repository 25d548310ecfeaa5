"""[asked.host]: one step of a deployment as the host launches it, kernel by kernel or in graphs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from scenarios.one_step import AskedStep
from scenarios.resolved import Resolved, resolve, thread_ratio
from simcore.cost.storage import links_of
from simcore.errors import InputError
from simcore.ops.op import Op
from simcore.spec.scenario import Scenario
from simcore.step.host_launch import HostLaunch, launched
from simcore.step.price import price
from simcore.step.served import NOTHING

TOKEN_BYTES = 8.0
HOST_TIERS = ("dram", "lpddr")
"""the host's own memory, behind the link that kernels are launched over"""


@dataclass(frozen=True)
class AskedHost:
    """The host of a step. What is 0 is the chip's own."""

    call_s: float
    """of one kernel's call, on a thread as fast as a Xeon 8480C's"""
    launch_s: float = 0.0
    """from the end of a call to the kernel's begin on an idle chip; 0: the chip's `kernel_launch`"""
    graphs: Literal["none", "layer", "step"] = "none"
    """what one launch object is: a kernel, a layer's kernels, all"""
    graph_call_s: float = 0.0
    """of a captured graph's call; 0: as a kernel's"""
    kernel_ratio: float = 1.0
    """kernels of the framework for each of ours"""


def step_by_host(scenario: Scenario, step: AskedStep, host: AskedHost) -> dict[str, Any]:
    """Total kernel launch and queue time, and what rules: the chip where its kernels take longer than their calls."""
    found = resolve(scenario).checked()
    told = timed(found, step, host)
    return {
        **asdict(told),
        "mean_kernel_s": told.device_s / told.kernels,
        "device_per_host_ratio": told.device_s / told.host_s,
    }


def timed(found: Resolved, step: AskedStep, host: AskedHost) -> Any:
    """The step's kernels in order, launched."""
    physics = replace(found.physics(), served=NOTHING)
    priced = price(physics, found.columns, step.columns, True)
    issue, speed = found.system.chip.issue, thread_ratio(found.system, found.scenario.file)
    times, graph = kernels_of(priced, host)
    launch = HostLaunch(
        host.call_s / speed,
        host.launch_s or issue.kernel_launch_s,
        host.graph_call_s / speed,
        issue.graph_launch_s,
        issue.graph_kernel_s,
        copy_s(found, step),
    )
    return launched(times, graph, launch)


def kernels_of(priced: Any, host: AskedHost) -> tuple[Any, Any]:
    """(seconds of every kernel in order, its launch object). Operations with equal counts in a row are a layer's."""
    runs: list[list[tuple[Op, float]]] = []
    for op, cost in zip(priced.ops, priced.costs, strict=True):
        own_s = float(np.max(cost.network_s if op.role == "none" else np.maximum(cost.compute_s, cost.memory_s)))
        if runs and float(np.max(runs[-1][-1][0].count)) == float(np.max(op.count)):
            runs[-1].append((op, own_s))
        else:
            runs.append([(op, own_s)])
    times: list[float] = []
    graph: list[int] = []
    number = 0
    for run in runs:
        for _ in range(round(float(np.max(run[0][0].count)))):
            number += 1
            for op, own_s in run:
                several = max(1, round(op.kernels * host.kernel_ratio))
                times += [own_s / several] * several
                graph += [{"none": -1, "layer": number, "step": 0}[host.graphs]] * several
    return np.array(times), np.array(graph, np.int64)


def copy_s(found: Resolved, step: AskedStep) -> float:
    """Token numbers over the link to the host, one way: coupled hosts have a faster one."""
    node = found.system.node
    near = [] if node is None else [node.memory[name] for name in HOST_TIERS if name in node.memory]
    link = links_of(found.system).get(near[0].link or "") if near else None
    if link is None:
        return 0.0
    return link.latency_s + TOKEN_BYTES * float(step.columns.tokens) / link.bytes_per_s


def refuse_streams(options: dict[str, Any], file: str) -> None:
    """Raises InputError where a step is asked for by host and in streams."""
    for name in ("micro_batches", "late", "tiles"):
        if name in options:
            raise InputError("is not known beside asked.host", file=file, key=f"asked.{name}", fix="leave one out")
