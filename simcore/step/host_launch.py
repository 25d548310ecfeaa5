"""A step whose kernels wait for the host that launches them: launch objects, a queue, what each side waits for.

An object is a kernel, or a captured graph of several. The host calls one after the other, o seconds each:
c_i = c_(i-1) + o. Its first kernel begins at max(c_i + launch, end of the object before); the kernels of a graph
follow each other. TKLQT, the total kernel launch and queue time, is the sum over objects of begin - c_i (SKIP, arXiv
2504.11750, there of kernels). While the host rules it is launch x objects, flat in the batch; where the chip rules,
objects queue and it grows.

Wrong where the host waits for a result in the middle of a step, where calls run on several threads, and where a queue
is full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HostLaunch:
    """The host's side of a step."""

    call_s: float
    """of one kernel's call"""
    launch_s: float
    """from the end of a call to the kernel's begin on an idle chip"""
    graph_call_s: float = 0.0
    """of a graph's call; 0: as a kernel's"""
    graph_launch_s: float = 0.0
    graph_gap_s: float = 0.0
    """between two kernels of a graph"""
    copy_s: float = 0.0
    """what the first kernel waits for, and the host after the last: inputs over the link, tokens back"""


@dataclass(frozen=True)
class Launched:
    """A step as host and chip saw it, in seconds."""

    objects: int
    kernels: int
    host_s: float
    """of all calls"""
    device_s: float
    """of all kernels"""
    time_s: float
    """from the first call to the last kernel's end, copies included"""
    tklqt_s: float
    queue_s: float
    """of it, waiting behind kernels"""
    idle_s: float
    """the chip between its kernels and before them"""
    is_host_bound: bool
    """calls take longer than kernels"""


def launched(kernels_s: Floats, graph: NDArray[np.int64], host: HostLaunch) -> Launched:
    """A step of kernels [kernels] in order; `graph` says which of them are one object (equal numbers in a row; -1: an
    object by itself).

    Raises InputError for no kernels. With F the first kernel of every object, end_i = max_j<=i (release_j + work from j
    to i), a running maximum.

    >>> free = HostLaunch(call_s=0.0, launch_s=0.0)
    >>> launched(np.array([1.0, 2.0]), np.array([-1, -1]), free).time_s
    3.0
    """
    if not len(kernels_s):
        raise InputError("a step without kernels", key="asked")
    own = np.concatenate([[True], (graph[1:] != graph[:-1]) | (graph[1:] < 0)])
    first = np.flatnonzero(own)
    graphed = graph[first] >= 0
    call_s = np.where(graphed, host.graph_call_s or host.call_s, host.call_s)
    called_s = np.cumsum(call_s) + host.copy_s
    release_s = called_s + np.where(graphed, host.graph_launch_s, host.launch_s)
    inner = ~own & (graph >= 0)
    work_s = kernels_s + inner * host.graph_gap_s
    each_s = np.add.reduceat(work_s, first)
    before_s = np.concatenate([[0.0], np.cumsum(each_s)[:-1]])
    begin_s = np.maximum.accumulate(release_s - before_s) + before_s
    end_s = float(begin_s[-1] + each_s[-1])
    wait_s = begin_s - called_s
    queue_s = float(np.sum(begin_s - release_s))
    time_s = end_s + host.copy_s
    device_s = float(np.sum(kernels_s))
    host_s = float(np.sum(call_s))
    return Launched(
        len(first),
        len(kernels_s),
        host_s,
        device_s,
        time_s,
        float(np.sum(wait_s)),
        queue_s,
        time_s - device_s,
        host_s > device_s,
    )
