"""The walls of the design as functions of a root folder: each gives one line per violation, none when all is well.

`tests/test_architecture.py` runs them over the project, and over small trees with a planted violation each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

TOP = (
    "simcore",
    "hardware_specs",
    "workloads",
    "scenarios",
    "planners",
    "validation",
    "reports",
    "studies",
    "commands",
    "cli",
)
LAYER = {
    "simcore.kept": -1,
    "simcore.unit_text": -0.5,
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
    "validation": 10,
    "reports": 11,
    "studies": 12,
    "commands": 13,
    "cli": 14,
}
"""lower never imports higher; rooms of one number are siblings and never import each other"""
FACE = {"simcore.api", "simcore"}
"""the public face: the one module that may look upward, lazily, and holds no logic"""
USERS_OF_THE_FACE = ("validation", "studies", "commands", "cli")
LOOKS_UP = ("simcore.testing",)
"""contracts may look upward inside functions: they run what is above"""
ROOMS = {
    "pydantic": ("simcore.spec", "simcore.units", "scenarios", "planners"),
    "pint": ("simcore.units",),
    "pyarrow": ("workloads", "planners", "reports"),
    "simpy": ("simcore.engine",),
    "numba": ("simcore.engine", "simcore.policy", "simcore.step", "simcore.cost", "planners"),
    "sklearn": ("simcore.calibration", "planners"),
    "pulp": ("planners",),
    "highspy": ("planners",),
    "optuna": ("planners",),
    "cmaes": ("planners",),
    "gymnasium": ("planners",),
    "matplotlib": ("reports",),
    "jinja2": ("reports",),
    "typer": ("cli", "commands"),
    "rich": ("cli", "commands"),
    "pandas": ("workloads", "validation", "simcore.calibration", "reports", "simcore.result", "simcore.api"),
    "networkx": ("simcore.spec", "simcore.ops", "simcore.engine", "reports"),
    "torch": ("simcore.calibration",),
    "dask": ("planners",),
    "distributed": ("planners",),
    "ray": ("planners",),
    "joblib": ("planners",),
}
HEAVY = {*ROOMS, "scipy"} - {"numba", "typer", "pydantic"}
"""imported inside the function that needs them"""
REGISTRIES = {
    "simcore": "the lazy face",
    "simcore.api": "the lazy face",
    "simcore.registry": "names to modules",
    "simcore.testing": "a contract's name to its module",
    "simcore.calibration.host": "a folder's device kind to its module",
    "simcore.calibration.profile": "a device's name to its module",
    "workloads.importers.huggingface": "a model's type to its family module",
    "planners.search.function": "a function of the user's, by name",
    "cli": "one command, one file",
    "commands.plan": "one command, one file",
    "commands.validate": "one command, one file",
    "commands.search_reference": "a plan space outside the project, by path",
}
"""the only modules that may import by a string"""
MOST_LINES, MOST_FUNCTION_LINES, MOST_ARGUMENTS = 400, 60, 6
MANY_ARGUMENTS = {
    "simcore.engine.rank_groups.serve_rank_groups": "the public loop over groups: as serve",
    "simcore.calibration.build.build": "one argument per kind of table",
    "simcore.engine.serving.serve": "the public loop: trace, times, settings, and four options",
    "planners.search.synthetic.tiered": "the signature is the space of a test problem",
    "workloads.generate.sessions": "the parameters of a random process",
}
"""functions with more, why. A kernel (under njit or entry) takes arrays and records, which no dataclass can hold"""
LONG = {"simcore.spec.scenario": "every part of the one question; to be cut by part"}
"""files with more lines, why"""
CLIMBERS = {
    # to be moved: what writes and prints belongs to reports and commands, what a step adds to spec
    ("simcore.spec.case", "simcore.step"),
    ("validation.serving.page", "reports"),
    ("validation.serving.report", "reports"),
    ("validation.serving.report", "commands"),
}
"""(module, higher room) that are let through until they are moved"""
WITH_UNIT = re.compile(
    r"(^|_)(s|bytes|flop|w|j|hz|usd|tokens|ratios?|fraction|bits|blocks|requests|chips|scale|quantiles?)$|_per_"
)
QUANTITIES = re.compile(
    r"\b(float|Floats|Seconds|Bytes|BytesPerS|FlopPerS|Watts|Hertz|Usd|UsdPerHour|UsdPerKwh|JoulePerByte|JoulePerFlop)\b"
)
WITHOUT_UNIT = {
    "NumberFormat.scale_block": "elements that share a scale",
    "PolicyPart.options": "each option's name says its unit",
    "Case.waves": "requests per user",
    "ObjectivePart.reference": "in the units of the objectives",
    "SearchPart.budget": "evaluations",
    "ResidencyPart.share": "of the bytes",
    "TrafficPart.cv": "coefficient of variation",
    "SloPart.attainment": "a share, the key of the file",
    # fields of scenario/2 that are named as the file's keys are
    **dict.fromkeys(("TierPart.capacity", "TierPart.read", "TierPart.write", "TransferPart.bandwidth"), "scenario/2"),
    **dict.fromkeys(("PolicyPart.offload_capacity", "PolicyPart.offload_bandwidth"), "scenario/2"),
    **dict.fromkeys(("PolicyPart.swap_bandwidth", "PowerPart.cap"), "scenario/2"),
    **dict.fromkeys(("AttentionFfnPart.bandwidth", "AttentionFfnPart.ffn_bandwidth"), "scenario/2"),
    **dict.fromkeys(("AutoscalePart.low", "AutoscalePart.high"), "scenario/2"),
}
READS = {"read_text", "read_bytes", "read_csv", "read_parquet", "read_table", "loadtxt", "genfromtxt", "fromfile"}
READS |= {"read_toml", "read_json", "read_file", "memmap", "open_text", "open_binary"}
LOADERS = ("np.load", "numpy.load", "json.load", "tomllib.load", "pickle.load", "io.open", "os.open", "codecs.open")


@dataclass(frozen=True)
class Import:
    """One import statement: where, what, and when it runs."""

    module: str
    relative: bool
    top: bool
    """at import time, not inside a function and not for typing only"""
    line: int
    names: tuple[str, ...] = ()
    """of the `a` in `from a import b`: the other entries that the statement gave"""


@dataclass(frozen=True)
class Module:
    """A source file of the project."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def room(self) -> str | None:
        return room(self.name)

    @cached_property
    def imports(self) -> list[Import]:
        """`from a import b` counts as `a.b` and as `a`: either may be the module."""
        late = set(_inside(self.nodes, (ast.FunctionDef, ast.AsyncFunctionDef)))
        for node in self.nodes:
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                late |= {id(inner) for inner in ast.walk(node)}
        found = []
        for node in self.nodes:
            top = id(node) not in late
            if isinstance(node, ast.Import):
                found += [Import(alias.name, False, top, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                names = tuple(f"{base}.{alias.name}" for alias in node.names)
                found += [Import(base, node.level > 0, top, node.lineno, names)]
                if base.partition(".")[0] in TOP:
                    found += [Import(name, node.level > 0, top, node.lineno) for name in names]
        return found


def _inside(nodes: list[ast.AST], kinds: tuple[type[ast.AST], ...]) -> Iterator[int]:
    return (id(inner) for node in nodes if isinstance(node, kinds) for inner in ast.walk(node))


def room(module: str) -> str | None:
    """The room that a module lies in; None: none of the design's."""
    parts = module.split(".")
    return next((r for n in (2, 1) if (r := ".".join(parts[:n])) in LAYER), None)


@cache
def modules(root: Path) -> list[Module]:
    """Every source file of the project below `root`, which must not change any more."""
    found = []
    for top in TOP:
        paths = sorted((root / top).rglob("*.py")) if (root / top).is_dir() else [root / f"{top}.py"]
        for path in paths:
            if path.is_file():
                name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                found.append(Module(name, path))
    return found


def layers(root: Path) -> Iterator[str]:
    """Lower imports higher, or a sibling."""
    for module in modules(root):
        if module.room is None and module.name not in FACE:
            yield f"{module.name} lies outside the layers of the design"
        if module.name in FACE or module.room is None:
            continue
        for imported in module.imports:
            other = room(imported.module)
            if other in (None, module.room) or (module.name, other) in CLIMBERS:
                continue
            if module.room in LOOKS_UP and not imported.top:
                continue
            if other is not None and LAYER[other] >= LAYER[module.room]:
                yield f"{module.name}:{imported.line} must not import {imported.module}"


def relative_imports(root: Path) -> Iterator[str]:
    """A dot hides which room is meant."""
    for module in modules(root):
        for imported in module.imports:
            if imported.relative:
                yield f"{module.name}:{imported.line} imports relatively"


def string_imports(root: Path) -> Iterator[str]:
    """import_module and __import__ escape every other check; registries alone may use them."""
    for module in modules(root):
        if module.name in REGISTRIES:
            continue
        for node in module.nodes:
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in ("import_module", "spec_from_file_location", "run_module", "run_path"):
                    yield f"{module.name}:{node.lineno} imports by a string"
            renamed = isinstance(node, ast.ImportFrom) and any(a.name == "import_module" for a in node.names)
            if renamed or (isinstance(node, ast.Name) and node.id == "__import__"):
                yield f"{module.name}:{node.lineno} imports by a string"


def face_from_below(root: Path) -> Iterator[str]:
    """simcore.api, or `import simcore` itself, used by what it stands on."""
    for module in modules(root):
        if module.name in FACE or module.name.partition(".")[0] in USERS_OF_THE_FACE or module.room in LOOKS_UP:
            continue
        for imported in module.imports:
            if not imported.names and imported.module.partition(".")[0] == "simcore" and not _below(imported.module):
                yield f"{module.name}:{imported.line} uses the public face from below"


def _below(module: str) -> bool:
    return room(module) is not None or module == "simcore.testing"


def third_parties(root: Path) -> Iterator[str]:
    """A third party outside its room, or a heavy one imported at the top of a file."""
    for module in modules(root):
        for imported in module.imports:
            package = imported.module.split(".")[0]
            allowed = ROOMS.get(package)
            inside = allowed is None or any(module.name == r or module.name.startswith(r + ".") for r in allowed)
            if not inside:
                yield f"{module.name}:{imported.line} {package} outside its room"
            if imported.top and package in HEAVY:
                yield f"{module.name}:{imported.line} import {package} inside the function that needs it"


def circles(root: Path) -> Iterator[str]:
    """Modules that need each other at import time."""
    import networkx

    found = {m.name: m for m in modules(root)}
    graph = networkx.DiGraph()
    for name, module in found.items():
        for imported in module.imports:
            target = imported.module
            while target and target not in found:
                target = target.rpartition(".")[0]
            if imported.top and not imported.names and target and target != name:
                graph.add_edge(name, target)
    for circle in networkx.strongly_connected_components(graph):
        if len(circle) > 1:
            yield " and ".join(sorted(circle)) + " import each other"


def sizes(root: Path) -> Iterator[str]:
    """Files, functions and argument lists that are too long."""
    for module in modules(root):
        lines = module.text.count("\n")
        if lines > MOST_LINES and module.name not in LONG:
            yield f"{module.name} has {lines} lines, at most {MOST_LINES}"
        for node in module.nodes:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield f"{module.name}.{node.name} has {length} lines, at most {MOST_FUNCTION_LINES}"
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            count = len([n for n in names if n not in ("self", "cls")])
            if count > MOST_ARGUMENTS and not _may_have_more(module, node):
                yield f"{module.name}.{node.name} has {count} arguments, at most {MOST_ARGUMENTS}"


def _may_have_more(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    kernel = any(ast.unparse(d).startswith(("njit", "entry(")) for d in node.decorator_list)
    told = f"{module.name}.{node.name}" in MANY_ARGUMENTS
    return kernel or told or module.name == "simcore.api" or module.name.startswith("commands.")


def units(root: Path) -> Iterator[str]:
    """Float fields of specs whose name does not say the unit."""
    for module in modules(root):
        if module.room != "simcore.spec":
            continue
        for cls in (n for n in module.nodes if isinstance(n, ast.ClassDef)):
            for item in cls.body:
                if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                    continue
                field = item.target.id
                bare = not WITH_UNIT.search(field) and f"{cls.name}.{field}" not in WITHOUT_UNIT
                if bare and QUANTITIES.search(ast.unparse(item.annotation)):
                    yield f"{module.name}:{item.lineno} {cls.name}.{field} has no unit in its name"


def engine_reads(root: Path) -> Iterator[str]:
    """Files opened or read inside an engine."""
    for module in modules(root):
        if module.room != "simcore.engine":
            continue
        for node in module.nodes:
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                last = called.rpartition(".")[2]
                if last == "open" or last in READS or called in LOADERS:
                    yield f"{module.name}:{node.lineno} reads a file ({called})"


CHECKS = (
    layers,
    relative_imports,
    string_imports,
    face_from_below,
    third_parties,
    circles,
    sizes,
    units,
    engine_reads,
)
