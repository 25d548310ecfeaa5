"""The walls of the design hold in the project, and each of them turns red for a planted violation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import architecture as walls

ROOT = Path(__file__).resolve().parent.parent
Check = Callable[[Path], Iterator[str]]
CLEAN = {
    "simcore/__init__.py": "",
    "simcore/errors.py": "class InputError(Exception): ...\n",
    "simcore/api.py": "def run():\n    from commands import go\n    return go\n",
    "simcore/spec/__init__.py": "",
    "simcore/spec/chip.py": "from simcore.errors import InputError\n\nclass Chip:\n    read_s: float = 0.0\n",
    "simcore/engine/__init__.py": "",
    "simcore/engine/run.py": "from simcore.spec.chip import Chip\n\ndef run(a, b, c, d, e, f):\n    import simpy\n",
    "workloads/__init__.py": "from simcore import errors\n",
    "hardware_specs/__init__.py": "def find():\n    import simcore.registry\n",
    "commands/__init__.py": "import typer\nfrom simcore.api import run\n",
    "cli.py": "from commands import run\n",
}
PLANTS: tuple[tuple[Check, str, str, str], ...] = (
    (walls.layers, "simcore/spec/a.py", "from simcore.engine.run import run\n", "must not import simcore.engine"),
    (walls.layers, "simcore/spec/a.py", "def f():\n    import simcore.engine.run\n", "must not import simcore.engine"),
    (walls.layers, "simcore/spec/a.py", "from simcore import engine\n", "must not import simcore.engine"),
    (walls.layers, "workloads/a.py", "import hardware_specs\n", "must not import hardware_specs"),
    (walls.layers, "simcore/stray/a.py", "", "outside the layers"),
    (walls.relative_imports, "simcore/engine/a.py", "from .run import run\n", "relatively"),
    (walls.relative_imports, "simcore/engine/a.py", "def f():\n    from .. import errors\n", "relatively"),
    (walls.string_imports, "simcore/engine/a.py", "import importlib\nimportlib.import_module('x')\n", "string"),
    (walls.string_imports, "simcore/engine/a.py", "from importlib import import_module as m\n", "string"),
    (walls.string_imports, "planners/a.py", "x = __import__('commands')\n", "string"),
    (walls.face_from_below, "planners/a.py", "def f():\n    from simcore.api import run\n", "from below"),
    (walls.face_from_below, "planners/a.py", "from simcore import api\n", "from below"),
    (walls.face_from_below, "workloads/a.py", "import simcore\n", "from below"),
    (walls.third_parties, "simcore/spec/a.py", "def f():\n    import simpy\n", "outside its room"),
    (walls.third_parties, "simcore/engine/a.py", "import simpy\n", "inside the function"),
    (walls.circles, "simcore/engine/run.py", "import simcore.engine.a\n", "each other"),
    (walls.circles, "simcore/engine/run.py", "from simcore.engine.a import x\n", "each other"),
    (walls.sizes, "simcore/engine/a.py", "x = 1\n" * 401, "401 lines"),
    (walls.sizes, "simcore/engine/a.py", "def f():\n" + "    x = 1\n" * 60, "61 lines"),
    (walls.sizes, "simcore/engine/a.py", "def f(a, b, c, d, *, e, f, g): ...\n", "7 arguments"),
    (walls.units, "simcore/spec/a.py", "class A:\n    speed: float = 0.0\n", "A.speed has no unit"),
    (walls.units, "simcore/spec/a.py", "class A:\n    size: Bytes | None = None\n", "A.size has no unit"),
    (walls.engine_reads, "simcore/engine/a.py", "def f(p):\n    return p.read_text()\n", "reads a file"),
    (walls.engine_reads, "simcore/engine/a.py", "def f(p):\n    with open(p) as s: ...\n", "reads a file"),
    (walls.engine_reads, "simcore/engine/a.py", "def f(p):\n    np.load(p)\n", "reads a file"),
)


@pytest.mark.parametrize("check", walls.CHECKS, ids=lambda check: check.__name__)
def test_the_project_keeps_its_walls(check: Check) -> None:
    assert not list(check(ROOT))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project without a violation."""
    for name, text in CLEAN.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("check", walls.CHECKS, ids=lambda check: check.__name__)
def test_a_clean_tree_is_green(tree: Path, check: Check) -> None:
    assert not list(check(tree))


@pytest.mark.parametrize(("check", "name", "text", "words"), PLANTS, ids=[f"{p[0].__name__}-{p[3]}" for p in PLANTS])
def test_a_planted_violation_is_seen(tree: Path, check: Check, name: str, text: str, words: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)
    if check is walls.circles:
        (tree / "simcore/engine/a.py").write_text("from simcore.engine import run\nx = 1\n")
    found = list(check(tree))
    assert found and any(words in line for line in found), found


def test_every_wall_has_a_plant() -> None:
    assert {check for check, *_ in PLANTS} == set(walls.CHECKS)


def test_the_walls_see_the_project() -> None:
    names = {m.name for m in walls.modules(ROOT)}
    assert {"simcore.units", "hardware_specs", "planners.pareto", "scenarios"} <= names
    assert walls.room("simcore.spec.hardware") == "simcore.spec"
    assert sum(len(m.imports) for m in walls.modules(ROOT)) > 1000
    owners = [name.rpartition(".")[0] for name in walls.MANY_ARGUMENTS]
    for told in (*walls.REGISTRIES, *walls.LONG, *(name for name, _ in walls.CLIMBERS), *owners):
        assert told in names, f"{told} is let through and does not exist"
