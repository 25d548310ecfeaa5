"""`simcore validate energy` and `fit-energy`: throughput and board power of measured servers, through `simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json


def register(validate_app: typer.Typer) -> None:
    """Add `energy` and `fit-energy` to the group `simcore validate`."""
    validate_app.command("energy")(energy)
    validate_app.command("fit-energy")(fit_energy)


Table = Annotated[Path, typer.Option(help="Measurements, CSV: task, model, chip, chips, tp, ep, dp, max_num_seqs, ...")]
Folder = Annotated[Path | None, typer.Option(help="Folder of config.json files, ORG--NAME.json, asked first.")]


def energy(
    table: Table,
    out: Annotated[
        Path | None, typer.Option(help="Write row, itl_median_ms, output_tokens_per_s, chip_power_w, reason (CSV).")
    ] = None,
    models: Folder = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Predict each architecture with numbers fitted without it.")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write the table of errors (Markdown).")] = None,
    as_json: Json = False,
) -> None:
    """Predict tokens per second and board power of every row of a table, each through `simulate`."""
    from commands.terminal import print_json, print_table
    from validation.energy.proof import answers, scored
    from validation.energy.rows import read_rows
    from validation.models import Models
    from validation.serving.inputs import read_frame

    frame = read_frame(table)
    rows = read_rows(frame, Models(models))
    found = answers(rows, held_out, lambda text: typer.echo(text, err=True))
    if out is not None:
        write_answers(out, found)
    if not {"output_tokens_per_s", "chip_power_w", "itl_median_ms"} <= set(frame.columns):
        return
    report = scored(rows, found, frame)
    if page is not None:
        from reports.files import write_text
        from validation.energy.page import page as text_of

        write_text(page, text_of(report, held_out))
    if as_json:
        print_json(report)
        return
    header = ["group", "rows", *(f"{name} {part}" for name in ("tokens/s", "W") for part in PARTS)]
    print_table(header, [[name, str(one["rows"]), *cells(one)] for name, one in report.items()], "error, %", ("group",))


PARTS = ("median", "P90", "signed by load")
MEASURES = ("output_tokens_per_s", "chip_power_w")


def cells(one: dict[str, Any]) -> list[str]:
    """One group's errors as text."""
    found: list[str] = []
    for name in MEASURES:
        errors = one.get(name)
        if errors is None:
            found += ["", "", ""]
            continue
        signed = " ".join("-" if v is None else f"{100 * v:+.0f}" for v in errors["signed_by_quartile"])
        found += [f"{100 * errors['median']:.1f}", f"{100 * errors['p90']:.0f}", signed]
    return found


def write_answers(path: Path, found: Any) -> None:
    """The predictions, one line per data line of the table."""
    from reports.files import write_text

    lines = ["row,itl_median_ms,output_tokens_per_s,chip_power_w,reason"]
    for at, one in enumerate(found):
        if one.reason:
            lines.append(f'{at},,,,"{one.reason.replace(chr(34), chr(39))}"')
        else:
            lines.append(f"{at},{one.itl_median_s * 1e3:.5g},{one.output_tokens_per_s:.6g},{one.chip_power_w:.5g},")
    write_text(path, "\n".join(lines) + "\n")


def fit_energy(
    table: Table,
    out: Annotated[Path, typer.Option(help="Folder for serving/vllm-0.11.toml and board_power.toml.")] = Path(
        "hardware_specs/calibration"
    ),
    models: Folder = None,
) -> None:
    """Fit what vLLM 0.11 servers add to a step, and the law of board power, with and without each architecture."""
    from reports.files import write_text
    from validation.energy.proof import fitted
    from validation.energy.rows import read_rows
    from validation.models import Models
    from validation.serving.inputs import read_frame

    frame = read_frame(table)
    rows = read_rows(frame, Models(models))
    found = fitted(rows, frame, table.name, lambda text: typer.echo(text, err=True))
    for name, text in found.items():
        write_text(out / name, text)
