"""`simcore study`: published systems, rerun: list, run, check, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from commands.asked import Json, Quiet


class Studies(TyperGroup):
    """A group that takes a serving-study/1 file in place of a command, for one more release."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["table", *args]
        return super().resolve_command(ctx, args)


def register(app: typer.Typer) -> None:
    from commands.serving_study import study as table

    group = typer.Typer(help="Published systems, rerun.", no_args_is_help=True, cls=Studies)
    group.command("list")(list_studies)
    group.command("run")(run_studies)
    group.command("check")(check_study)
    group.command("show")(show_study)
    group.command("table", hidden=True)(table)
    app.add_typer(group, name="study")


Name = Annotated[str, typer.Argument(help="A study's name, the path of one, or `all`.")]


def list_studies(
    group: Annotated[str | None, typer.Option(help="training, devices, kernels, serving or extra.")] = None,
    as_json: Json = False,
) -> None:
    """Every shipped study with its group and title."""
    from commands.terminal import print_json, print_table
    from studies.catalogue import names, study

    found = [study(name) for name in names(group)]
    if as_json:
        keys = ("name", "group", "title", "missing")
        print_json({"studies": [{key: getattr(one, key) for key in keys} for one in found]})
        return
    rows = [[one.name, one.group, one.title, str(len(one.claims)), one.missing] for one in found]
    print_table(["study", "group", "title", "claims", "needs"], rows, left=("study", "group", "title", "needs"))


