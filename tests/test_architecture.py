"""The layers of the design: lower never imports higher, siblings never import each other, third parties keep rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = ("simcore", "hardware_specs", "workloads", "scenarios", "planners", "reports", "commands", "cli")
LAYER = {
    "simcore.units": 0,
    "simcore.errors": 0,
    "simcore.registry": 0.5,
    "simcore.spec": 1,
    "simcore.result": 1,
    "simcore.ops": 2,
    "simcore.cost": 3,
    "simcore.policy": 4,
    "simcore.step": 4.5,
    "simcore.engine": 5,
    "simcore.calibration": 6,
    "simcore.testing": 6,
    "hardware_specs": 7,
    "workloads": 7,
    "scenarios": 8,
    "planners": 9,
    "reports": 9,
    "commands": 13,
    "cli": 14,
}
FACE = {"simcore.api", "simcore"}
"""the public face: the one module that may look upward, lazily, and holds no logic"""
ROOMS = {
    "simpy": ("simcore.engine",),
    "numba": ("simcore.engine", "simcore.policy", "simcore.step", "simcore.cost", "planners"),
    "sklearn": ("simcore.calibration", "planners"),
    "pulp": ("planners",),
    "highspy": ("planners",),
    "optuna": ("planners",),
    "gymnasium": ("planners",),
    "matplotlib": ("reports",),
    "typer": ("cli", "commands"),
    "rich": ("cli", "commands"),
    "pandas": ("workloads", "simcore.calibration", "reports", "simcore.result", "simcore.api"),
    "networkx": ("simcore.spec", "simcore.ops", "reports"),
    "torch": ("simcore.calibration",),
    "dask": ("planners",),
    "distributed": ("planners",),
    "ray": ("planners",),
    "joblib": ("planners",),
}
HEAVY = {*ROOMS, "scipy", "pyarrow", "pint"} - {"numba", "typer"}
"""imported inside the function that needs them"""


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name.split(".")[0] in TOP:
            found.append((name, path))
    return found


def room(module: str) -> str | None:
    parts = module.split(".")
    for length in (2, 1):
        if ".".join(parts[:length]) in LAYER:
            return ".".join(parts[:length])
    return None


def imports(path: Path) -> Iterator[tuple[str, bool, int]]:
    """(module, at top level, line) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        top = id(node) not in lazy and id(node) not in typing_only
        if isinstance(node, ast.Import):
            yield from ((alias.name, top, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, top, node.lineno
            if room(node.module) is None and node.module == "simcore":
                yield from ((f"simcore.{alias.name}", top, node.lineno) for alias in node.names)


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_layers(module: str, path: Path) -> None:
    if module in FACE:
        return
    own = room(module)
    assert own, f"{module} lies outside the layers of the design"
    for imported, _, line in imports(path):
        other = room(imported)
        if other is None or other == own:
            continue
        allowed = LAYER[other] < LAYER[own]
        assert allowed, f"{path.relative_to(ROOT)}:{line}: {module} must not import {imported}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_third_parties_stay_in_their_rooms(module: str, path: Path) -> None:
    for imported, top, line in imports(path):
        package = imported.split(".")[0]
        allowed = ROOMS.get(package)
        where = f"{path.relative_to(ROOT)}:{line}"
        if allowed is not None:
            assert any(module == r or module.startswith(r + ".") for r in allowed), f"{where}: {package} in {module}"
        assert not (top and package in HEAVY), f"{where}: import {package} inside the function that needs it"


def test_the_test_sees_imports() -> None:
    names = [name for name, _ in modules()]
    assert "simcore.units" in names and "hardware_specs" in names
    assert room("simcore.spec.hardware") == "simcore.spec"
    assert room("planners.pareto") == "planners"
