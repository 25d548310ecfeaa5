"""`simcore plan policy`: a program for a scheduler's queue."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from commands.asked import LEAST_S, Json, Set


def add_to(plan: typer.Typer) -> None:
    plan.command("policy")(policy)


def policy(
    scenario: Annotated[Path, typer.Argument(help="Scenario with [objective] minimise: a figure of simulate.")],
    changes: Set = None,
    budget: Annotated[int, typer.Option(min=1, max=100_000, help="Programs to judge.")] = 120,
    seed: Annotated[int, typer.Option(help="Of the evolution.")] = 0,
    time_limit: Annotated[
        float | None, typer.Option(help="CPU seconds; the best found so far is kept.", min=LEAST_S)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the scenario with the program found.")] = None,
    as_json: Json = False,
) -> None:
    """Evolve the order of a queue: arithmetic on what a scheduler knows of a request, judged by simulate.

    Told on arrivals that took no part, beside the shipped schedulers; shortest-job knows outputs, which no server does.
    """
    from commands.terminal import print_json, print_table
    from planners.policies import PolicyQuestion, evolve
    from planners.policies.evolve import program_of
    from reports.files import write_own
    from scenarios.read import parse_set, read, read_raw
    from scenarios.toml import dumps
    from simcore.errors import InputError
    from simcore.spec.scenario import put

    given = parse_set(changes or [])
    question = read(scenario, given)
    if len(question.objective.minimise) != 1:
        what = "must name one figure"
        raise InputError(what, file=str(scenario), key="objective.minimise", fix='write ["ttft_p99_s"]')
    found = evolve(PolicyQuestion(question, question.objective.minimise[0], budget), seed, time_limit)
    if out is not None:
        raw = read_raw(scenario)[0]
        for key, value in {**given, **program_of(found.rank)}.items():
            put(raw, key, value)
        write_own(out, dumps({"schema": "scenario/2", **raw}).encode("utf-8"), (scenario,))
    if as_json:
        print_json({"verb": "plan policy", **asdict(found), "gain_ratio": found.gain_ratio})
        return
    rows = [["found", f"{found.held_out:.6g}"], *([name, f"{v:.6g}"] for name, v in found.baselines.items())]
    print(f"rank = {found.rank}")
    header = ["scheduler", question.objective.minimise[0]]
    print_table(header, rows, title="on arrivals that took no part", left=header[:1])
    print(f"{found.judged} programs judged, {found.refused} refused; {found.train:.6g} on the arrivals that judged")
