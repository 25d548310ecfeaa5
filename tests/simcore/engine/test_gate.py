"""Compiled runs through their gates: the same bytes from a library as from numba, for all schedulers and routers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simcore.cost.gate import Gate
from simcore.errors import SimcoreError
from simcore.policy.router import router_looks, routers
from simcore.policy.scheduler import options_of, rank_of, schedulers

ROOT = Path(__file__).resolve().parents[3]
RUN = """
import hashlib, sys
import numpy as np
from simcore.engine.feedback import Clients
from simcore.engine.serving import serve, serve_clients
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from simcore.step.served import Work
from simcore.step.times import SampleRange, StepParts, sample_step_times

def evaluate(steps):
    tokens = steps.chunk_tokens + steps.decodes
    work = steps.decodes * steps.kv_tokens
    return StepParts(Work(elementwise=0.007 + tokens * 8e-5), work * 3e-10, 0.0 * tokens, 0.0 * tokens)

random = np.random.default_rng(0)
trace = Trace(np.cumsum(random.exponential(0.05, 300)), random.integers(50, 900, 300), random.integers(5, 90, 300))
times, told = sample_step_times(evaluate, SampleRange(tokens=1024, past_tokens=2048)), hashlib.sha256()
for scheduler in SCHEDULERS:
    how = ReplicaSettings(scheduler=scheduler, kv_blocks=300, max_running=24, token_budget=512, block_tokens=16)
    runs = [serve(trace, times, how, 2, router, 50) for router in ROUTERS]
    for run in (*runs, serve_clients(trace, times, how, Clients(8))):
        told.update(run.requests.tobytes() + run.replicas.tobytes() + run.log.tobytes())
print(told.hexdigest(), "numba" in sys.modules)
"""


def answer(code: str, **more: str) -> tuple[str, bool]:
    """(digest of all records, whether numba was there)."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told, numba = done.stdout.split()
    return told, numba == "True"


def by_numba(code: str) -> str:
    """The same run with libraries out of the way."""
    head = "from simcore.cost import libraries; libraries.find = lambda *place: None\n"
    patch = "import simcore.cost.gate as g, simcore.policy.addresses as a; g.find = a.find = libraries.find\n"
    found, numba = answer(head + patch + code)
    assert numba
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are kept on Linux only")
def test_same_bytes_from_libraries_and_without_numba() -> None:
    names = [name for name in schedulers.names() if name != "decode-only"]
    code = RUN.replace("SCHEDULERS", repr(names)).replace("ROUTERS", repr(routers.names()))
    answer(code)  # compiles what is not kept
    found, numba = answer(code)
    assert found == by_numba(code)
    ranked = {name for name in names if rank_of(name) is not None}
    assert numba == bool(ranked)  # the rank of a queue is Python beside a kernel
    plain = RUN.replace("SCHEDULERS", repr(sorted({*names} - ranked))).replace("ROUTERS", repr(routers.names()))
    assert not answer(plain)[1]


def test_a_kernel_that_breaks_off_is_an_error() -> None:
    class Broken(Gate):
        function = staticmethod(lambda address: None)

    with pytest.raises(SimcoreError, match="broke off in open_loop"):
        Broken("gates.py", "open_loop", lambda name: 0)(np.zeros(3))


def test_what_policies_say_is_known_without_importing_them() -> None:
    code = (
        "import sys; from simcore.policy.scheduler import options_of, rank_of; from simcore.policy.router import "
        "router_looks; print(rank_of('chunked'), options_of('chunked'), router_looks('least-outstanding'), "
        "router_looks('round-robin'), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "{}", "True", "False", "False"]


@pytest.mark.parametrize("name", list(schedulers))
def test_what_a_file_binds_is_what_its_module_has(name: str) -> None:
    module = schedulers.implementation(name)
    assert rank_of(name) is getattr(module, "rank", None)
    assert options_of(name) == dict(getattr(module, "OPTIONS", {}))


@pytest.mark.parametrize("name", list(routers))
def test_looks(name: str) -> None:
    assert router_looks(name) == routers.implementation(name).LOOKS
