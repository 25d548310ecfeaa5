"""Much of everything: a million evaluations, ten million requests, five million plans, runs side by side; none lost.

Each part runs in a process of its own and says how many of its answers are missing or differ; minutes in all, so it
runs by name only: `python -m benchmarks load`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._process import cpu_and_peak

EVALUATIONS, REQUESTS, PLANS, RUNS, THREADS = 1_000_000, 10_000_000, 5_000_000, 200, 8


def figures() -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("evaluations", "requests", "plans", "runs", "threads"):
        with tempfile.TemporaryDirectory(prefix="simcore-load-") as folder:
            told = Path(folder) / "lost"
            code = f"from benchmarks import load; load.told(load.{name}({folder!r}), {str(told)!r})"
            cpu_s, peak_mb = cpu_and_peak(["-c", code], repeats=1, warm_up=False)
            found |= {f"load_{name}_cpu_s": cpu_s, f"load_{name}_peak_mb": peak_mb}
            found[f"load_{name}_lost"] = float(told.read_text(encoding="utf-8"))
    return found


def told(lost: int, file: str) -> None:
    Path(file).write_text(str(lost), encoding="utf-8")


def evaluations(folder: str, count: int = EVALUATIONS) -> int:
    """A search of a million points into a store, and those of them that a second search does not find there."""
    from planners.search.method import method
    from planners.search.run import Setting, open_store, search
    from planners.search.study import problem_of, read_search

    asked = read_search(Path(__file__).with_name("search.toml"))
    wider = {"vary": {**asked.vary, "traffic.input_tokens": [128 * step for step in range(1, 9)]}}
    problem = problem_of(asked.set(wider))
    setting = Setting(budget=count)
    for _ in range(2):
        with open_store(f"{folder}/store", problem) as store:
            found = search(problem, method("exhaustive"), setting, store)
    return int(setting.budget) - len(found.units) + found.evaluated


def requests(folder: str, count: int = REQUESTS) -> int:
    """A trace of ten million requests, served on one replica; how many have no answer."""
    import numpy as np

    from scenarios.read import from_raw
    from scenarios.run import ready

    trace, chunk = Path(folder) / "trace.csv", 1_000_000
    with trace.open("w", encoding="utf-8") as stream:
        stream.write("arrival_s,input_tokens,output_tokens\n")
        for start in range(0, count, chunk):
            rows = np.arange(start, min(start + chunk, count))
            table = np.stack([rows * 0.001, 50 + rows % 100, 1 + rows % 4], axis=1)
            np.savetxt(stream, table, fmt="%.3f,%d,%d")
    steps = {"profile": "table", "step": "1 ms", "token": "1 us", "kv_blocks": 100_000}
    traffic = {"trace": str(trace)}
    made = ready(from_raw({"schema": "scenario/2", "name": "load", "steps": steps, "traffic": traffic}))
    run = made.run()
    return count - int((run.requests["done_s"] > 0).sum())


def plans(folder: str, count: int = PLANS) -> int:
    """Five million plans of a sweep; how many were not evaluated."""
    from benchmarks.plans import stream

    return max(count - stream(count), 0)


def runs(folder: str, count: int = RUNS) -> int:
    """Runs one after the other in one process; how many differ from the first."""
    first = simulated(0)
    return sum(simulated(0) != first for _ in range(count - 1))


def threads(folder: str, count: int = RUNS) -> int:
    """Runs of different seeds in threads; how many differ from the same alone."""
    from concurrent.futures import ThreadPoolExecutor

    alone = [simulated(seed) for seed in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(simulated, (number % THREADS for number in range(count))))
    return sum(one != alone[number % THREADS] for number, one in enumerate(found))


def simulated(seed: int) -> bytes:
    """The records of a small run."""
    from scenarios.read import from_raw
    from scenarios.run import ready

    asked: dict[str, Any] = {
        "schema": "scenario/2",
        "name": "load",
        "seed": seed,
        "model": {"name": "llama-3.1-8b"},
        "hardware": {"system": "h100-sxm", "stack": "datasheet"},
        "traffic": {"input_tokens": [50, 900], "output_tokens": [10, 90], "requests": 300, "rate_per_s": 20.0},
    }
    found: bytes = ready(from_raw(asked)).run().requests.tobytes()
    return found


def main(name: str) -> None:
    """One part alone, in this process."""
    with tempfile.TemporaryDirectory(prefix="simcore-load-") as folder:
        print(json.dumps({name: globals()[name](folder)}))


if __name__ == "__main__":
    main(sys.argv[1])
