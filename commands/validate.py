"""`simcore validate`: predictions against measurements, the bad ones too."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Html, Json, Quiet

validate_app = typer.Typer(help="Compare predictions with measurements.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """The group, with what the modules `commands/validate_*.py` add to it."""
    import commands

    for found in sorted(pkgutil.iter_modules(commands.__path__), key=lambda m: m.name):
        if found.name.startswith("validate_"):
            importlib.import_module(f"commands.{found.name}").register(validate_app)
    app.add_typer(validate_app, name="validate")


@validate_app.command("operators")
def operators(
    table: Annotated[Path, typer.Option(help="Measured operator table, parquet or CSV.")],
    chip: Annotated[str, typer.Option(help="Chip spec, name or alias.")],
    stack: Annotated[str | None, typer.Option(help="Stack; default: the table's column.")] = None,
    op: Annotated[str | None, typer.Option(help="Operation; default: the file's stem.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write row, predicted_latency_ms, reason (CSV).")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw predicted against measured, and errors by size (PNG).")
    ] = None,
    law: Annotated[bool, typer.Option("--law", help="The laws alone, without what is learned on top.")] = False,
    html: Html = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict every row of a measured operator table."""
    from commands.terminal import print_json
    from hardware_specs import calibration
    from simcore.calibration.tables import read_table
    from simcore.calibration.validate import predictions, report, score, worst

    frame = read_table(str(table))
    models: dict[str, Any] = {}

    def model_of(name: str) -> Any:
        wanted = stack or {"nccl": "vllm", "unknown": "datasheet"}.get(name, name)
        if wanted not in models:
            found = calibration(chip, wanted)
            models[wanted] = found.laws_alone if law else found
        return models[wanted]

    scored = score(frame, op or table.stem, model_of, str(table))
    summary = {"table": str(table), "chip": chip} | report(scored)
    if out is not None:
        from reports.files import write_own

        write_own(out, predictions(scored).to_csv(index=False).encode("utf-8"), (table,))
    if plot is not None:
        from reports.accuracy import draw_operators

        draw_operators(plot, scored)
    if html is not None:
        from reports.measured import operators_page
        from reports.page import write_own_page

        write_own_page(html, operators_page(summary, scored), (table,))
    if as_json:
        print_json(summary)
    elif not quiet:
        print_summary(summary, frame, scored, worst(scored))


def print_summary(summary: dict[str, Any], frame: Any, scored: Any, rows: list[int]) -> None:
    """The report as tables."""
    from commands.terminal import print_table

    print(
        f"{summary['operation']} on {summary['chip']}: {summary['rows']} rows, {summary['coverage']:.1%} predicted, "
        f"{summary['calibrated']:.1%} by a calibration, {summary['extrapolated']:.1%} outside the measured box"
    )
    if "groups" not in summary:
        return
    print(f"{summary['within_interval']:.0%} of the measurements lie within the stated interval (80 % expected)")
    header = ["stack", "version", "format", "kernel", "by", "rows", *_COLUMNS, "held-out rows", "median", "mean", "P90"]
    body = [_line(entry) for entry in sorted(summary["groups"], key=lambda e: not e["newest"])]
    print_table(header, body, title="errors", left=header[:5])
    bands = [[b["stack"], b["band"], str(b["rows"]), *_numbers(b)] for b in summary["bands"]]
    print_table(["stack", "measured time", "rows", *_COLUMNS], bands, title="by size", left=("stack", "measured time"))
    for row in rows:
        shape = ", ".join(f"{k}={v}" for k, v in frame.iloc[row].items() if k not in _NOT_SHAPE and v == v)
        print(
            f"worst: row {row}: predicted {scored.predicted_s[row] * 1e3:.4g} ms, "
            f"measured {scored.measured_s[row] * 1e3:.4g} ms: {shape}"
        )


_COLUMNS = ("median", "mean", "P90", "bias")
_NOT_SHAPE = ("device", "latency_ms", "power_w", "power_limit_w", "stack_version")


def _numbers(entry: dict[str, Any]) -> list[str]:
    return [f"{entry[name]:.1%}" for name in ("median", "mean", "p90", "bias")]


def _line(entry: dict[str, Any]) -> list[str]:
    hidden = entry.get("unseen_shapes")
    tail = [str(hidden["rows"]), *_numbers(hidden)[:3]] if hidden else ["", "", "", ""]
    names = [entry["stack"], entry["version"], entry["format"], entry["kernel"][:32], entry["source"]]
    return [*names, str(entry["rows"]), *_numbers(entry), *tail]


@validate_app.command("host")
def host(
    calibration: Annotated[Path, typer.Option(help="Folder with the profile and host/host.npz.")] = Path("out/host"),
    small: Annotated[bool, typer.Option("--small", help="Two short cases only.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a small transformer here against its profile.

    Compares the measured times with what the machine's own calibration predicts.
    """
    from statistics import median

    from commands.terminal import print_json, print_table
    from simcore.calibration.host import closed_loop, host_model, host_net

    model, net = host_model(calibration), host_net(calibration)
    rows = closed_loop(model, net.Transformer(), net.SMALL_CASES if small else net.CASES)
    middle = median(abs(row["error"]) for row in rows)
    if as_json:
        print_json({"cases": rows, "median_error": middle})
    if as_json or quiet:
        return
    body = [
        [r["phase"], str(r["batch"]), str(r["tokens"]), *(f"{r[n] * 1e3:.2f}" for n in _TIMES), f"{r['error']:+.1%}"]
        for r in rows
    ]
    print_table(["phase", "batch", "tokens", "measured ms", "predicted ms", "error"], body, left=("phase",))
    print(f"median error {middle:.1%} over {len(rows)} shapes")


_TIMES = ("measured_s", "predicted_s")
