"""`simcore plan precision`: which format for which layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import LEAST_S, Html, Json, Quiet, Set


def add_to(plan: typer.Typer) -> None:
    plan.command("precision")(precision)


def precision(
    problem: Annotated[Path, typer.Argument(help="Scenario with [asked] and [precision] (TOML).")],
    changes: Set = None,
    time_limit: Annotated[
        float | None, typer.Option(help="CPU seconds; the best found so far is kept.", min=LEAST_S)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the choice as a scenario, for every verb.")] = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """A format for every layer: the fastest under a bound on what it loses, or the least loss under one on time.

    With the program's lower bound and the best single format beside it. Exit code 1 where nothing keeps the bounds.
    """
    from commands.terminal import print_json, print_table
    from planners.precision import plan_precision
    from planners.precision.chosen import chosen_scenario
    from planners.precision.problem import problem_of, read_tables
    from reports.files import write_own
    from scenarios.read import parse_set
    from scenarios.toml import dumps

    raw = read_tables(problem, parse_set(changes or []))
    found = plan_precision(problem_of(raw, str(problem)), time_limit)
    if out is not None and found.plan is not None:
        text = dumps(chosen_scenario(raw, found.plan, str(problem)))
        write_own(out, text.encode("utf-8"), (problem,))
    answer: dict[str, Any] = {"verb": "plan precision", "feasible": found.plan is not None, **found.as_dict()}
    if found.plan is not None:
        answer["formats"] = list(found.plan.formats)
    if html is not None:
        from reports.page import write_own_page
        from reports.small_plans import precision_page, refused

        why = "; ".join(found.explanation)
        plan = found.plan
        page = (
            refused("plan precision", problem.stem, why)
            if plan is None
            else precision_page(problem.stem, found, runs(plan.formats))
        )
        write_own_page(html, page, (problem,))
    if as_json:
        print_json(answer)
    elif found.plan is None:
        print("; ".join(found.explanation))
    elif not quiet:
        print(f"{found.method}: {found.status}, gap {found.gap_ratio:.1%}, {found.cpu_s:.2f} CPU s")
        print_table(["what", "value"], [[k, f"{v:.6g}"] for k, v in found.metrics.items()], left=("what",))
        print(" ".join(runs(found.plan.formats)))
    if found.plan is None:
        raise typer.Exit(1)


def runs(formats: tuple[str, ...]) -> list[str]:
    """Layers of one format that follow each other.

    >>> runs(("fp8", "fp8", "int4"))
    ['0-1:fp8', '2:int4']
    """
    found: list[str] = []
    start = 0
    for at in range(1, len(formats) + 1):
        if at == len(formats) or formats[at] != formats[start]:
            found.append(f"{start}{'' if at - 1 == start else f'-{at - 1}'}:{formats[start]}")
            start = at
    return found
