"""`simcore calibrate` and `simcore profile`: measurements to artefacts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Quiet

TABLES = Path("hardware_specs/calibration")
HOST = Path("out/host")
"""profile and calibration of the machine at hand"""


def register(app: typer.Typer) -> None:
    app.command("calibrate")(calibrate)
    app.command("calibrate-across")(calibrate_across)
    app.command("profile")(profile)


def calibrate(
    tables: Annotated[Path, typer.Option(help="Folder of operator tables (<operation>.parquet or .csv).")] = HOST,
    chip: Annotated[
        str, typer.Option(help="Chip spec, name or alias; `host`: the machine that was profiled.")
    ] = "host",
    out: Annotated[Path | None, typer.Option(help="Receives <chip>/<stack>.npz and .toml.")] = None,
    source: Annotated[str, typer.Option(help="Where the measurements come from.")] = "own measurements",
    op: Annotated[str | None, typer.Option(help="Only these operations, separated by commas.")] = None,
    sibling: Annotated[
        list[str] | None,
        typer.Option("--with", help="CHIP=FOLDER of a chip of the same family, whose rows join each fit; repeatable."),
    ] = None,
    power: Annotated[bool, typer.Option("--power", help="Fit power too, where the tables have power_w.")] = False,
    importer: Annotated[str | None, typer.Option(help="Convert with this importer first (see docs).")] = None,
    quiet: Quiet = False,
) -> None:
    """Fit operator costs to measured tables.

    Four fifths of the shapes fit laws and residuals, one fifth judges them.
    """
    import hardware_specs
    from hardware_specs.calibrations import artefact
    from simcore.calibration.build import build, merged
    from simcore.calibration.fit import ROWS_PER_NUMBER
    from simcore.calibration.host import host_facts
    from simcore.calibration.store import save
    from simcore.cost.facts import chip_facts

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    out = out or (tables if chip == "host" else TABLES)
    operations = op.split(",") if op else None
    kin = [siblings(text) for text in sibling or ()]
    with artefacts(out, "calibrate") as stage:
        folder = tables if importer is None else convert(importer, tables, stage / "_imported")
        facts = host_facts(folder) if chip == "host" else chip_facts(hardware_specs.chip(chip))
        per_number = 2.0 if chip == "host" else ROWS_PER_NUMBER
        for stack, found in build(facts, folder, source, operations, say, per_number, kin).items():
            old = artefact(facts.name, stack) if operations and out == TABLES else None
            path = save(merged(old, found), stage / facts.name)
            say(f"{out / facts.name / path.name}: {path.stat().st_size} bytes, {len(found.fits)} fits")
        if power:
            from simcore.calibration.power import build_power

            build_power(facts, folder, source, stage / facts.name, say)


@contextmanager
def artefacts(out: Path, command: str) -> Iterator[Path]:
    """Where to write artefacts: the project's own tree directly, any other folder as a set that grows."""
    from reports.output import output_folder

    if out == TABLES:
        yield out
        return
    with output_folder(out, command, adds=True) as stage:
        yield stage


def siblings(text: str) -> Any:
    """(facts, folder) of CHIP=FOLDER; raises InputError."""
    import hardware_specs
    from simcore.cost.facts import chip_facts
    from simcore.errors import InputError

    name, equals, folder = text.partition("=")
    if not equals or not Path(folder).is_dir():
        raise InputError("is not CHIP=FOLDER with a folder of tables", key=f"--with {text}", fix="--with h100-sxm=DIR")
    return chip_facts(hardware_specs.chip(name)), Path(folder)


def calibrate_across(
    tables: Annotated[
        Path, typer.Option(help="Folder with one folder of operator tables per chip, named as the chip.")
    ],
    out: Annotated[Path, typer.Option(help="Receives datasheet.npz and power.npz.")] = TABLES,
    op: Annotated[str | None, typer.Option(help="Only these operations, separated by commas; no power.")] = None,
    source: Annotated[str, typer.Option(help="Where the measurements come from.")] = "own measurements",
    quiet: Quiet = False,
) -> None:
    """Fit the data-sheet laws to all chips together.

    Every chip is left out once to find the laws' error; takes minutes.
    """
    import hardware_specs
    from hardware_specs.calibrations import artefact
    from simcore.calibration.accuracy import chip_folders
    from simcore.calibration.build import table_groups
    from simcore.calibration.power import build_common
    from simcore.calibration.store import save
    from simcore.calibration.transfer import build_datasheet, with_others
    from simcore.cost.facts import chip_facts

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    chips = [(chip_facts(hardware_specs.chip(folder.name)), folder) for folder in chip_folders(tables)]
    operations = op.split(",") if op else None
    measured = [(facts, list(table_groups(folder, operations))) for facts, folder in chips]
    found = build_datasheet(measured, source, say)
    old = artefact("", "datasheet") if operations else None
    with artefacts(out, "calibrate-across") as stage:
        say(str(out / save(with_others(old, found), stage, "datasheet").name))
        if not operations:
            say(str(out / build_common(chips, source, stage).name))


def convert(importer: str, tables: Path, out: Path) -> Path:
    """Tables of another tool as operator tables in a folder."""
    from simcore.calibration.importers import importers
    from simcore.calibration.importers._base import write_tables

    return write_tables(importers(importer)(tables), out)


def profile(
    out: Annotated[Path, typer.Option(help="Folder that receives the tables and manifest.toml.")] = HOST,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    size: Annotated[str, typer.Option(help="small (seconds) or full (minutes).")] = "full",
    quiet: Quiet = False,
) -> None:
    """Measure this machine's operators and write tables.

    Matrix multiplies, memory-bound work and attention; on a GPU also grouped matrices, launches, copies and power.
    """
    from reports.output import output_folder
    from simcore.calibration.profile import profile as measure

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    with output_folder(out, "profile") as stage:
        measure(device, size, stage, say)
    say(f"written: {out}")
