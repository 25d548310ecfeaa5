"""A Dask cluster of processes that loses its scheduler, or has a worker whose disk is full; a Ray cluster without its
head."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import workers
from tests.shared import ROOT

SPAN_S = workers.BUDGET * workers.PAUSE_S / 2
"""of a search on two workers"""


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """(address, the scheduler's process) of a scheduler and two workers, ended afterwards."""
    told = folder / "scheduler.json"
    running = [started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))]
    try:
        while not told.exists() or not told.read_text(encoding="utf-8"):
            time.sleep(0.05)
        address = json.loads(told.read_text(encoding="utf-8"))["address"]
        words = ("dask_worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        running += [started(*words) for _ in range(2)]
        yield address, running[0]
    finally:
        for process in running:
            process.kill()
            process.wait()
        told.unlink(missing_ok=True)


def started(program: str, *words: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-m", f"distributed.cli.{program}", *words, "--no-dashboard"]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def searched(address: str, store: Any, ready: Callable[[Any], None]) -> Any:
    """The search of `workers` on a cluster, its answers in a store; `ready` is called with the client before it."""
    from planners.search.backend import backend
    from planners.search.method import method
    from planners.search.run import Setting, search

    where: Any = backend("dask", address=address)
    try:
        where.client.wait_for_workers(2, timeout=60)
        ready(where.client)
        setting = Setting(budget=workers.BUDGET, seed=3, batch=40)
        return search(workers.problem(), method("random"), setting, store, backend=where)
    finally:
        where.close()


def lost_scheduler(folder: Path, moment_s: float, truth: tuple[Any, int]) -> tuple[bool, list[str]]:
    """(whether the scheduler was killed in time, what went wrong): another one goes on from the store."""
    from planners.search.run import open_store
    from simcore.errors import InputError

    lost, wrong = False, []
    with cluster(folder) as (address, scheduler), open_store(folder / "store", workers.problem()) as store:
        timer = threading.Timer(moment_s, scheduler.kill)
        try:
            searched(address, store, lambda _: timer.start())
        except InputError as error:
            lost = "was lost" in str(error)
            wrong += [] if lost else [str(error)]
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {str(error)[:200]}")
        timer.cancel()
        kept = len(store)
    with cluster(folder) as (address, _), open_store(folder / "store", workers.problem()) as store:
        again = searched(address, store, lambda _: None)
        if len(store) != kept + again.evaluated:
            wrong.append(f"{kept} answers were kept, {again.evaluated} evaluated, {len(store)} are there")
    return lost, wrong + unlike(again, truth)


def full_disk(folder: Path, truth: tuple[Any, int]) -> list[str]:
    """What goes wrong when one of the two workers cannot write a byte from the search's start."""
    from planners.search.run import open_store

    def fill(client: Any) -> None:
        victim = sorted(client.scheduler_info()["workers"])[0]
        client.run(no_room, workers=[victim])

    with cluster(folder) as (address, _), open_store(folder / "store", workers.problem()) as store:
        return unlike(searched(address, store, fill), truth)


def lost_head(folder: Path, moment_s: float, truth: tuple[Any, int]) -> tuple[bool, list[str]]:
    """(whether the head of a Ray cluster was killed in time, what went wrong): its store is gone on with, here."""
    from planners.search.backend import backend
    from planners.search.method import method
    from planners.search.run import Setting, open_store, search

    words = [sys.executable, "-m", "tests.fuzz.ray_head", str(folder / "store"), str(moment_s)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)
    told = done.stdout.strip().splitlines()[-1:] or [done.stderr[-200:]]
    lost = told[0].startswith("lost: ")
    wrong = [] if done.returncode == 0 and (lost or told == ["whole"]) else [f"{done.returncode}: {told[0][:200]}"]
    with open_store(folder / "store", workers.problem()) as store:
        kept = len(store)
        again = search(workers.problem(), method("random"), Setting(budget=workers.BUDGET, seed=3, batch=40), store,
                       backend("serial"))  # fmt: skip
        if len(store) != kept + again.evaluated:
            wrong.append(f"{kept} answers were kept, {again.evaluated} evaluated, {len(store)} are there")
    return lost, wrong + unlike(again, truth)


def no_room() -> None:
    """From now on writing a file fails in this process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def unlike(found: Any, truth: tuple[Any, int]) -> list[str]:
    frontier, count = truth
    same = len(found.units) == count and all(map(np.array_equal, found.frontier, frontier))
    return [] if same else [f"another frontier, {len(found.units)} evaluations"]


def campaign(times: int, seed: int, say: Callable[[str], None] = print) -> int:
    """Schedulers killed at random moments, and disks that are full; how many searches went wrong."""
    from planners.search.backend import backend

    truth, draw = workers.searched(backend("serial")), random.Random(f"{seed}/cluster")

    def kills(lose: Any, what: str) -> tuple[int, int]:
        """(how many were killed in time, how many searches went wrong)"""
        killed, broken = 0, 0
        for _ in range(times):
            with tempfile.TemporaryDirectory(prefix="simcore-cluster-") as place:
                lost, wrong = lose(Path(place), draw.uniform(0.05, 0.9) * SPAN_S, truth)
            killed, broken = killed + lost, broken + bool(wrong)
            for line in wrong:
                say(f"    {line}")
        say(f"{what}: {times} searches, {killed} killed, {broken} failures")
        return killed, broken

    killed, total = kills(lost_scheduler, "Dask scheduler")
    with tempfile.TemporaryDirectory(prefix="simcore-cluster-") as place:
        wrong = full_disk(Path(place), truth)
    say(f"full disk on a worker: 1 search, {len(wrong)} failures")
    total += len(wrong) + (killed < times // 2)
    return total + kills(lost_head, "Ray head")[1]
