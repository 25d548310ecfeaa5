"""`python -m benchmarks peers`: other tools on the same questions in the same minutes, and their ratios.

The tools live in an environment of their own under `SIMCORE_PEERS` (else the user's cache folder), made at the first
run from the package index: DynoSim (Rust, `ai-dynamo-runtime`), Optuna and pymoo. Requests: the light trace and, where
`SIMCORE_SHARED` (or ../shared) has it, Mooncake's. DynoSim gets the same limits: 128 sequences, 512 tokens a step,
7,424 blocks of 16; its step times are its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import serving, start
from benchmarks._process import ROOT, cpu_and_peak, isolated

PACKAGES = ("ai-dynamo-runtime==1.6.1", "optuna==5.0.0", "pymoo==0.6.1.6")
ROUNDS = 5
FRESH_SEEDS = tuple(range(1000, 1010))
BUDGET = 200
HASH_TOKENS = 512
ENGINE = {"engine": {"num_gpu_blocks": 7424, "block_size": 16, "max_num_seqs": 128, "max_num_batched_tokens": 512}}
REPLAY = """
import json, sys, time
from dynamo._core import run_mocker_trace_replay as replay
file, workers, router, engine, repeats = sys.argv[1:]
for _ in range(int(repeats)):
    began = time.process_time()
    found = replay([file], json.loads(engine), num_workers=int(workers), router_mode=router, trace_block_size=512)
    assert found.summary["completed_requests"] == found.summary["num_requests"]
    spent = time.process_time() - began
