"""`simcore import-model`: a Hugging Face config.json as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json


def register(app: typer.Typer) -> None:
    app.command("import-model")(import_model)


def import_model(
    path: Annotated[Path, typer.Argument(metavar="CONFIG.json", help="A Hugging Face config.json, or its folder.")],
    out: Annotated[Path | None, typer.Option(help="Write the model file here instead of printing it.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; default: from the file or folder.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary on standard error.")] = False,
) -> None:
    """Write a Hugging Face architecture as a model file.

    Unknown architectures are refused with what is missing.
    """
    from commands.terminal import print_json
    from reports.files import write_own
    from simcore.errors import InputError
    from simcore.spec.base import Source, name_of
    from workloads import read_model
    from workloads.importers.export import to_toml

    where = path / "config.json" if path.is_dir() else path
    spec = read_model(where)
    if name:
        if name != name_of(f"{name}.toml"):
            raise InputError(f"{name!r} is no name", key="--name", fix="use letters, digits, '.', '_' and '-'")
        spec = spec.replace(name=name)
    if not spec.sources:
        spec = spec.replace(sources={"config": Source(kind="vendor", title=f"Hugging Face config.json of {spec.name}")})
    if out is not None:
        write_own(out, to_toml(spec).encode("utf-8"), (where,))
    if not quiet:
        counts = f"{spec.parameters / 1e9:.2f} B parameters, {spec.active_parameters / 1e9:.2f} B active"
        kinds = f"weights {spec.native_format}, experts {spec.expert_format or spec.native_format}, KV {spec.kv_format}"
        typer.echo(f"{spec.name}: {spec.family}, {spec.layer_count} layers, {counts}, {kinds}", err=True)
        for note in (source.note for source in spec.sources.values() if source.note):
            typer.echo(f"note: {note}", err=True)
    if out is not None:
        return
    if as_json:
        print_json(spec.model_dump(mode="json", exclude_defaults=True))
    else:
        typer.echo(to_toml(spec), nl=False)
