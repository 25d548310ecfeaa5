"""`simcore size`: one question, one answer: which chips and which plan for this model, traffic and bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, Json, Pictures, Quiet, Set, Vary

Means = Annotated[
    bool, typer.Option("--means", help="Bounds are of the means over all requests instead; without a rate.")
]


def register(app: typer.Typer) -> None:
    app.command()(size)


def size(
    model: Annotated[str, typer.Option(help="Model: name, file or Hugging Face name.")],
    on: Annotated[str, typer.Option(help="Chips, nodes or clusters to choose from, joined by commas.")],
    ttft: Annotated[str, typer.Option(help='Bound on the time to the first token, e.g. "2 s".')],
    tpot: Annotated[str, typer.Option(help='Bound on the time per token after it, e.g. "50 ms".')],
    traffic: Annotated[
        str, typer.Option(help="A trace file, a shipped traffic, or INPUT:OUTPUT tokens such as 1024:256.")
    ] = "1024:256",
    columns: Annotated[
        str | None, typer.Option(help="Of a trace: arrival=when,input=prompt,output=completion; default: sniffed.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Requests per second; default: the trace's own, else one replica kept busy."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget-usd-per-hour", min=0.0, help="Most that the chips may cost.")
    ] = None,
    attainment: Annotated[float, typer.Option(help="Share of requests that must keep the bounds.")] = 0.9,
    means: Means = False,
    stack: Annotated[str | None, typer.Option(help="Serving stack; default: vllm where the chip has it.")] = None,
    changes: Set = None,
    vary: Vary = None,
    out: Annotated[Path | None, typer.Option(help="Folder for page and scenarios; default out/size.")] = None,
    calibration: Calibration = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Which chips and plan serve this model's traffic within bounds, at the least cost.

    Prices every plan and load, replays the best dozen request by request, and writes size.html and the scenario of the
    recommendation. Exit code 1 where nothing meets the bounds.
    """
    from commands.terminal import progress
    from planners.sizing import SizeQuestion
    from planners.sizing import size as sized
    from scenarios.read import parse_set, parse_vary

    question = SizeQuestion(
        model=model,
        systems=tuple(name.strip() for name in on.split(",") if name.strip()),
        traffic=traffic_table(traffic, columns),
        ttft=ttft,
        tpot=tpot,
        rate_per_s=rate,
        budget_usd_per_hour=budget,
        attainment=attainment,
        means=means,
        stack=stack,
        settings=parse_set(changes or ()),
        vary=parse_vary(vary or ()),
    )
    with progress(quiet or as_json, "replays") as update, in_options(question):
        found = sized(question, replayed=update)
    folder = out if out is not None or as_json else Path("out") / "size"
    written = {} if folder is None else write(folder, found, pictures)
    tell(found, written, quiet, as_json)
    if found.best is None:
        raise typer.Exit(1)


def tell(found: Any, written: dict[str, Path], quiet: bool, as_json: bool) -> None:
    """Print the answer. The files are written before: a reader that goes away loses none."""
    from commands.terminal import print_json
    from planners.sizing.words import flat

    if as_json:
        print_json(flat(found))
    elif not quiet:
        show(found)
    if not (quiet or as_json):
        print("\n".join(f"{what}: {path}" for what, path in written.items()))


OPTIONS = {
    "traffic.columns": "--columns",
    "traffic.rate_per_s": "--rate",
    "traffic.": "--traffic",
    "slo.ttft": "--ttft",
    "slo.tpot": "--tpot",
    "slo.attainment": "--attainment",
    "hardware.stack": "--stack",
}
"""what a key of the scenario that `size` writes was asked by; of a prefix, any key below it"""


@contextmanager
def in_options(question: Any = None) -> Iterator[None]:
    """What is said of the scenario that nobody wrote, said of the options that it was written from; without a question
    of [traffic] columns alone."""
    from simcore.errors import InputError

    try:
        yield
    except InputError as error:
        option = option_of(question, error.key or "")
        if option is None or (option != "--columns" and (question is None or error.file != question.place)):
            raise
        if option == "--columns":
            error.problem = error.problem.partition(";")[0]
            error.fix = "name it: --columns arrival=NAME,input=NAME,output=NAME"
        else:
            error.file = None
        error.key = option
        raise


def option_of(question: Any, key: str) -> str | None:
    """The option by which a key was asked; the key itself where it is an option; None for what no option says."""
    if key.startswith("--"):
        return key
    for option, name in (("--set", "settings"), ("--vary", "vary")):
        if key in getattr(question, name, ()):
            return f"{option} {key}"
    return next((OPTIONS[name] for name in OPTIONS if key == name or (name[-1] == "." and key.startswith(name))), None)


def traffic_table(text: str, columns: str | None) -> dict[str, Any]:
    """The [traffic] table of `--traffic` and `--columns`. Raises InputError."""
    import workloads
    from simcore.errors import InputError, suggest

    is_trace = bool(Path(text).suffix or "/" in text)
    if columns and not is_trace:
        raise InputError("are those of a trace", key="--columns", fix="give --traffic a trace file, or leave it out")
    left, colon, right = text.partition(":")
    if colon and left.strip().isdigit() and right.strip().isdigit():
        return {"input_tokens": int(left), "output_tokens": int(right)}
    if is_trace:
        table: dict[str, Any] = {"trace": text}
        if columns:
            table["columns"] = columns_of(columns)
        return table
    known = workloads.traffic.names()
    if text not in known:
        fix = f"{suggest(text, known)}; a trace is a file such as my.csv, lengths are 1024:256"
        raise InputError(f"no traffic {text!r}", key="--traffic", fix=fix)
    return {"name": text}


def columns_of(text: str | None) -> dict[str, str]:
    """role -> column of `--columns`; none where it is not given. Raises InputError."""
    from simcore.errors import InputError

    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if any(not equals for _, equals, _ in pairs):
        raise InputError(f"{text!r} names no columns", key="--columns", fix="write arrival=when,input=prompt")
    return {role.strip(): name.strip() for role, _, name in pairs}


def show(found: Any) -> None:
    """The answer in words, then the replayed plans."""
    from commands.terminal import print_table
    from planners.sizing.words import HEADER, in_words, row

    print("\n".join(in_words(found)))
    rows = [row(found, one) for one in found.candidates]
    print_table(HEADER, rows, title="replayed plans, best first", left=HEADER[:1])


def write(folder: Path, found: Any, pictures: bool = False) -> dict[str, Path]:
    """`size.html`, `recommended.toml` (or `nearest.toml`) for every other verb, `deploy.yaml` where there is one."""
    from planners.sizing.words import manifest_of
    from reports.output import output_folder
    from reports.size import write_size
    from scenarios.toml import dumps

    one = found.best or found.nearest_miss
    name = "recommended.toml" if found.best is not None else "nearest.toml"
    yaml = None if found.best is None else manifest_of(found, found.best)
    names = ("size.html", *((name,) if one is not None else ()), *(("deploy.yaml",) if yaml else ()))
    with output_folder(folder, "size", names) as stage:
        if one is not None:
            (stage / name).write_text(dumps(found.question.tables_of(one.changes, folder)), encoding="utf-8")
        if yaml is not None:
            (stage / "deploy.yaml").write_text(yaml, encoding="utf-8")
        write_size(stage, found, pictures)
    written = {"page": folder / "size.html"} | ({"scenario": folder / name} if one is not None else {})
    return written | ({"manifest": folder / "deploy.yaml"} if yaml is not None else {})
