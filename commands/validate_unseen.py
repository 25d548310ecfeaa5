"""`simcore validate unseen`: whole mixture-of-experts models left out of the fit, and predicted from the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json, Quiet


def register(validate_app: typer.Typer) -> None:
    """Add `unseen` to the group `simcore validate`."""
    validate_app.command("unseen")(unseen)


def unseen(
    tables: Annotated[Path, typer.Option(help="Folder of operator tables, one folder per chip.")],
    chips: Annotated[str, typer.Option(help="Folders to take, separated by commas; `all`: every one (long).")] = (
        "h200_sxm"
    ),
    docs: Annotated[Path, typer.Option(help="Folder that receives unseen.md.")] = Path("docs/accuracy"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Leave every MoE model out and predict it.

    Writes the page; some minutes per chip.
    """
    import hardware_specs
    from commands.terminal import print_json
    from reports.files import write_text
    from simcore.calibration.accuracy import chip_folders
    from simcore.calibration.unseen import unseen_models, unseen_page
    from simcore.cost.facts import chip_facts
    from simcore.errors import UnknownName

    def say(text: str) -> None:
        if not (quiet or as_json):
            print(text, flush=True)

    folders = {folder.name: folder for folder in chip_folders(tables)}
    names = list(folders) if chips == "all" else chips.split(",")
    for name in names:
        if name not in folders:
            raise UnknownName("folder of tables", name, list(folders))
    measured = [(chip_facts(hardware_specs.chip(name)), folders[name]) for name in names]
    lines = list(unseen_models(measured, say))
    write_text(docs / "unseen.md", unseen_page(lines))
    if as_json:
        print_json(lines)
    say(f"{docs / 'unseen.md'}: {len(lines)} kernels")
