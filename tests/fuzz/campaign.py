"""Many spoilt inputs in worker processes: a process that dies or hangs is counted and the next one goes on."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.worker import MOST_S
from tests.shared import ROOT

PER_PROCESS = 400


@dataclass
class Tally:
    """What came of a campaign."""

    tried: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    cpu_s: float = 0.0
    peak_bytes: int = 0
    slowest: tuple[float, int] = (0.0, -1)


def campaign(count: int, seed: int, keep: Path | None = None, per_process: int = PER_PROCESS) -> Tally:
    """Try `count` inputs of a seed."""
    tally, first = Tally(), 0
    while first < count:
        first = _process(tally, first, min(first + per_process, count), seed, keep)
    return tally


def _process(tally: Tally, first: int, stop: int, seed: int, keep: Path | None) -> int:
    """One worker from `first`; returns the number that comes next."""
    words = [
        sys.executable,
        "-m",
        "tests.fuzz.worker",
        str(seed),
        str(first),
        str(stop),
        "1",
        *([str(keep)] if keep else []),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    worker = subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert worker.stdout is not None
    asked: dict[str, Any] = {"asks": first}
    since, tail, ended = time.monotonic(), b"", first
    while True:
        ready, _, _ = select.select([worker.stdout], [], [], 1.0)
        if ready:
            data = os.read(worker.stdout.fileno(), 1 << 16)
            if not data:
                break
            *lines, tail = (tail + data).split(b"\n")
            for line in map(json.loads, lines):
                since = time.monotonic()
                asked = line if "asks" in line else asked
                ended = _count(tally, line, asked, ended)
        elif time.monotonic() - since > 5 * MOST_S:
            worker.kill()
    code = worker.wait()
    if ended < stop:
        tally.failures.append(asked | {"said": f"process ended with {code}", "group": f"exit {code}"})
        tally.tried += 1
        return ended + 1
    return stop


def _count(tally: Tally, line: dict[str, Any], asked: dict[str, Any], ended: int) -> int:
    if "peak_bytes" in line:
        tally.peak_bytes = max(tally.peak_bytes, line["peak_bytes"])
    if "ends" not in line:
        return ended
    tally.tried += 1
    tally.codes[str(line["code"])] += 1
    tally.kinds[asked["kind"]] += 1
    tally.answered[asked["kind"]] += line["code"] in (0, 1)
    tally.cpu_s += line["cpu_s"]
    tally.slowest = max(tally.slowest, (line["cpu_s"], line["ends"]))
    if line["said"]:
        tally.failures.append(asked | line)
        print(json.dumps(asked | line), file=sys.stderr, flush=True)
    return int(line["ends"]) + 1


def told(tally: Tally) -> str:
    """The tally as text: failures by the place where they arose, most frequent first."""
    refused, answered, said_no = (tally.codes[code] for code in "201")
    peak_mb, (slowest_s, number) = tally.peak_bytes / 1e6, tally.slowest
    lines = [
        f"inputs: {tally.tried}, refused: {refused}, answered: {answered}, answered no: {said_no}",
        f"cpu_s: {tally.cpu_s:.1f}, peak_mb: {peak_mb:.0f}, slowest: {slowest_s:.1f} s (input {number})",
        "answered of each kind: " + ", ".join(f"{k} {tally.answered[k]}/{n}" for k, n in sorted(tally.kinds.items())),
        f"failures: {len(tally.failures)}",
    ]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for failure in tally.failures:
        groups.setdefault((failure["said"].split(":")[0], failure["group"]), []).append(failure)
    for (said, group), found in sorted(groups.items(), key=lambda item: -len(item[1])):
        first = found[0]
        lines.append(
            f"{len(found):4} {said} | {group} | input {first.get('ends', first['asks'])}: {first['said'][:160]}"
        )
        lines.append(f"       {first.get('words', '')[:110]} {first.get('change', '')[:160]}")
    return "\n".join(lines)
