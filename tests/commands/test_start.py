"""What a command loads before it works: no more than it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from simcore.spec.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """
schema = "scenario/2"
name = "small"
[model]
name = "llama-3.1-8b"
[hardware]
system = "h100-sxm"
stack = "datasheet"
[plan]
tp = 1
[traffic]
name = "azure-conversation-2023"
requests = 20
rate_per_s = 2.0
"""
VARY = """
[vary]
"plan.tp" = [1, 2]
"""
LISTED = "import atexit, sys, cli; atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); cli.main()"


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    """Modules in memory at the end of a command."""
    file = tmp_path / "small.toml"
    file.write_text(SCENARIO + (VARY if arguments[0] == "sweep" else ""))
    command = [sys.executable, "-c", LISTED, *(str(file) if a == "FILE" else a for a in arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(eval(done.stderr.strip().splitlines()[-1]))


HEAVY = {"pint", "pandas", "matplotlib", "scipy.stats", "sklearn", "networkx", "simpy"}
if tuple(map(int, version("typer").split(".")[:2])) >= (0, 20):  # an older typer loads rich whatever it is asked
    HEAVY |= {"rich"}


@pytest.mark.parametrize("verb", ["estimate", "simulate", "sweep"])
def test_a_verb_loads_nothing_heavy(verb: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, verb, "FILE", "--json")
    assert not HEAVY & found
    assert {name for name in found if name.startswith("commands.")} <= {
        f"commands.{verb}",
        "commands.asked",
        "commands.terminal",
    }
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["estimate", "sweep"])
def test_the_analytic_engine_needs_no_compiler(verb: str, tmp_path: Path) -> None:
    assert not {"numba", "scipy"} & loaded(tmp_path, verb, "FILE", "--json")


def test_help_loads_neither_numpy_nor_pydantic(tmp_path: Path) -> None:
    assert not {"numpy", "pydantic", *HEAVY} & loaded(tmp_path, "--help")


def test_the_version_loads_nothing_and_is_the_packages(tmp_path: Path) -> None:
    assert not {"numpy", "pydantic", *HEAVY} & loaded(tmp_path, "--version")
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
