"""`simcore tasks`: a written schedule of transfers, kernels and offloads, run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Quiet, Set


def register(app: typer.Typer) -> None:
    app.command()(tasks)


def tasks(
    schedule: Annotated[Path, typer.Argument(help="Schedule file (TOML, schema tasks/1); see docs/tasks.md.")],
    changes: Set = None,
    timeline: Annotated[Path | None, typer.Option(help="Write every task for Perfetto (JSON).")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run work that shares links, memories and engines; how long, what rules, what every store must hold.

    Exit code 1 where a store holds more than it has room for.
    """
    from commands.terminal import print_json
    from planners.tasks.answer import from_file
    from scenarios.read import parse_set

    found = from_file(schedule, parse_set(changes or ()))
    flat = found.flat
    if timeline is not None:
        from reports.files import write_own
        from reports.perfetto import as_text, of_tasks

        write_own(timeline, as_text(of_tasks(named(found))).encode("utf-8"), (schedule,))
    if as_json:
        print_json(flat)
    elif not quiet:
        show(flat)
    if not flat["feasible"]:
        raise typer.Exit(1)


def named(found: Any) -> list[tuple[str, str, float, float]]:
    """(engine, kind of task, begin, end) of every task of the run."""
    kind = {int(number): name for name, column in found.built.number.items() for number in column}
    return [(engine, kind[task], begin, end) for engine, task, begin, end in found.run.timeline()]


def show(flat: dict[str, Any]) -> None:
    """Tables for a person."""
    from commands.terminal import print_table

    if flat["reason"]:
        print(flat["reason"])
    bounds = ", ".join(f"{name.removesuffix('_s')} {value:.6g}" for name, value in flat["bounds"].items())
    print(f"{flat['tasks']} tasks, {flat['makespan_s']:.6g} s (at least: {bounds})")
    rows = [[name, f"{one['count']:g}", *(f"{one[key]:.6g}" for key in ("begin_s", "end_s", "busy_s"))]
            for name, one in flat["work"].items()]  # fmt: skip
    print_table(["work", "tasks", "begin s", "end s", "busy s"], rows, left=("work",))
    used = [[name, f"{ratio:.1%}"] for name, ratio in flat["utilisation_ratio"].items()]
    used += [[name, f"{1 - ratio:.1%}"] for name, ratio in flat["idle_ratio"].items()]
    used += [[name, f"{held / 1e9:.3f} GB held"] for name, held in flat["held_bytes"].items()]
    print_table(["resource, engine, store", "use"], used, left=("resource, engine, store",))
