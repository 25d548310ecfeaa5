"""`simcore validate pim`: layers of an NPU with memories that multiply."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `pim` to the group `simcore validate`."""
    validate_app.command("pim")(pim)


def pim(
    table: Annotated[Path, typer.Option(help="Runs of the NeuPIMs simulator, CSV: system, batch, trace")],
    out: Annotated[Path | None, typer.Option(help="Write row, layer_us, reason (CSV).")] = None,
    as_json: Json = False,
) -> None:
    """Predict the time of a layer of every run from the spec `npu-pim`; with `cycles_per_layer`, compare."""
    from commands.terminal import print_json, print_table
    from reports.files import write_rows
    from simcore.calibration.tables import read_table
    from validation.pim.runs import layers

    frame = read_table(str(table))
    told = layers(frame, str(table))
    if out is not None:
        rows = [(str(at), "" if o.reason else f"{o.layer_s * 1e6:.6g}", o.reason) for at, o in enumerate(told)]
        write_rows(out, ("row", "layer_us", "reason"), rows, (table,))
    if "cycles_per_layer" not in frame.columns:
        return
    report = compared(frame, told, str(table))
    if as_json:
        print_json(report)
        return
    for title, lines in report.items():
        header = ["run", "ours", "theirs", "difference"]
        body = [[o["run"], f"{o['ours']:.4g}", f"{o['theirs']:.4g}", f"{o['difference']:+.1%}"] for o in lines]
        print_table(header, body, title, ("run",))


def compared(frame: Any, told: Any, file: str) -> dict[str, list[dict[str, Any]]]:
    """Layers, their ratios, stages that the factor of sub-batches is fitted on, and what the paper says."""
    from simcore.calibration.tables import numbers
    from validation.pim.runs import paper_lines, ratios, stage_s

    cycles = numbers(frame, "cycles_per_layer", file)
    known = [at for at, one in enumerate(told) if not one.reason and cycles[at] > 0]
    systems, batches = ([frame[name].tolist()[at] for at in known] for name in ("system", "batch"))
    ours = [told[at].layer_s * 1e6 for at in known]
    theirs = [float(cycles[at]) * 1e-3 for at in known]
    names = [f"{system}, batch {batch}" for system, batch in zip(systems, batches, strict=True)]
    our_ratios, their_ratios = ratios(ours, systems, batches), ratios(theirs, systems, batches)
    stages = [(f"stage {stage}, batch {b}", stage_s(b) * 1e6, took * 1e-3) for stage, b, took in halves(frame, file)]
    return {
        "layers, us": [_line(*one) for one in zip(names, ours, theirs, strict=True)],
        "over NeuPIMs": [_line(name, value, their_ratios[name]) for name, value in our_ratios.items()],
        "stages with half batches, us (the factor 1.17 is fitted on them)": [_line(*one) for one in stages],
        "over NeuPIMs, beside the paper's figures for other loads": [_line(*one) for one in paper_lines(our_ratios)],
    }


def halves(frame: Any, file: str) -> list[tuple[str, int, float]]:
    """(stage, batch, cycles) of stages C and D in the runs with sub-batches. Raises InputError."""
    from simcore.errors import InputError
    from validation.pim.runs import HALVES

    found: list[tuple[str, int, float]] = []
    for system, batch, text in zip(frame["system"], frame["batch"], frame.get("stage_cycles", []), strict=False):
        if not str(system).endswith("sub-batch on"):
            continue
        parts = dict(part.partition("=")[::2] for part in str(text).split(";"))
        for name in ("C", "D"):
            if name in parts and batch in HALVES:
                if not parts[name].isdigit() or not int(parts[name]):
                    fix = "write cycles above zero, such as C=125360;D=123363"
                    raise InputError(f"{parts[name][:40]!r} are no cycles", file=file, key="stage_cycles", fix=fix)
                found.append((name, int(batch), float(parts[name])))
    return found


def _line(run: str, ours: float, theirs: float) -> dict[str, Any]:
    return {"run": run, "ours": ours, "theirs": theirs, "difference": ours / theirs - 1.0}
