"""`simcore search`: explore a design space; compare methods; merge stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commands.asked import Calibration, Json, Pictures, Quiet, Set, Vary


class _RunByDefault(TyperGroup):
    """`simcore search FILE` is `simcore search run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=_RunByDefault, no_args_is_help=True, help="Search a design space (see docs/search.md).")
    for command in (run, compare, merge, methods, reference):
        group.command()(command)
    app.add_typer(group, name="search")


Question = Annotated[Path, typer.Argument(help="Scenario file with [vary]; see examples/search/.")]
AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the Python function that a search/1 file names.")]
BackendName = Annotated[str | None, typer.Option("--backend", help="serial, joblib, dask or ray.")]
Address = Annotated[str | None, typer.Option("--address", "--scheduler", help="Of a running Dask or Ray cluster.")]
Out = Annotated[Path | None, typer.Option(help="Folder; default out/NAME.")]
StoreFolder = Annotated[Path | None, typer.Option(help="Folder of answers, shared between studies; default OUT/store.")]


def run(
    scenario: Question,
    changes: Set = None,
    vary: Vary = None,
    method: Annotated[str | None, typer.Option(help="See `simcore search methods`.")] = None,
    budget: Annotated[float | None, typer.Option(help="Evaluations; cheap levels count for their price.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    batch: Annotated[int | None, typer.Option(help="Candidates asked for at once.", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a search that was stopped.")] = False,
    shard: Annotated[str, typer.Option(help="I/N: the I-th of N parts, from 1, for job arrays.")] = "1/1",
    backend: BackendName = None,
    address: Address = None,
    workers: Annotated[int | None, typer.Option(help="Local processes.", min=1)] = None,
    out: Out = None,
    store: StoreFolder = None,
    journal: Annotated[
        Path | None, typer.Option("--optuna", help="Also write an Optuna journal, which optuna-dashboard opens.")
    ] = None,
    allow_code: AllowCode = False,
    calibration: Calibration = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search a scenario's [vary] (the default command).

    Every answer is kept as it comes; Ctrl-C loses nothing and `--resume` goes on.
    """
    from commands.terminal import progress
    from planners.search.method import method as named
    from planners.search.run import Setting
    from planners.search.study import problem_of
    from reports.search import write_search

    read = asked_for(scenario, changes, vary)
    folder = out or Path("out") / read.name
    claim_all(folder, journal)
    chosen = named(method or read.search.method)
    part = shard_of(shard)
    mark = folder / f"unfinished-{part[0] + 1}-of-{part[1]}"
    check_resume(mark, resume)
    problem = problem_of(read, allow_code)
    with progress(quiet or as_json, read.name) as update, engine(backend, address, workers) as where:
        own = read.search
        setting = Setting(
            budget=budget or own.budget,
            seed=own.seed if seed is None else seed,
            batch=batch or own.batch,
            shard=part,
            method_settings=own.settings if chosen.name == own.method else {},
            progress=update,
        )
        result = searched(problem, chosen, (setting, where), mark, (read.title or read.name, store))
    write_search(folder, result, read.title or read.name, pictures)
    write_journal(journal, result, read.name)
    mark.unlink(missing_ok=True)
    tell(read.name, result, folder, quiet, as_json)


def tell(name: str, result: Any, folder: Path, quiet: bool, as_json: bool) -> None:
    """The answer; exit code 1 where nothing is feasible."""
    from commands.terminal import print_json

    if as_json:
        print_json({"name": name, **report(result), "folder": str(folder)})
    elif not quiet:
        show(result, folder)
    if not (result.violation <= 0).any():
        raise typer.Exit(1)


def searched(problem: Any, chosen: Any, how: tuple[Any, Any], mark: Path, asked: tuple[str, Path | None]) -> Any:
    """The result, under a mark that says what runs; `how`: setting, backend; `asked`: title, store of the user's."""
    from planners.search.live import STORE, mark_text
    from planners.search.run import open_store, search
    from planners.search.steered import held, steered
    from reports.files import write_text

    (setting, where), (title, store) = how, asked
    with open_store(store or mark.parent / STORE, problem) as kept, steered(mark, setting.progress) as update:
        own = kept.prefix if store is None else None
        write_text(mark, mark_text(problem, setting, (title, chosen.name), own, going_on()))
        with held(mark):
            return search(problem, chosen, replace(setting, progress=update), kept, where)


def going_on() -> str:
    """The command of this process with `--resume`, for people to read."""
    import shlex
    import sys

    words = [word for word in sys.argv[1:] if word != "--resume"]
    return shlex.join(["simcore", *words, "--resume"])


JOURNAL = b'{"op_cod'
"""how a journal of Optuna begins"""


def claim_all(folder: Path, journal: Path | None) -> None:
    """Raise InputError before the work where its files could not be written."""
    from reports.files import own_file
    from reports.output import claim
    from reports.search import SEARCH_NAMES

    claim(folder, SEARCH_NAMES)
    if journal is not None:
        own_file(journal, JOURNAL)


def write_journal(file: Path | None, result: Any, name: str) -> None:
    """The evaluations as an Optuna study where one is wanted, whole or not at all."""
    from planners.search.exported import export
    from reports.files import part_of

    if file is None:
        return
    with part_of(file) as part:
        part.unlink(missing_ok=True)
        export(result, name, part)


def compare(
    scenario: Question,
    changes: Set = None,
    vary: Vary = None,
    methods: Annotated[str, typer.Option(help="Names separated by commas.")] = "random,sobol,mutation,reinforce",
    budget: Annotated[int, typer.Option(min=2)] = 200,
    seeds: Annotated[int, typer.Option(help="Runs per method.", min=1)] = 10,
    draws: Annotated[int, typer.Option(help="Random settings per method, the lottery.", min=0)] = 0,
    truth: Annotated[bool, typer.Option("--truth", help="Walk the whole grid for the true frontier.")] = False,
    backend: BackendName = None,
    address: Address = None,
    out: Out = None,
    store: StoreFolder = None,
    allow_code: AllowCode = False,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Judge methods at equal budgets, seeds and draws."""
    from dataclasses import asdict

    from commands.terminal import print_json, print_table, progress
    from planners.search.compare import Contest
    from planners.search.compare import compare as contest_of
    from planners.search.run import open_store
    from planners.search.study import problem_of
    from planners.search.truth import truth as walk
    from reports.output import claim
    from reports.search import COMPARE_NAMES, comparison_cells, write_comparison

    read = asked_for(scenario, changes, vary)
    folder = out or Path("out") / f"{read.name}-compare"
    claim(folder, COMPARE_NAMES)
    problem = problem_of(read, allow_code)
    names = tuple(name.strip() for name in methods.split(",") if name.strip())
    with progress(quiet or as_json, read.name) as update, engine(backend, address, None) as where:
        contest = Contest(names, budget, tuple(range(seeds)), draws, progress=update)
        known = walk(problem) if truth else None
        with open_store(store or folder / "store", problem) as kept:
            found = contest_of(problem, contest, known, kept, where)
    write_comparison(folder, found, read.title or read.name, pictures)
    if as_json:
        print_json({"rows": [_plain(asdict(row)) for row in found.rows], "left_out": found.left_out})
    elif not quiet:
        header, cells = comparison_cells(found)
        print_table(header, cells, f"hypervolume ratio at {budget} evaluations, {seeds} seeds", ("method",))
        for name, reason in found.left_out.items():
            print(f"left out: {name}: {reason}")
        print(f"page: {folder / 'compare-methods.html'}")


def merge(
    folder: Annotated[Path, typer.Argument(help="Store to fill.")],
    sources: Annotated[list[Path] | None, typer.Argument(help="Stores to take answers from.")] = None,
    compact: Annotated[bool, typer.Option("--compact", help="Then one file per evaluator.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Put the answers of several stores into one."""
    from commands.terminal import print_json
    from planners.search.store import compact as tidy
    from planners.search.store import merge as join

    added, gone = join(folder, sources or []), tidy(folder) if compact else 0
    if as_json:
        print_json({"verb": "search merge", "folder": str(folder), "added": added, "merged_away": gone})
    elif not quiet:
        print(f"{added} shards added to {folder}" + (f"\n{gone} shards merged away" if compact else ""))


def methods(as_json: Json = False) -> None:
    """The search methods and their settings."""
    from commands.terminal import print_json, print_table
    from planners.search.method import METHODS, method

    found = [method(name) for name in METHODS]
    if as_json:
        print_json([{"name": m.name, "about": m.about, "settings": m.tunables and m.tunables.names} for m in found])
        return
    rows = [[m.name, m.about, ", ".join(m.tunables.names) if m.tunables else ""] for m in found]
    print_table(["method", "about", "settings"], rows, left=("method", "about", "settings"))


def reference(
    docs: Annotated[Path, typer.Option(help="Markdown file to write.")] = Path("docs/search.md"),
    seeds: Annotated[int, typer.Option(min=2)] = 10,
    draws: Annotated[int, typer.Option(min=0)] = 3,
    plan_space: Annotated[Path | None, typer.Option(help="File of a reference space of serving plans.")] = None,
    keep: Annotated[Path, typer.Option(help="Keeps what walking a grid has found.")] = Path("out/search-reference"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compare every method and write docs/search.md.

    An hour, most of it for the first walk over the grids, which is kept.
    """
    from commands.search_reference import write_reference
    from commands.terminal import print_written, progress

    with progress(quiet, "reference") as update:
        write_reference(docs, (seeds, draws), plan_space, keep, update)
    print_written("search reference", [docs], as_json, quiet)


def asked_for(file: Path, changes: list[str] | None, vary: list[str] | None) -> Any:
    """The question of a file with keys set and axes added; notices go to standard error. Raises InputError."""
    from planners.search.study import read_search
    from scenarios.read import parse_set, parse_vary
    from simcore.errors import InputError
    from simcore.spec.scenario import Scenario

    found = read_search(file, parse_set(changes or ()))
    if not isinstance(found, Scenario):
        if vary:
            raise InputError("has no keys of a scenario", file=str(file), key="--vary", fix="change the file's [space]")
        return found
    if vary:
        found = found.set({"vary": {**found.vary, **parse_vary(vary)}})
    for note in found.notes:
        typer.echo(f"simcore: {note}", err=True)
    return found


@contextmanager
def engine(name: str | None, address: str | None, workers: int | None) -> Iterator[Any]:
    """The backend, closed afterwards; this process unless something else is asked for."""
    from planners.search.backend import backend
    from simcore.errors import InputError

    if address is not None and name not in ("dask", "ray"):
        raise InputError("is of a cluster", key="--address", fix="give --backend dask or ray too")
    if workers is not None and workers > 1 and name == "serial":
        raise InputError("work side by side", key="--workers", fix="leave --backend serial out")
    found = backend(name or ("joblib" if workers and workers > 1 else "serial"), address, workers)
    try:
        yield found
    finally:
        found.close()


def shard_of(text: str) -> tuple[int, int]:
    """ "2/8" as (1, 8). Raises InputError."""
    from simcore.errors import InputError

    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise InputError(f"{text!r} is not a part", key="--shard", fix="write for example 2/8")
    return int(part) - 1, int(parts)


def check_resume(mark: Path, resume: bool) -> None:
    """An unfinished search is resumed on request only, and only an unfinished one."""
    from simcore.errors import InputError

    if mark.exists() and not resume:
        raise InputError("an unfinished search lies here", file=str(mark.parent), fix="give --resume, or another --out")
    if resume and not mark.exists():
        raise InputError("there is no unfinished search", file=str(mark.parent), fix="leave --resume out")


def report(result: Any) -> dict[str, Any]:
    """A result as plain data."""
    from planners.search.rows import frontier_rows

    good = int((result.violation <= 0).sum())
    return {
        "method": result.method,
        "seed": result.seed,
        "feasible": good > 0,
        "reason": None if good else "no feasible point was found",
        "evaluations": len(result.units),
        "evaluated_now": result.evaluated,
        "feasible_evaluations": good,
        "hypervolume": result.hypervolume,
        "objectives": [o.name for o in result.problem.objectives],
        "frontier": frontier_rows(result),
        "knee": result.knee,
    }


def show(result: Any, folder: Path) -> None:
    """The frontier as a table."""
    from commands.terminal import print_table
    from reports.search import frontier_cells

    feasible = int((result.violation <= 0).sum())
    known = len(result.units) - result.evaluated
    print(f"{len(result.units):,} evaluations ({known:,} already known), {feasible:,} feasible")
    if not feasible:
        print("no feasible point was found: loosen the constraints or search longer")
        return
    header, cells = frontier_cells(result)
    aims = len(result.problem.objectives)  # first: on a narrow screen the last columns go
    header, cells = [*header[-aims:], *header[:-aims]], [[*line[-aims:], *line[:-aims]] for line in cells]
    print_table(header, cells, f"frontier, method {result.method}, seed {result.seed}")
    print(f"page: {folder / 'search.html'}")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in row.items()}
