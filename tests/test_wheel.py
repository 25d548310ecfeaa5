"""A wheel holds the packages and the spec files, and works in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "simcore",
    "hardware_specs",
    "workloads",
    "scenarios",
    "planners",
    "validation",
    "reports",
    "studies",
    "commands",
    "cli.py",
}


@pytest.mark.slow
def test_wheel_works_elsewhere(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    built = subprocess.run([*pip, str(ROOT)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    wheel = next(tmp_path.glob("*.whl"))
    inside = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        archive.extractall(inside)
    assert {t for t in tops if not t.endswith(".dist-info")} == NAMES
    for words in ("new examples", "estimate examples/chat-70b.toml"):
        command = [sys.executable, "-P", "-m", "cli", *words.split()]
        environment = {**os.environ, "PYTHONPATH": str(inside)}
        found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
    assert "TPOT" in found.stdout
