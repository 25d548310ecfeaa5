"""`simcore plan training`: the best of all plans of a training step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import File, Html, Json, Quiet, Set, asked


def add_to(plan: typer.Typer) -> None:
    plan.command("training")(training)


def training(
    scenario: File,
    changes: Set = None,
    by: Annotated[str, typer.Option(help="step_time_s, seconds_per_token (MFU, cost) or need_bytes.")] = "step_time_s",
    top: Annotated[int, typer.Option(help="How many of the best plans.", min=1, max=1000)] = 10,
    out: Annotated[Path | None, typer.Option(help="Write the best plans and the frontier (CSV).")] = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Search every plan of a model on `plan.chips` chips.

    Degrees, microbatch, recomputation, exchange, overlap, sharding, offload, networks: all of them, in one pass.
    """
    from commands.terminal import print_json
    from planners.training.ask import plan_training

    question = asked(scenario, changes)
    answer = plan_training(question, by, top)
    if out is not None:
        write(out, answer, scenario)
    if html is not None:
        from reports.page import write_own_page
        from reports.plan_training import page_of

        write_own_page(html, page_of(question.title or question.name, answer), (scenario,))
    if as_json:
        print_json(answer.as_dict())
    elif not quiet:
        show(answer)
    if not answer.best:
        raise typer.Exit(1)


def write(out: Path, answer: Any, scenario: Path) -> None:
    """Both tables as one CSV; `table` says which."""
    from reports.files import write_own

    rows = [{"table": name, **row} for name in ("best", "frontier") for row in getattr(answer, name)]
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name != "changes"]
    lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
    write_own(out, ("\n".join(lines) + "\n").encode("utf-8"), (scenario,))


SHOWN = ("tp", "pp", "dp", "vpp", "microbatch", "recompute", "tp_exchange", "sharded", "tp_overlap", "dp_overlap")


def show(answer: Any) -> None:
    """Tables for a person."""
    from commands.terminal import print_table

    found = answer.found
    print(f"{found.plans:,} plans, {found.feasible:,} fit")
    for title, rows in (("best", answer.best), ("frontier of seconds per token and memory", answer.frontier[:12])):
        cells = []
        for row in rows:
            again = row.get("scheduled_step_time_s")
            step = f"{row['step_time_s']:.4g}" + (f" ({again:.4g})" if again else "")
            off = (
                "+".join(name[:-4] for name in ("activations_off", "weights_off", "optimizer_off") if row[name]) or "-"
            )
            gb = f"{row['need_bytes'] / 1e9:.1f}"
            cells.append([*(str(row[name]) for name in SHOWN), off, step, f"{row['tokens_per_s']:,.0f}", gb])
        head = [*SHOWN, "offloaded", "step s (scheduled)", "tokens/s", "GB"]
        print_table(head, cells, title, left=("recompute", "tp_exchange", "offloaded"))
    for note in answer.question.notes:
        print(f"note: {note}")
