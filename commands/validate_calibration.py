"""`simcore validate calibration`: every measured table, chips left out, power; writes the pages of docs/accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Quiet


def register(validate_app: typer.Typer) -> None:
    """Add `calibration` to the group `simcore validate`."""
    validate_app.command("calibration")(calibration)


def calibration(
    tables: Annotated[Path, typer.Option(help="Folder of operator tables, one folder per chip.")],
    docs: Annotated[Path, typer.Option(help="Folder that receives operators.md, transfer.md and power.md.")] = Path(
        "docs/accuracy"
    ),
    power: Annotated[Path | None, typer.Option(help="CSV of the Splitwise power measurements.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score every artefact on shapes it has not seen."""
    from commands.terminal import print_json
    from reports.files import write_text
    from simcore.calibration.accuracy import collect, page, power_page, transfer_page

    def say(text: str) -> None:
        if not (quiet or as_json):
            print(text, flush=True)

    found = collect(tables, models(), say)
    write_text(docs / "operators.md", page(found))
    left_out = provenance("datasheet.toml").get("left_out", [])
    write_text(docs / "transfer.md", transfer_page(left_out))
    write_text(docs / "power.md", power_page(power_records(), power_check(power)))
    if as_json:
        print_json(found | {"left_out": left_out})
    say(f"{docs}: operators.md, transfer.md, power.md")


def models() -> Any:
    """(chip, stack) -> operator times, read once."""
    from functools import cache

    import hardware_specs

    return cache(lambda chip, stack: hardware_specs.calibration(chip, stack))


def provenance(name: str) -> dict[str, Any]:
    """A provenance file of the shipped artefacts."""
    import tomllib
    from importlib import resources

    path = resources.files("hardware_specs") / "calibration" / name
    return tomllib.loads(path.read_text(encoding="utf-8"))


def power_records() -> list[dict[str, Any]]:
    """Provenance of every chip with measured power."""
    from importlib import resources

    place = resources.files("hardware_specs") / "calibration"
    folders = sorted(p.name for p in place.iterdir() if p.is_dir() and (p / "power.toml").is_file())
    return [provenance(f"{name}/power.toml") for name in folders]


def power_check(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from hardware_specs.calibrations import power_model
    from simcore.calibration.power_check import check

    return check(path, power_model)
