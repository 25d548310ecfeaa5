"""`simcore validate serving` and `fit-serving`: predict a table of serving measurements, and learn from one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Html, Json, Quiet

ModelFolder = Annotated[
    Path | None, typer.Option(help="Folder of config.json files, ORG--NAME.json, asked before the shipped names.")
]
HeldOut = Annotated[
    bool, typer.Option("--held-out", help="Predict each curve with parameters fitted without its fold.")
]
HeldOutBy = Annotated[str | None, typer.Option(help="curve, model or system: what parameters must not have seen.")]
PublicFlags = Annotated[
    bool, typer.Option("--public-flags", help="Flags of a public benchmark's launch scripts where a row has none.")
]
InferWorkers = Annotated[
    bool, typer.Option("--infer-workers", help="Guess one worker per pool where a disaggregated row states none.")
]
LeftOutFolders = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of calibrate-across --leave-out, for the rows whose part it left out; repeatable."),
]


def register(validate_app: typer.Typer) -> None:
    """Add `serving` and `fit-serving` to the group `simcore validate`."""
    validate_app.command("serving")(serving)
    validate_app.command("fit-serving")(fit_serving)


def serving(
    table: Annotated[Path, typer.Option(help="Serving measurements, CSV.")],
    out: Annotated[Path | None, typer.Option(help="Write id, ttft_ms, tpot_ms, reason (CSV).")] = None,
    held_out: HeldOut = False,
    held_out_by: HeldOutBy = None,
    models: ModelFolder = None,
    calibration: LeftOutFolders = None,
    public_flags: PublicFlags = False,
    infer_workers: InferWorkers = False,
    peer: Annotated[Path | None, typer.Option(help="Another tool's predictions of the same rows, CSV.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the table ours against the other tool (Markdown).")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw predicted against measured and error by load (PNG).")] = None,
    write_scenarios: Annotated[
        Path | None, typer.Option("--write-scenarios", help="Folder for the rows as scenario/2 files, by id.")
    ] = None,
    html: Html = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Predict TTFT and TPOT of every row of a serving table, each through `simulate`.

    Where the table holds measurements, says how wrong the predictions are.
    """
    from commands.terminal import print_json
    from validation.models import Models
    from validation.serving.inputs import read_frame, read_questions, replayer
    from validation.serving.launches import with_public_flags
    from validation.serving.page import write_page
    from validation.serving.report import answers, left_out, print_report, write_predictions

    frame = read_frame(table)
    known = Models(models)
    rows = read_questions(frame, infer_workers, known)
    rows = with_public_flags(rows) if public_flags else rows
    if write_scenarios is not None:
        written = write_rows(write_scenarios, rows, known)
        if not quiet:
            typer.echo(f"{written} scenarios written to {write_scenarios}", err=True)
        return
    unseen = _left_out(held_out, held_out_by)
    progress = None if quiet or as_json else _progress
    asks, folders = replayer(unseen, known), calibration or []
    found = answers(asks, rows, unseen, progress, folders)
    if out is not None:
        write_predictions(out, rows, found)
    summary, scored = _scored(rows, found, frame, peer)
    if page is not None and scored is not None:
        if unseen is not None:
            summary["left_out"] = left_out(rows, frame, known, progress, folders)
        write_page(page, summary, unseen)
    if scored is not None:
        draw(plot, html, (summary, scored), table)
    if as_json:
        print_json(summary)
    elif not quiet:
        print_report(summary)


def _scored(rows: Any, found: Any, frame: Any, peer: Path | None) -> tuple[dict[str, Any], Any]:
    """(what to tell, scored columns; None where the table measures nothing)."""
    from validation.serving.inputs import read_frame
    from validation.serving.report import report_of

    if "silicon_ttft_ms" not in frame.columns or "silicon_tpot_ms" not in frame.columns:
        return {"rows": len(rows), "predicted": sum(not a.reason for a in found)}, None
    return report_of(rows, found, frame, read_frame(peer) if peer else None)


def draw(plot: Path | None, html: Path | None, found: tuple[Any, Any], table: Path) -> None:
    """The picture and the page that are wanted."""
    if plot is not None:
        from reports.serving_accuracy import draw_serving

        draw_serving(plot, found[1])
    if html is not None:
        from reports.measured import serving_page
        from reports.page import write_own_page

        write_own_page(html, serving_page(*found), (table,))


def write_rows(folder: Path, rows: Any, models: Any) -> int:
    """Each row as a file that `simcore simulate` answers; how many there are."""
    from reports.files import write_text
    from scenarios.toml import dumps
    from simcore.errors import InputError
    from validation.serving.question import scenario_tables
    from validation.serving.recipes import recipe

    count = 0
    for row in rows:
        question = row.question
        if question is None:
            continue
        try:
            tables = scenario_tables(question, recipe(question.stack), models, row.id.replace("/", "_"))
        except InputError as error:
            typer.echo(f"simcore: {row.id}: {error}", err=True)
            continue
        write_text(folder / f"{row.id.replace('/', '_')}.toml", dumps(tables))
        count += 1
    return count


def fit_serving(
    table: Annotated[Path, typer.Option(help="Serving measurements, CSV.")],
    out: Annotated[Path, typer.Option(help="Folder for <stack>.toml.")] = Path("hardware_specs/calibration/serving"),
    stack: Annotated[str | None, typer.Option(help="One stack only.")] = None,
    most: Annotated[int, typer.Option(help="Rows per stack that the fit may use.")] = 300,
    intervals: Annotated[bool, typer.Option(help="Keep the parameters, learn the intervals again.")] = False,
    as_json: Json = False,
) -> None:
    """Fit the serving parameters of each stack.

    On the aggregated rows of a table, with and without each fold; intervals from what was left out: curves, and, for
    strangers, whole models and whole systems.
    """
    from commands.terminal import print_written
    from validation.serving.fit import distinct, fit_stack
    from validation.serving.inputs import STACKS, read_frame, read_questions, replayer, stated_fit
    from validation.serving.report import write_fit
    from validation.serving.strangers import learnt, left_out

    frame = read_frame(table, measured=True)
    rows = list(distinct(read_questions(frame), frame).values())
    fits, seen = {}, {}
    for name in STACKS:
        mine = [row for row in rows if row.question.stack == name]

        def say(text: str, name: str = name) -> None:
            _progress(f"{name}: {text}")

        kept = intervals or stack not in (None, name)
        fits[name] = stated_fit(name) if kept else fit_stack(replayer(), mine, most, say)
        seen[name] = mine, left_out(mine, fits[name])
        say("residuals of what was left out")
    for name, bands in zip(STACKS, learnt(list(seen.values()), _progress), strict=True):
        if stack in (None, name):
            write_fit(out / f"{name}.toml", name, fits[name], seen[name][0], bands, table.name)
    written = [out / f"{name}.toml" for name in STACKS if stack in (None, name)]
    print_written("validate fit-serving", written, as_json)


def _left_out(held_out: bool, held_out_by: str | None) -> str | None:
    """The kind of part that is left out; InputError for an unknown one."""
    from simcore.errors import InputError
    from validation.serving.fit import LEFT_OUT

    if held_out_by is not None and held_out_by not in LEFT_OUT:
        raise InputError(f"cannot hold out by {held_out_by!r}", key="held-out-by", fix=", ".join(LEFT_OUT))
    return held_out_by or ("curve" if held_out else None)


def _progress(text: str) -> None:
    typer.echo(text, err=True)