def run_studies(
    name: Name,
    out: Annotated[Path | None, typer.Option(help="Folder for studies.html, studies.json, studies.md.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; all cores unless told.", min=1)] = None,
    record: Annotated[bool, typer.Option(help="Rewrite docs/studies.md and studies/answers.json here.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Published, ours, gap, state and why of every claim.

    Exit code 1 where a gap has no explanation. With --out, what was finished is found again after a stop.
    """
    from commands.terminal import print_json, progress
    from reports.output import claim
    from studies.catalogue import chosen
    from studies.page import summary
    from studies.run import run

    claim(out, ("studies.json", "studies.md", "studies.html"))
    names = chosen(name)
    with progress(quiet or as_json, "studies") as update:
        outcomes = run(names, workers, out, update, is_checked=record)
    if out is not None:
        write(out, outcomes)
    if record:
        write_record(outcomes)
    if as_json:
        print_json({"studies": outcomes, "summary": summary(outcomes)})
    elif not quiet:
        show(outcomes)
    if any(one["state"] == "UNEXPLAINED" for one in outcomes):
        raise typer.Exit(1)


def check_study(name: Name, quiet: Quiet = False, as_json: Json = False) -> None:
    """The rules, the placebo, metrics that move nothing, and answers that are no more those of docs/studies.md."""
    from commands.terminal import print_json, progress
    from studies.catalogue import chosen
    from studies.run import checked, drift

    wrong, names = [], chosen(name)
    with progress(quiet or as_json, "studies") as update:
        for number, one in enumerate(names):
            found = checked(one)
            wrong += drift(found) if not one.endswith(".toml") else []
            update(number + 1, len(names))
    if as_json:
        print_json({"verb": "study check", "studies": names, "wrong": wrong})
    else:
        kept = [] if quiet or wrong else [f"{len(names)} studies keep their rules"]
        print("".join(f"{text}\n" for text in (*wrong, *kept)), end="")
    if wrong:
        raise typer.Exit(1)


def show_study(
    name: Name,
    scenario: Annotated[
        bool, typer.Option("--scenario", help="The scenario file of the system, to go on with.")
    ] = False,
    variant: Annotated[str | None, typer.Option(help="Which variant; the first unless told.")] = None,
    as_json: Json = False,
) -> None:
    """A study's file; or one of its systems as a scenario of one's own."""
    from commands.terminal import print_json
    from scenarios.toml import dumps, value
    from simcore.errors import InputError
    from simcore.spec.load import read_toml
    from studies.answers import Point, scenario_of
    from studies.catalogue import study, text_of
    from studies.evaluators import ASKED, command_of
    from studies.kernel_evaluators import PROBLEM

    if not scenario:
        if variant is not None:
            raise InputError("is of a scenario", key="--variant", fix="give --scenario too")
        study(name)
        text = text_of(name)
        told = {"verb": "study show", "name": name, "study": read_toml(text, name)}
        print_json(told) if as_json else print(text, end="")
        return
    found = study(name)
    if found.ask is None:
        raise InputError(f"cannot be expressed yet: it needs {found.missing}", file=name)
    first = {key: values[0] for key, values in found.vary.items()}
    one = found.ask.variant(variant or found.ask.variants[0].label)
    raw = scenario_of(found.ask, Point(one.label, first))
    command, is_scenario = command_of(one.evaluator or found.ask.evaluator)
    title = f"{found.title}: {one.says or one.label}"
    options = {} if command == "simcore step" else raw.pop(ASKED, {})
    if command == "simcore plan experts":
        raw = {key: value for key, value in raw.items() if key in PROBLEM}
    if "tasks" in raw:
        file = {"schema": "tasks/1", "name": found.name, **raw}
    else:
        file = {"schema": "scenario/2", "name": found.name, **raw} if is_scenario else without_name(raw)
    if as_json:
        print_json({"verb": "study show", "name": name, "title": title, "command": command, "options": options,
                    "file": file})  # fmt: skip
        return
    print(f"# {title}\n# {found.paper.title} ({found.paper.id})\n# {command} FILE")
    if options:
        print(f"# with {', '.join(f'{key} {value(option)}' for key, option in options.items())}")
    print(dumps(file), end="")


def without_name(raw: dict[str, Any]) -> dict[str, Any]:
    """A planner's own problem, which has none."""
    return {key: value for key, value in raw.items() if key != "name"}


def show(outcomes: list[dict[str, Any]]) -> None:
    """Tables for a person."""
    from commands.terminal import print_table
    from studies.page import figure, published, sentence, summary

    for one in outcomes:
        print(f"{one['name']} ({one['group']}): {one['state']}\n  {one['title']}\n  {one['paper']}")
        head = ["claim", "kind", "published", "ours", "gap %", "state"]
        rows = []
        for claim in one["claims"]:
            gap = "" if claim["gap_percent"] is None else f"{claim['gap_percent']:+.1f}"
            ours = figure(claim["ours"]) if claim["ours"] is not None else ""
            if claim["low"] is not None:
                ours += f" ({figure(claim['low'])} to {figure(claim['high'])})"
            rows.append([claim["says"], claim["kind"], published(claim), ours, gap, claim["state"]])
        print_table(head, rows, left=("claim", "kind", "state"))
        for claim in one["claims"]:
            if claim["state"] != "reproduced" and sentence(claim):
                print(f"  {claim['says']}: {sentence(claim)}")
        for text in one["problems"]:
            print(f"  broken: {text}")
    told = summary(outcomes)
    states = ", ".join(f"{count} {state}" for state, count in told["states"].items())
    print(f"{len(outcomes)} studies: {states}; headline {told['headline']}, inner {told['inner']}")


def write(out: Path, outcomes: list[dict[str, Any]]) -> None:
    """studies.json, studies.md with a picture per group, and studies.html, as one set."""
    import json

    from reports.files import write_bytes, write_text
    from reports.output import output_folder
    from reports.page import write_page
    from reports.studies import draw, page_of, rows_of
    from studies.form import GROUPS
    from studies.page import page, summary

    with output_folder(out, "study") as stage:
        title = outcomes[0]["title"] if len(outcomes) == 1 else "Published systems, rerun"
        write_page(stage, "studies.html", page_of(title, outcomes, summary(outcomes)))
        write_text(stage / "studies.json", json.dumps({"studies": outcomes, "summary": summary(outcomes)}, indent=1))
        write_text(stage / "studies.md", page(outcomes))
        for group in GROUPS:
            if rows_of(outcomes, group):
                write_bytes(stage / f"studies-{group}.svg", draw(outcomes, group))


def write_record(outcomes: list[dict[str, Any]]) -> None:
    """docs/studies.md with its pictures, and the answers that the drift test holds on to. Raises InputError."""
    import json

    from reports.files import write_bytes, write_text
    from reports.studies import draw, rows_of
    from simcore.errors import InputError
    from studies.form import GROUPS
    from studies.page import page

    if not Path("docs").is_dir() or not Path("studies").is_dir():
        raise InputError("is for a checkout of the project", key="--record", fix="run it in the project's folder")
    broken = [text for one in outcomes for text in one["problems"]]
    if broken:
        raise InputError("; ".join(broken), key="--record", fix="mend these studies")
    kept = {one["name"]: {claim["says"]: claim["ours"] for claim in one["claims"]} for one in outcomes}
    write_text(Path("studies/answers.json"), json.dumps(kept, indent=1, sort_keys=True) + "\n")
    write_text(Path("docs/studies.md"), page(outcomes))
    for group in GROUPS:
        if rows_of(outcomes, group):
            write_bytes(Path(f"docs/studies-{group}.svg"), draw(outcomes, group))
