"""`simcore list`, `show` and `doctor`: what is there and whether it works."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.asked import Json

KINDS = ("chips", "nodes", "clusters", "models", "traffic", "economics", "stacks", "formats")


def register(app: typer.Typer) -> None:
    app.command("list")(list_names)
    app.command("show")(show)
    app.command("doctor")(doctor)


def registry(kind: str) -> Any:
    """The registry of a kind, singular or plural. Raises InputError with the kinds."""
    import hardware_specs
    import workloads
    from simcore.errors import InputError, suggest
    from simcore.spec.formats import FORMATS

    name = kind.lower().rstrip("s")
    rooms = {
        "chip": hardware_specs.chip,
        "node": hardware_specs.node,
        "cluster": hardware_specs.cluster,
        "economic": hardware_specs.economics,
        "stack": hardware_specs.stack,
        "model": workloads.model,
        "traffic": workloads.traffic,
        "format": FORMATS,
    }
    if name not in rooms:
        raise InputError(f"unknown kind {kind!r}", fix=suggest(kind, KINDS))
    return rooms[name]


def list_names(
    kind: Annotated[str, typer.Argument(help="chips, nodes, clusters, models, traffic, economics, stacks or formats.")],
    as_json: Json = False,
) -> None:
    """Names that other commands accept."""
    from commands.terminal import print_json, print_table

    found = registry(kind)
    names = found.names()
    rows = [
        [name, ", ".join(sorted(a for a, stem in found.aliases.items() if stem == name and a != name))]
        for name in names
    ]
    if as_json:
        print_json(names)
    else:
        print_table(["name", "also"], rows, left=("name", "also"))


def show(
    kind: Annotated[str, typer.Argument(help="chip, node, cluster, model, traffic or economics.")],
    name: Annotated[str, typer.Argument(help="Name or alias.")],
    as_json: Json = False,
) -> None:
    """Everything known about one thing, with sources."""
    from commands.terminal import print_json, print_table

    found = registry(kind)(name)
    if as_json:
        print_json(found.model_dump(mode="json", by_alias=True))
        return
    print(f"{kind.rstrip('s')} {found.name}")
    if hasattr(found, "parameters"):
        show_model(found)
    rows = [[path, c.text, c.source, c.note or ""] for path, c in sorted(found.citations.items())]
    if rows:
        print_table(["number", "value", "source", "note"], rows, left=("number", "value", "source", "note"))
    for key, source in found.sources.items():
        print(f"  [{key}] {source.kind}: {source.title}" + (f" ({source.url})" if source.url else ""))


def show_model(model: Any) -> None:
    """A model's counts."""
    print(f"  {model.parameters / 1e9:.2f} B parameters, {model.active_parameters / 1e9:.2f} B active per token")
    print(f"  {model.layer_count} layers, hidden size {model.hidden_size}, vocabulary {model.vocab_size}")
    kv = model.kv_elements_per_token()
    print(f"  KV cache {kv:.0f} elements per token ({kv * 2 / 1024:.1f} KiB in bf16)")


def doctor(as_json: Json = False) -> None:
    """Check versions, spec files and extras.

    Exit code 1 if something is broken.
    """
    from commands.terminal import print_json, print_table

    rows = [*versions(), *specs()]
    if as_json:
        print_json([dict(zip(("what", "state", "detail"), row, strict=True)) for row in rows])
    else:
        print_table(["what", "state", "value"], rows, left=("what", "state", "value"))
    if any(state == "broken" for _, state, _ in rows):
        raise typer.Exit(1)


def versions() -> list[list[str]]:
    """Python and packages, those of extras marked as such."""
    import platform
    from importlib import metadata

    needed = ("numpy", "numba", "pandas", "pyarrow", "scipy", "simpy", "scikit-learn", "PuLP", "highspy", "matplotlib")
    rows = [["python", "ok", platform.python_version()]]
    for name in needed:
        rows.append(_version(metadata, name, "broken"))
    for name in ("optuna", "gymnasium", "dask", "ray", "torch"):
        rows.append(_version(metadata, name, "absent (optional)"))
    return rows


def _version(metadata: Any, name: str, missing: str) -> list[str]:
    try:
        return [name, "ok", metadata.version(name)]
    except metadata.PackageNotFoundError:
        return [name, missing, "not installed"]


def specs() -> list[list[str]]:
    """Every spec file is read and validated."""
    from simcore.errors import SimcoreError

    rows = []
    for kind in ("chips", "nodes", "clusters", "models", "traffic", "economics"):
        names, problems = registry(kind).names(), []
        for name in names:
            try:
                registry(kind)(name)
            except SimcoreError as error:
                problems.append(str(error))
        rows.append([kind, "broken" if problems else "ok", problems[0] if problems else f"{len(names)} files"])
    return rows
