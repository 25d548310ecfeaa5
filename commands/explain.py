"""`simcore explain`: what a file is, what it says, what is filled in, and what to do with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    file: Annotated[Path, typer.Argument(help="A scenario, a spec, a config.json, a trace, or a folder of results.")],
    as_json: Json = False,
) -> None:
    """Say what a file is, what it asks, what is filled in where it says nothing, and what to do with it."""
    from commands.terminal import print_json

    told = told_of(file)
    if as_json:
        print_json({"verb": "explain", "file": str(file), **told})
        return
    print("\n".join(told["words"]))
    show(told)
    if told["next"]:
        print("next: " + ", ".join(told["next"]))


def show(told: dict[str, Any]) -> None:
    """Settings and notes."""
    from commands.terminal import print_table
    from scenarios.explained import text

    said = {True: "file", False: "filled in"}
    rows = [[one["key"], text(one["value"]), said[one["said"]]] for one in told.get("settings", ())]
    if rows:
        print_table(["setting", "value", "from"], rows, left=("setting", "value", "from"))
    for note in told.get("notes", ()):
        print(f"note: {note}")
    if told.get("assumptions"):
        print(f"{len(told['assumptions'])} assumed numbers of the hardware (see --json)")


def told_of(file: Path) -> dict[str, Any]:
    """Words, settings and what comes next, by what the file is. Raises InputError."""
    from simcore.spec.load import read_file

    if file.is_dir() and not (file / "config.json").exists():
        return folder(file)
    if file.suffix == ".toml":
        raw = read_file(file, "scenario or spec")
        kind = str(raw.get("schema", "")).partition("/")[0]
        if kind in TELLERS:
            return TELLERS[kind](file, kind)
        problem = next((verb for verb, keys in PROBLEMS.items() if "schema" not in raw and keys & set(raw)), None)
        return scenario(file, kind) if problem is None else planned(file, raw, problem)
    if file.is_dir() or (file.suffix == ".json" and ARCHITECTURE & set(read_file(file, "config"))):
        return spec(file, "model")
    return trace(file)


ARCHITECTURE = {"model_type", "architectures", "text_config"}
"""keys of a config.json"""
PROBLEMS = {"plan experts": {"loads", "synthetic"}, "plan power": {"node", "most_servers"}}
"""planner -> keys of its problems, which have no schema"""


def planned(file: Path, raw: dict[str, Any], verb: str) -> dict[str, Any]:
    """A planner's problem."""
    words = [f"A problem of `simcore {verb}`; it says {', '.join(raw)}"]
    return {"kind": verb, "words": words, "next": [f"simcore {verb} {file}"]}


def scenario(file: Path, kind: str) -> dict[str, Any]:
    """A question."""
    from scenarios.explained import explained
    from scenarios.read import read

    found = explained(read(file))
    return {
        "kind": "scenario",
        "words": [*found.words, f"Answered by: {', '.join(found.verbs)}."],
        "settings": [vars(one) for one in found.settings],
        "notes": list(found.notes),
        "assumptions": list(found.assumptions),
        "next": [f"simcore {verb} {file}" for verb in found.verbs[:2]],
    }


def spec(file: Path, kind: str) -> dict[str, Any]:
    """A thing that scenarios name."""
    from scenarios.names import resolve

    kind = "traffic" if kind == "demand" else kind
    found = resolve(kind, str(file.absolute())).value
    words = [f"{kind} {found.name}"]
    if hasattr(found, "parameters"):
        active = f"{found.active_parameters / 1e9:.4g} B active per token"
        words.append(f"{found.parameters / 1e9:.4g} B parameters, {active}")
    assumed = [f"{key}: {value}" for key, value in found.assumptions().items()] if hasattr(found, "assumptions") else []
    cited = getattr(found, "citations", {})
    settings = [{"key": key, "value": f"{one.text} [{one.source}]", "said": True} for key, one in sorted(cited.items())]
    uses = {
        "model": f"simcore estimate --model {file} --chip h100-sxm",
        "traffic": f"simcore estimate --traffic {file} --model llama-3.1-8b --chip h100-sxm",
    }
    after = uses.get(kind, f"simcore estimate --model llama-3.1-8b --chip {file}")
    return {"kind": kind, "words": words, "settings": settings, "assumptions": assumed, "next": [after]}


def study(file: Path, kind: str) -> dict[str, Any]:
    """A published system."""
    from studies.catalogue import study as read

    found = read(str(file.absolute()))
    paper = f"{found.paper.title} ({found.paper.id})"
    words = [f"study {found.name}: {found.title}", paper, f"{len(found.claims)} claims"]
    return {"kind": "study", "words": words, "next": [f"simcore study run {file.absolute()}"]}


def trace(file: Path) -> dict[str, Any]:
    """Requests."""
    from workloads.describe import describe
    from workloads.described import in_words
    from workloads.traces import read_trace

    found = describe(read_trace(file))
    after = [f"simcore traffic {file}", f"simcore size --traffic {file} ..."]
    return {"kind": "trace", "words": in_words(found), "notes": list(found.reading), "next": after}


def folder(place: Path) -> dict[str, Any]:
    """What commands left in a folder. Raises InputError where none did."""
    from simcore.errors import InputError
    from simcore.spec.load import read_json

    manifest = place / ".simcore.json"
    if not manifest.exists():
        fix = "give a file, or a folder that --out wrote"
        raise InputError("holds nothing that simcore wrote", file=str(place), fix=fix)
    sets = read_json(manifest).get("files")
    if not isinstance(sets, dict) or not all(isinstance(names, list) for names in sets.values()):
        raise InputError("is no list of files", file=str(manifest), key="files", fix="write the set again")
    words = [f"{command} wrote {', '.join(map(str, names))}" for command, names in sets.items()]
    after = [f"simcore compare {place} OTHER"] if {"simulate", "sweep", "size"} & set(sets) else []
    return {"kind": "folder", "words": words, "next": after}


def other(file: Path, kind: str) -> dict[str, Any]:
    """A part of other specs. Raises InputError for one that is not sound."""
    from commands.schema import kinds
    from simcore.spec.load import build_from_file, read_file

    found = build_from_file(kinds()[kind], read_file(file, kind), str(file))
    return {"kind": kind, "words": [f"{kind} {found.name}"], "next": [f"simcore schema {kind}"]}


TELLERS: dict[str, Callable[[Path, str], dict[str, Any]]] = {
    "study": study,
    **dict.fromkeys(("chip", "node", "cluster", "model", "demand"), spec),
    **dict.fromkeys(("link", "stack", "economics"), other),
}
"""schema of a file -> who tells of it; a scenario otherwise"""
