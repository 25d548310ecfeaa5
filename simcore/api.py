"""The public face: names in, typed results out. Looks upward, lazily; the work is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.registry import register
from simcore.result import Result, ResultTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from planners.comparing import Compared
    from planners.evaluate import Evaluator
    from planners.search.run import SearchResult
    from planners.sizing import Sized
    from planners.summary import SweepSummary
    from planners.sweep import Progress
    from scenarios.simulate import Simulated
    from scenarios.train import Trained
    from simcore.spec.scenario import Scenario

__all__ = [
    "capacity",
    "compare",
    "estimate",
    "evaluator",
    "read",
    "register",
    "report",
    "resolve",
    "scenario",
    "search",
    "simulate",
    "size",
    "sweep",
    "train",
]


def resolve(kind: str, name: Any, folder: str | Path = ".") -> Any:
    """A spec by kind (chip, node, cluster, system, model, traffic, economics) and name, path or table.

    Paths are relative to `folder`; see `scenarios.names`. Raises UnknownName and InputError.
    """
    if kind == "economics":
        import hardware_specs

        return hardware_specs.economics(name)
    from scenarios.names import resolve as look_up

    return look_up(kind, name, folder).value


def cost_model(chip: Any, stack: Any) -> Any:
    """The cost model of a (chip or its name, stack)."""
    from scenarios.stacks import cost_model as found

    return found(chip, stack)


def evaluator(systems: tuple[str, ...] | list[str]) -> Evaluator:
    """An evaluator over named systems: `evaluator(["h100-sxm"])(base, columns)`."""
    from planners.evaluate import Evaluator
    from simcore.spec.arguments import names

    return Evaluator({name: resolve("system", name) for name in names(systems, "systems")}, cost_model)


def read(path: str | Path) -> Scenario:
    """The scenario of a file (schema scenario/2; older ones are read with a notice). Raises InputError."""
    from scenarios.read import read as found

    return found(path)


def scenario(model: Any, system: Any = None, *, chip: Any = None, **more: Any) -> Scenario:
    """A scenario from names, paths or tables: `scenario("llama-3.1-70b", "h200-sxm", tp=4, batch=64)`.

    Keywords are degrees and formats of the plan, `stack`, the traffic's keys (`batch`, `users`, `rate_per_s`,
    `input_tokens`, `output_tokens`, `traffic` for a named one), and whole tables (`policy`, `economics`, `slo`, ...).
    Raises InputError for unknown names and fields.
    """
    from scenarios.build import from_names

    return from_names(model, system if chip is None else chip, more)


def estimate(question: Any, system: Any = None, **arguments: Any) -> Result:
    """Steady state of a scenario (a `Scenario`, a path, or names as in `scenario`), with its breakdown.

    >>> import simcore
    >>> result = simcore.estimate("llama-3.1-70b", "h100-sxm", tp=8, batch=16, input_tokens=2048, output_tokens=256)
    >>> 0.005 < result.tpot_s < 0.05
    True
    """
    from dataclasses import replace

    from planners.estimate import estimate as found_for

    found = found_for(asked(question, system, arguments))
    numbers = {k: v for k, v in found.flat.items() if not isinstance(v, list | dict)}
    values = {**{k: v for k, v in numbers.items() if v is not None}, **found.result.values}
    notes = tuple(dict.fromkeys((*found.resolved.notes, *found.result.notes)))
    return replace(found.result, values=values, notes=notes)


def simulate(question: Any, system: Any = None, seeds: int = 1, **arguments: Any) -> Simulated:
    """A scenario's traffic served request by request; `.result` has the fields of every verb, `.report` all of it.

    >>> import simcore
    >>> found = simcore.simulate("llama-3.1-8b", "h100-sxm", users=4, requests=20, input_tokens=512, output_tokens=32)
    >>> found.result.served
    20
    """
    from scenarios.simulate import simulate as found_for

    return found_for(asked(question, system, arguments), seeds)


def capacity(question: Any, system: Any = None, find: str = "rate", **arguments: Any) -> dict[str, Any]:
    """The highest rate, or the fewest replicas, within the SLO of a scenario."""
    from scenarios.capacity import capacity as found_for

    return found_for(asked(question, system, arguments), find)


def train(question: Any, **changes: Any) -> Trained:
    """One optimizer step of a scenario with [training] (a `Scenario` or a path); `.flat` has the fields of `--json`.

    >>> import simcore
    >>> q = simcore.scenario("llama-3.1-8b", "dgx-h100", dp=8).set({"traffic": None, "training": {
    ...     "recipe": "pretrain-bf16", "global_batch": 128, "sequence_tokens": 4096, "zero": 3}})
    >>> 0.3 < simcore.train(q).flat["mfu_ratio"] < 0.8
    True
    """
    from scenarios.train import train_scenario

    scenario = asked(question, None, {})
    return train_scenario(scenario.set(changes) if changes else scenario)


def size(model: str, on: Iterable[str], ttft: str, tpot: str, **more: Any) -> Sized:
    """Which of the systems `on` and which plan serve a model within bounds at the least cost; see `simcore size`.

    `more` as fields of `planners.sizing.SizeQuestion`: `traffic` (a table as [traffic]; 1,024 tokens in and 256 out
    unless told), `rate_per_s`, `budget_usd_per_hour`, `attainment`, `stack`, `settings`, `vary`. Raises InputError.
    """
    from planners.sizing import SizeQuestion
    from planners.sizing import size as found_for
    from simcore.spec.arguments import names

    traffic = more.pop("traffic", {"input_tokens": 1024, "output_tokens": 256})
    return found_for(SizeQuestion(model, names(on, "on"), traffic, ttft, tpot, **more))


def compare(*sides: str | Path | Scenario, by: str = "simulate", seeds: int = 1) -> tuple[Compared, ...]:
    """Scenarios, scenario files or folders of finished runs, each against the first; see `simcore compare`."""
    from planners.comparing import compare as found_for
    from planners.comparing.sides import of_scenario, read_side
    from simcore.spec.arguments import path
    from simcore.spec.scenario import Scenario

    read_in = [
        of_scenario(one, one.name, by, seeds) if isinstance(one, Scenario) else read_side(path(one, "sides"), by, seeds)
        for one in sides
    ]
    return found_for(read_in)


def asked(question: Any, system: Any, arguments: dict[str, Any]) -> Scenario:
    """A scenario from whatever a verb was given: a `Scenario`, the path of a file, or names with keywords."""
    from simcore.spec.scenario import Scenario

    if isinstance(question, Scenario):
        return question.set(arguments) if arguments else question
    if system is None and "chip" not in arguments and isinstance(question, str | Path):
        found = read(question)
        return found.set(arguments) if arguments else found
    return scenario(question, system, **arguments)


@dataclass(frozen=True)
class SweepOutcome:
    """A finished sweep: the summary, and where its files are if a folder was given."""

    summary: SweepSummary
    folder: Path | None
    rows: ResultTable | None
    """every row, where no folder was given"""

    @property
    def table(self) -> Any:
        """Every evaluated plan as a pandas DataFrame."""
        import pandas

        return self.rows.to_pandas() if self.rows else pandas.read_parquet(self.folder / "results.parquet")  # type: ignore[operator]

    @property
    def frontier(self) -> Any:
        """Non-dominated plans on target as a pandas DataFrame; empty if there is none."""
        import pandas

        return self.summary.frontier.to_pandas() if self.summary.frontier else pandas.DataFrame()


def sweep(
    question: Any,
    system: Any = None,
    vary: dict[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    answered: Callable[[Any], None] | None = None,
    pictures: bool = False,
    **arguments: Any,
) -> SweepOutcome:
    """Evaluate every plan of a scenario's [vary]; with `out`, results, frontier and report.html, with `pictures` its
    figures as PNG, SVG and CSV.

    `answered` is given the summary as soon as it is there, before anything is drawn.
    """
    from planners.sweep import prepare
    from simcore.result import concatenate
    from simcore.spec.arguments import table

    read_in = asked(question, system, arguments)
    prepared = prepare(read_in.set({"vary": {**read_in.vary, **table(vary, "vary")}}) if vary else read_in)
    if out is None:
        tables: list[ResultTable] = []
        summary = prepared.run(tables.append, progress)
        return SweepOutcome(summary, None, concatenate(tables))
    from reports.files import parquet_sink
    from reports.output import output_folder
    from reports.sweep import NAMES, write_pages

    with output_folder(out, "sweep", NAMES) as stage:
        with parquet_sink(stage / "results.parquet") as sink:
            summary = prepared.run(sink, progress)
        if answered is not None:
            answered(summary)
        write_pages(stage, prepared.pages(summary), pictures)
    return SweepOutcome(summary, Path(out), None)


def search(
    question: Any,
    system: Any = None,
    *,
    vary: dict[str, Any] | None = None,
    method: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
    allow_code: bool = False,
    **arguments: Any,
) -> SearchResult:
    """Search the [vary] of a scenario (a `Scenario`, a path, or names as in `scenario`); what is not given is its own.

    Answers are kept in the folder `store` and found there again; without it they live in memory. A search/1 file whose
    answers come from a Python function is refused unless `allow_code`. Raises InputError.
    """
    from planners.search.method import method as named
    from planners.search.run import Setting, open_store
    from planners.search.run import search as run
    from planners.search.study import problem_of, read_search
    from simcore.spec.arguments import table

    is_file = system is None and "chip" not in arguments and isinstance(question, str | Path)
    read = read_search(question, arguments) if is_file else asked(question, system, arguments)
    if vary:
        read = read.set({"vary": {**read.vary, **table(vary, "vary")}})  # type: ignore[union-attr]
    problem, own = problem_of(read, allow_code), read.search
    settings = own.settings if method in (None, own.method) else {}
    setting = Setting(
        budget=own.budget if budget is None else budget,
        seed=own.seed if seed is None else seed,
        batch=own.batch,
        method_settings=settings,
        progress=progress,
    )
    return run(
        problem, named(own.method if method is None else method), setting, open_store(store, problem) if store else None
    )


def report(folder: str | Path, pictures: bool = False) -> Path:
    """Write report.html of a finished sweep again, from its results.parquet and study.json."""
    from planners.study import Study
    from planners.sweep import prepare
    from reports.files import read_tables
    from reports.output import output_folder
    from reports.sweep import write_pages
    from simcore.spec.arguments import path
    from simcore.spec.load import build, read_json
    from simcore.spec.scenario import Scenario

    where = path(folder, "folder")
    study = build(Study, read_json(where / "study.json"), str(where / "study.json"))
    question = build(Scenario, study.scenario, str(where / "study.json"))
    prepared = prepare(question.replace(file=study.file))
    summary = prepared.restore(read_tables(where / "results.parquet"))
    with output_folder(where, "sweep", keep=("results.parquet",)) as stage:
        write_pages(stage, prepared.pages(summary), pictures)
    return where / "report.html"
