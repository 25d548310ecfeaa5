"""The public face: names in, typed results out. Looks upward, lazily; the work is done elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import InputError
from simcore.registry import register
from simcore.result import Result, ResultTable
from simcore.spec.case import Case

if TYPE_CHECKING:
    from planners.evaluate import Evaluator
    from planners.search.run import SearchResult
    from planners.study import Study
    from planners.sweep import Progress, Resolve, SweepSummary

__all__ = ["estimate", "evaluator", "register", "report", "resolve", "scenario", "search", "sweep"]
STACKS = ("datasheet", "vllm", "trtllm", "sglang", "roofline")
PLAN_FIELDS = ("tp", "pp", "dp", "attention_dp", "ep", "cp", "sp", "weights", "experts", "activations", "kv")


def resolve(kind: str, name: Any, folder: str | Path = ".") -> Any:
    """A spec by kind (chip, node, cluster, system, model, traffic, economics) and name, path or table.

    Paths are relative to `folder`; see `scenarios.names`. Raises UnknownName and InputError.
    """
    if kind == "economics":
        import hardware_specs

        return hardware_specs.economics(name)
    from scenarios.names import resolve as look_up

    return look_up(kind, name, folder).value


def cost_model(chip: Any, stack: str) -> Any:
    """The cost model of a (chip or its name, stack)."""
    from scenarios.stacks import cost_model as found

    return found(chip, stack)


def evaluator(systems: tuple[str, ...] | list[str]) -> Evaluator:
    """An evaluator over named systems: `evaluator(["h100-sxm"])(base, columns)`."""
    from planners.evaluate import Evaluator

    return Evaluator({name: resolve("system", name) for name in systems}, cost_model)


def beside(file: str | Path) -> Resolve:
    """`resolve` for the names in a file: paths are relative to its folder."""
    folder = Path(file).parent
    return lambda kind, name: resolve(kind, name, folder)


def scenario(
    model: str,
    chip: str,
    *,
    batch: int = 1,
    input_tokens: float = 1024,
    output_tokens: float = 128,
    traffic: str | None = None,
    stack: str = "datasheet",
    policy: dict[str, Any] | None = None,
    economics: dict[str, Any] | None = None,
    **plan: Any,
) -> Case:
    """A scenario from names. `plan` takes tp, pp, dp, attention_dp, ep, cp, sp, weights, experts, activations, kv.

    Fixed lengths, or the lengths of named `traffic`. Raises InputError for unknown names and fields.
    """
    from simcore.errors import suggest
    from simcore.spec.demand import Demand, fixed
    from simcore.spec.load import build
    from simcore.spec.plan import ParallelPlan, checkpoint_formats
    from simcore.spec.policy import ServingPolicy

    for name in plan:
        if name not in PLAN_FIELDS:
            raise InputError(f"unknown argument {name!r}", fix=suggest(name, PLAN_FIELDS))
    if input_tokens <= 0 or output_tokens <= 0 or batch < 1:
        raise InputError("input_tokens, output_tokens and batch must be positive")
    spec = resolve("model", model)
    demand = Demand(name="fixed", input=fixed(input_tokens), output=fixed(output_tokens))
    return Case(
        model=spec,
        system=resolve("system", chip),
        plan=build(ParallelPlan, checkpoint_formats(spec, plan), "plan"),
        policy=build(ServingPolicy, policy or {}, "policy"),
        demand=resolve("traffic", traffic) if traffic else demand,
        economics=resolve("economics", "default").changed(economics or {}, "economics"),
        batch=batch,
        stack=stack,
    )


def estimate(model: str, chip: str, **arguments: Any) -> Result:
    """Steady state of one plan, with its breakdown; arguments as in `scenario`.

    >>> import simcore
    >>> result = simcore.estimate("llama-3.1-70b", "h100-sxm", tp=8, batch=16, input_tokens=2048, output_tokens=256)
    >>> 0.005 < result.tpot_s < 0.05
    True
    """
    from dataclasses import replace

    question = scenario(model, chip, **arguments)
    found = evaluator([chip]).one(question)
    return replace(found, notes=(*name_notes(model=model, system=chip), *found.notes))


def name_notes(**names: Any) -> tuple[str, ...]:
    """What to tell of names of one's own, by kind: `name_notes(system="h200-sxm")` where a file hides the shipped."""
    from scenarios.names import resolve as look_up

    return tuple(dict.fromkeys(note for kind, name in names.items() for note in look_up(kind, name).notes))


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


def sweep(study: str | Path | Study, out: str | Path | None = None, progress: Progress | None = None) -> SweepOutcome:
    """Evaluate every plan of a study; with `out`, write results.parquet, frontier.csv, plots and report.html there."""
    from planners.study import read_study
    from planners.sweep import prepare
    from simcore.result import concatenate

    read = read_study(study) if isinstance(study, str | Path) else study
    prepared = prepare(read, beside(read.file), cost_model)
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
        write_pages(stage, prepared.pages(summary))
    return SweepOutcome(summary, Path(out), None)


def search(
    study: str | Path,
    method: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
    allow_code: bool = False,
) -> SearchResult:
    """Search the space of a study (schema search/1); what is not given is the study's own.

    Answers are kept in the folder `store` and found there again; without it they live in memory. A study whose answers
    come from a Python function is refused unless `allow_code`. Raises InputError.
    """
    from importlib import import_module

    from planners.search.method import method as named
    from planners.search.run import Setting, open_store
    from planners.search.run import search as run
    from planners.search.study import read_search

    read = read_search(study)
    problem, own = import_module("commands.search").problem_of(read, allow_code), read.search
    settings = own.settings if method in (None, own.method) else {}
    setting = Setting(
        budget=own.budget if budget is None else budget,
        seed=own.seed if seed is None else seed,
        batch=own.batch,
        method_settings=settings,
        progress=progress,
    )
    return run(problem, named(method or own.method), setting, open_store(store, problem) if store else None)


def report(folder: str | Path) -> Path:
    """Draw the plots and report.html of a finished sweep again, from its results.parquet and study.json."""
    from planners.study import Study
    from planners.sweep import prepare
    from reports.files import read_tables
    from reports.output import output_folder
    from reports.sweep import write_pages
    from simcore.spec.load import build, read_json

    where = Path(folder)
    read = build(Study, read_json(where / "study.json"), str(where / "study.json"))
    prepared = prepare(read, beside(read.file), cost_model)
    summary = prepared.restore(read_tables(where / "results.parquet"))
    with output_folder(where, "sweep", keep=("results.parquet",)) as stage:
        write_pages(stage, prepared.pages(summary))
    return where / "report.html"
