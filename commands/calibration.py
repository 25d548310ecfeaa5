"""`simcore calibrate` and `simcore profile`: measurements to artefacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Quiet

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
    as_json: Json = False,
) -> None:
    """Fit operator costs to measured tables.

    Four fifths of the shapes fit laws and residuals, one fifth judges them.
    """
    import hardware_specs
    from commands.terminal import print_json
    from hardware_specs.calibrations import artefact
    from simcore.calibration.build import build, merged
    from simcore.calibration.fit import ROWS_PER_NUMBER
    from simcore.calibration.host import host_facts
    from simcore.calibration.store import save
    from simcore.cost.facts import chip_facts
    from simcore.errors import InputError

    say, files = teller(quiet or as_json), []
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
            where, size = out / facts.name / path.name, path.stat().st_size
            say(f"{where}: {size} bytes, {len(found.fits)} fits")
            files.append({"file": str(where), "stack": stack, "size_bytes": size, "fits": len(found.fits)})
        if not files:
            fix = "give a folder with tables such as gemm.csv or moe.parquet; see docs/calibration.md"
            raise InputError("holds no table that is asked for", file=str(folder), fix=fix)
        if power:
            from simcore.calibration.power import build_power

            kept = build_power(facts, folder, source, stage / facts.name, say)
            if kept is not None:
                where, size = out / facts.name / kept.name, kept.stat().st_size
                files.append({"file": str(where), "stack": "power", "size_bytes": size})
    if as_json:
        print_json({"verb": "calibrate", "chip": facts.name, "artefacts": files, "written": [f["file"] for f in files]})


def teller(quiet: bool) -> Callable[[str], None]:
    """What prints a line at once, or nothing."""

    def say(text: str) -> None:
        if not quiet:
            print(text, flush=True)

    return say


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
    leave_out: Annotated[
        str | None,
        typer.Option(help="A chip or a model with experts whose measurements take no part; use with --calibration."),
    ] = None,
    op: Annotated[str | None, typer.Option(help="Only these operations, separated by commas; no power.")] = None,
    source: Annotated[str, typer.Option(help="Where the measurements come from.")] = "own measurements",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit the data-sheet laws to all chips together.

    Every chip is left out once to find the laws' error; takes minutes. With --leave-out CHIP the laws are those of the
    other chips, with --leave-out MODEL its rows are missing from every experts table.
    """
    import hardware_specs
    from commands.terminal import print_written
    from hardware_specs.calibrations import artefact
    from simcore.calibration.accuracy import chip_folders
    from simcore.calibration.build import table_groups
    from simcore.calibration.power import build_common
    from simcore.calibration.store import save
    from simcore.calibration.transfer import build_datasheet, with_others
    from simcore.cost.facts import chip_facts

    say = teller(quiet or as_json)
    chips = [(chip_facts(hardware_specs.chip(folder.name)), folder) for folder in chip_folders(tables)]
    operations = op.split(",") if op else None
    if leave_out is not None:
        written = write_without(leave_out, chips, out, source, operations, say)
        print_written("calibrate-across", [out / name for name in written], as_json, quiet)
        return
    measured = [(facts, list(table_groups(folder, operations))) for facts, folder in chips]
    found = build_datasheet(measured, source, say)
    old = artefact("", "datasheet") if operations else None
    with artefacts(out, "calibrate-across") as stage:
        written = [save(with_others(old, found), stage, "datasheet").name]
        written += [] if operations else [build_common(chips, source, stage).name]
    print_written("calibrate-across", [out / name for name in written], as_json, quiet)


def write_without(
    name: str, chips: list[Any], out: Path, source: str, operations: list[str] | None, say: Any
) -> list[str]:
    """A folder of calibrations that have not seen a chip or a model; its files. Raises InputError."""
    from hardware_specs.calibrations import artefact, measured_stacks
    from hardware_specs.shelves import WITHOUT
    from reports.files import write_text
    from simcore.calibration.left_out import experts_without, laws_without
    from simcore.calibration.power import build_common
    from simcore.calibration.store import save, toml_text
    from simcore.errors import InputError

    if out == TABLES:
        raise InputError("would replace the calibrations of the package", key="--out", fix="name a folder of its own")
    chip, model = left_out(name)
    with artefacts(out, "calibrate-across") as stage:
        if chip is not None:
            rest = [(facts, folder) for facts, folder in chips if facts.name != chip]
            written = [save(laws_without(rest, source, operations, say), stage, "datasheet").name]
            written += [] if operations else [build_common(rest, source, stage).name]
        else:
            written = []
            for facts, folder in chips:
                shipped = {stack: artefact(facts.name, stack) for stack in measured_stacks(facts.name)}
                for found in experts_without(facts, folder, shipped, model, say):
                    written.append(f"{facts.name}/{save(found, stage / facts.name).name}")
        parts = {"chips": [chip] if chip else [], "models": [list(model)] if model else []}
        write_text(stage / WITHOUT, toml_text({"schema": "without/1"} | parts))
    return [*written, WITHOUT]


def left_out(name: str) -> tuple[str | None, tuple[int, ...]]:
    """(the chip of a name, ()) or (None, the four numbers of a model with experts). Raises InputError."""
    import hardware_specs
    from scenarios.names import resolve
    from simcore.calibration.left_out import model_identity
    from simcore.errors import InputError, UnknownName

    try:
        return hardware_specs.chip(name).name, ()
    except UnknownName:
        pass
    identity = model_identity(resolve("model", name).value)
    if not identity:
        fix = "leave out a model with experts: tables of other operations name no model"
        raise InputError(f"{name} has no experts", key="--leave-out", fix=fix)
    return None, identity


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
    as_json: Json = False,
) -> None:
    """Measure this machine's operators and write tables.

    Matrix multiplies, memory-bound work and attention; on a GPU also grouped matrices, launches, copies and power.
    """
    from commands.terminal import print_written
    from reports.output import output_folder
    from simcore.calibration.profile import profile as measure

    with output_folder(out, "profile") as stage:
        measure(device, size, stage, teller(quiet or as_json))
        names = sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file())
    if as_json:
        print_written("profile", [out / name for name in names], True, device=device, size=size)
    else:
        teller(quiet)(f"written: {out}")
