"""Run every topic (a module with `figures()`), or those named; or compare with a commit, with peers, with SCALE-Sim."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks._process import machine_slowness


def main() -> None:
    found = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    wanted = sys.argv[1:] or [name for name in found if name != "load"]  # minutes and gigabytes: by name only
    print(f"machine_slowness: {machine_slowness():.6g}", flush=True)
    if wanted[0] == "against":
        from benchmarks._against import against

        if len(wanted) < 2:
            sys.exit("against which commit?")
        rounds = [int(word) for word in wanted[2:] if word.isdigit()]
        names = tuple(word for word in wanted[2:] if not word.isdigit())
        for name, ratio in against(wanted[1], names, *rounds[:1]):
            print(f"{name}: {ratio:.4g}", flush=True)
        return
    if wanted[0] == "arrays":
        from benchmarks._arrays import figures as cycles

        for name, value in cycles(Path(wanted[2]) if wanted[1:2] == ["--keep"] else None):
            print(f"{name}: {value:.4g}", flush=True)
        return
    if wanted[0] == "peers":
        from benchmarks._peers import figures

        for name, value in figures():
            print(f"{name}: {value:.4g}", flush=True)
        return
    for topic in wanted:
        if topic not in found:
            sys.exit(f"unknown topic {topic!r}; known: {', '.join(found)}")
        for name, value in importlib.import_module(f"benchmarks.{topic}").figures().items():
            print(f"{name}: {value:.6g}", flush=True)


if __name__ == "__main__":
    main()
