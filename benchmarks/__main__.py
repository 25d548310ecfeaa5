"""Run every topic (a module with `figures()`), or those named on the command line."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main() -> None:
    found = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    wanted = sys.argv[1:] or found
    for topic in wanted:
        if topic not in found:
            sys.exit(f"unknown topic {topic!r}; known: {', '.join(found)}")
        for name, value in importlib.import_module(f"benchmarks.{topic}").figures().items():
            print(f"{name}: {value:.6g}", flush=True)


main()
