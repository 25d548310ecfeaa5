"""`simcore plan stages` and `plan groups`: uneven pipeline stages; groups of chips for long and short sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import File, Html, Json, Quiet, Set, asked


def add_to(plan: typer.Typer) -> None:
    plan.command("stages")(stages)
    plan.command("groups")(groups)


def numbers(text: str | None, key: str) -> list[float]:
    """`1,1,0.5`. Raises InputError."""
    from simcore.errors import InputError

    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise InputError(f"{text!r} is no list of numbers", key=key, fix="write for example 1,1,0.5") from None


def stages(
    scenario: File,
    changes: Set = None,
    speeds: Annotated[str | None, typer.Option(help="Speed of each rank over the scenario's chip: 1,1,0.5.")] = None,
    memory: Annotated[str | None, typer.Option(help="GB of each rank: 80,80,40.")] = None,
    links: Annotated[Path | None, typer.Option(help="CSV: src_host, dst_host, bandwidth_MBps.")] = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Layers of every pipeline stage, and which rank runs it.

    For ranks that differ in speed, memory or links; with a lower bound and layers as even as can be.
    """
    from commands.terminal import print_json
    from planners.training.stages import plan_stages
    from planners.training.uneven import stages_of
    from scenarios.training import question_of

    question = question_of(asked(scenario, changes))
    problem = stages_of(question, numbers(speeds, "--speeds"), numbers(memory, "--memory"), links)
    found = plan_stages(problem, question.scenario.seed)
    if found is None:
        answer: dict[str, Any] = {"verb": "plan stages", "feasible": False, "reason": "no split of the layers fits"}
    else:
        times = {"pipeline_s": found.time_s, "even_pipeline_s": found.even_s, "bound_s": found.bound_s}
        split = {"stage_layers": list(found.layers), "rank_of_stage": list(found.order)}
        answer = {"verb": "plan stages", "feasible": True, **split, **times, "gap_ratio": found.gap_ratio}
    write_page(html, question.scenario, answer)
    if as_json:
        print_json(answer)
    elif not quiet:
        print("\n".join(f"{name}: {value}" for name, value in answer.items()))
    if found is None:
        raise typer.Exit(1)


def write_page(html: Path | None, scenario: Any, answer: dict[str, Any]) -> None:
    """The page of either planner, where one is wanted."""
    if html is None:
        return
    from reports.page import write_own_page
    from reports.small_plans import groups_page, refused, stages_page

    verb, title = answer["verb"], scenario.title or scenario.name
    made = stages_page if verb == "plan stages" else groups_page
    page = made(title, answer) if answer["feasible"] else refused(verb, title, answer["reason"])
    write_own_page(html, page, (Path(scenario.file),))


def groups(
    scenario: File,
    lengths: Annotated[str, typer.Option(help="Tokens of each sequence of a step: 1024,1024,65536, or N x TOKENS.")],
    changes: Set = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Groups of chips for sequences of unequal length (FlexSP).

    A mixed integer program against the best equal groups, with a lower bound.
    """
    from commands.terminal import print_json
    from planners.training.groups import plan_groups
    from planners.training.uneven import sequences_of
    from scenarios.training import question_of

    question = question_of(asked(scenario, changes))
    problem = sequences_of(question, read_lengths(lengths))
    found = plan_groups(problem)
    answer: dict[str, Any] = {"verb": "plan groups", "feasible": found is not None}
    if found is None:
        answer["reason"] = (
            f"the longest sequence fits no {problem.chips} chips of {problem.most_tokens:.0f} tokens each"
        )
    else:
        rows = [{"chips": degree, "tokens": list(own)} for degree, own in found.groups]
        times = {"time_s": found.time_s, "equal_groups_s": found.uniform_s, "bound_s": found.bound_s}
        answer |= {"groups": rows, **times, "gap_ratio": found.gap_ratio}
    write_page(html, question.scenario, answer)
    if as_json:
        print_json(answer)
    elif not quiet:
        for group in answer.pop("groups", []):
            print(f"{group['chips']} chips: {len(group['tokens'])} sequences, {sum(group['tokens']):,} tokens")
        print("\n".join(f"{name}: {value}" for name, value in answer.items()))
    if found is None:
        raise typer.Exit(1)


def read_lengths(text: str) -> list[int]:
    """`1024,3x4096`. Raises InputError."""
    from simcore.errors import InputError

    found: list[int] = []
    try:
        for part in text.split(","):
            times, cross, tokens = part.strip().partition("x")
            found += [int(tokens)] * int(times) if cross else [int(times)]
    except ValueError:
        raise InputError(
            f"{text!r} is no list of lengths", key="--lengths", fix="write for example 1024,3x4096"
        ) from None
    return found