print(spent)
"""


def figures() -> Iterator[tuple[str, float]]:
    """(name, value): speed as theirs over ours in CPU seconds; quality of search as the difference of shares."""
    python = isolated("peers", PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, requests in (("512", 512), ("10k", 10_000)):
            theirs = replayed(python, told(start.light(folder, requests)), 1, "round_robin", ENGINE)
            yield f"ratio_dynosim_{label}_whole", whole(theirs, folder / "light.toml")
        yield "ratio_dynosim_engine", engine(python, folder / "light.jsonl")
        if start.MOONCAKE_TRACE.is_file():
            file = start.mooncake(folder)
            theirs = replayed(python, folder / "mooncake.jsonl", 4, "kv_router", {})
            yield "ratio_dynosim_mooncake_whole", whole(theirs, file)
    yield from search(python)


def told(scenario: Path) -> Path:
    """The light trace as DynoSim reads it: no prefix is shared."""
    rows = np.genfromtxt(scenario.with_name("light.csv"), delimiter=",", names=True)
    file, used = scenario.with_name("light.jsonl"), 0
    with file.open("w") as out:
        for arrival_s, inputs, outputs in rows.tolist():
            blocks = -(-int(inputs) // HASH_TOKENS)
            hashes = list(range(used, used + blocks))
            used += blocks
            row = {"timestamp": round(1e3 * arrival_s), "input_length": int(inputs), "output_length": int(outputs)}
            out.write(json.dumps({**row, "hash_ids": hashes}) + "\n")
    return file


def replayed(python: str, file: Path, workers: int, router: str, engine: dict[str, Any], repeats: int = 1) -> list[str]:
    """The command that replays a trace with DynoSim; it prints the CPU seconds of the last replay."""
    return [python, "-c", REPLAY, str(file), str(workers), router, json.dumps(engine), str(repeats)]


def whole(theirs: list[str], scenario: Path) -> float:
    """CPU seconds of their whole process over those of ours, in turns, median of the rounds."""
    ours = [sys.executable, "-m", "cli", "simulate", str(scenario), "--json"]
    for command in (theirs, ours):
        spent_s(command)
    return median(spent_s(theirs) / spent_s(ours) for _ in range(ROUNDS))


def spent_s(command: list[str]) -> float:
    """CPU seconds of a process."""
    return cpu_and_peak(command[1:], 1, ROOT, warm_up=False, python=command[0], DYN_LOG="off")[0]


def engine(python: str, file: Path) -> float:
    """The same of the engines alone, 10,000 requests, records and summary included."""
    theirs, light = replayed(python, file, 1, "round_robin", ENGINE, 2), serving.trace("light")
    rounds = []
    for _ in range(ROUNDS):
        done = subprocess.run(theirs, env={**os.environ, "DYN_LOG": "off"}, capture_output=True, text=True, check=True)
        rounds.append(float(done.stdout.split()[-1]) * serving.speed(light) / len(light))
    return median(rounds)


def search(python: str) -> Iterator[tuple[str, float]]:
    """Median share of the hypervolume after 200 evaluations: ours less theirs, the least over the spaces."""
    from benchmarks.search import BEST, problems
    from planners.search.compare import Contest, compare
    from planners.search.truth import truth

    gaps: dict[str, list[float]] = {"search_vs_optuna_tpe": [], "search_tpe_vs_optuna_tpe": [], "search_vs_pymoo": []}
    for problem in problems():
        best, known = BEST[problem.name], truth(problem)
        runs = compare(problem, Contest((best, "tpe"), BUDGET, FRESH_SEEDS), known)
        ours = {name: median(float(run.scores[-1]) for run in runs.of(name)) for name in (best, "tpe")}
        theirs = {
            library: median(share(python, library, problem, known, seed) for seed in FRESH_SEEDS)
            for library in ("optuna", "pymoo")
        }
        print(f"# {problem.name}: {ours} {theirs}", flush=True)
        gaps["search_vs_optuna_tpe"].append(ours[best] - theirs["optuna"])
        gaps["search_tpe_vs_optuna_tpe"].append(ours["tpe"] - theirs["optuna"])
        gaps["search_vs_pymoo"].append(ours[best] - theirs["pymoo"])
    yield from ((name, min(found)) for name, found in gaps.items())


def share(python: str, library: str, problem: Any, known: Any, seed: int) -> float:
    """Share of the hypervolume that a library's run recommends, scored as `planners.search.compare` scores ours.

    As with ours, points that break a constraint of the space cost no evaluation.
    """
    from planners.pareto import non_dominated
    from planners.search.quality import hypervolume

    space, seen, values = problem.space, [], []
    full = len(problem.evaluator.costs) - 1
    with Asked(python, library, problem, seed) as asked:
        while len(seen) < BUDGET and (point := asked.point()) is not None:
            if space.constraints and not space.allowed([point])[0]:
                asked.tell([0.0] * len(problem.objectives), 1.0)
                continue
            found, violation = problem.judge([point], problem.evaluator([point], [seed * 10_007 + len(seen)], full))
            asked.tell(np.nan_to_num(found[0]).tolist(), float(violation[0]))
            seen.append(space.units([point])[0])
            values.append(found[0])
    units, first = np.unique(np.stack(seen), axis=0, return_index=True)
    good = known.means(units[non_dominated(np.stack(values)[first])])
    return hypervolume(good, known.reference) / known.hypervolume


class Asked:
    """A library in a process of its own that proposes points; a grid of values for every parameter."""

    def __init__(self, python: str, library: str, problem: Any, seed: int) -> None:
        self.space = problem.space
        task = {
            "library": library,
            "seed": seed,
            "objectives": len(problem.objectives),
            "parameters": [
                {"name": p.name, "ordered": p.ordered, "levels": p.levels, "when": list(p.when)}
                for p in self.space.parameters
            ],
        }
        child = [python, str(Path(__file__).with_name("_peer_search.py"))]
        self.process = subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._write(task)

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def _write(self, what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def point(self) -> dict[str, Any] | None:
        """The next proposal: levels by name, of which the conditions drop some; None at the end."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return None
        levels, point = json.loads(line), {}
        for p in self.space.parameters:
            if all(point.get(name) in wanted for name, wanted in p.when.items()):
                point[p.name] = p.values()[levels[p.name]]
        return point

    def tell(self, values: list[float], violation: float) -> None:
        self._write({"values": values, "violation": violation})
