"""What a command costs from the start of the process to its end, cold and warm."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._process import ROOT, cpu_and_peak
from benchmarks.serving import SHARED, trace

SCENARIO = ROOT / "examples" / "simulate-llama-70b.toml"
SWEEP = ROOT / "examples" / "llama-70b-azure.toml"
KERNELS = "simcore/policy/scheduler/_decodes.py"
PACKAGES = ("simcore", "hardware_specs", "workloads", "scenarios", "planners", "reports", "commands", "cli.py")
LIGHT = """
schema = "scenario/2"
name = "light"
[model]
name = "llama-2-7b"
[hardware]
system = "dgx-a100"
stack = "datasheet"
[policy]
scheduler = "chunked"
token_budget = 512
max_running = 128
[traffic]
trace = "light.csv"
"""


MOONCAKE = """
schema = "scenario/2"
name = "mooncake"
[model]
name = "llama-3.1-8b"
[hardware]
system = "dgx-h100"
stack = "datasheet"
[plan]
tp = 1
dp = 4
[policy]
prefix_cache = true
router = "prefix-aware"
[traffic]
trace = "mooncake.jsonl"
"""
MOONCAKE_TRACE = SHARED / "traces" / "mooncake_conversation.jsonl"


def figures() -> dict[str, float]:
    """CPU seconds of whole processes: help, an estimate, a sweep of 42 plans, runs of the event engine.

    The run of Mooncake's trace only where `SIMCORE_SHARED` (or ../shared) has it.
    """
    cli = ["-m", "cli"]
    found = {
        "help_cpu_s": cpu_and_peak([*cli, "--help"])[0],
        "estimate_cpu_s": cpu_and_peak([*cli, "estimate", str(SCENARIO), "--json"])[0],
        "sweep_42_cpu_s": cpu_and_peak([*cli, "sweep", str(SWEEP), "--json"])[0],
        "whole_2000_cpu_s": cpu_and_peak([*cli, "simulate", str(SCENARIO), "--json"])[0],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, requests in (("whole_512_cpu_s", 512), ("whole_10k_cpu_s", 10_000)):
            file = light(Path(folder), requests)
            found[name] = cpu_and_peak([*cli, "simulate", str(file), "--json"])[0]
        if MOONCAKE_TRACE.is_file():
            file = mooncake(Path(folder))
            found["whole_mooncake_cpu_s"] = cpu_and_peak([*cli, "simulate", str(file), "--json"])[0]
    return found | cold()


def light(folder: Path, requests: int) -> Path:
    """The scenario of light traffic on a trace of so many requests."""
    found: Any = trace("light").head(requests)
    rows = zip(found.arrival_s, found.input_tokens, found.output_tokens, strict=True)
    text = "".join(f"{arrival},{inputs},{outputs}\n" for arrival, inputs, outputs in rows)
    (folder / "light.csv").write_text("arrival_s,input_tokens,output_tokens\n" + text)
    (folder / "light.toml").write_text(LIGHT)
    return folder / "light.toml"


def mooncake(folder: Path) -> Path:
    """The scenario of the public conversation trace: four replicas with a prefix cache each."""
    shutil.copy(MOONCAKE_TRACE, folder / "mooncake.jsonl")
    (folder / "mooncake.toml").write_text(MOONCAKE)
    return folder / "mooncake.toml"


def cold() -> dict[str, float]:
    """The first simulation of a copy of the packages, and the one after a docstring of a kernel has changed."""
    run = ["-m", "cli", "simulate", str(SCENARIO), "--json"]
    with tempfile.TemporaryDirectory() as folder:
        root, ignored = Path(folder), shutil.ignore_patterns("__pycache__")
        for name in PACKAGES:
            whole = (ROOT / name).is_dir()
            (shutil.copytree(ROOT / name, root / name, ignore=ignored) if whole else shutil.copy(ROOT / name, root))
        cpu_and_peak(["-m", "cli", "estimate", str(SCENARIO)], 1, root, warm_up=False)  # byte code, as pip compiles it
        first_s, _ = cpu_and_peak(run, 1, root, warm_up=False)
        file = root / KERNELS
        file.write_text(file.read_text().replace('"""', '"""Reworded.\n\n', 1))
        edited_s, _ = cpu_and_peak(run, 1, root, warm_up=False)
    return {"first_simulate_cpu_s": first_s, "docstring_edit_cpu_s": edited_s}
