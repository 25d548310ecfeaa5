"""The page of `plan training`: the best plans of a step, and the frontier of time and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.page import Axis, Notes, Page, Points, Table, Tiles
from reports.page.blocks import Block
from simcore.unit_text import seconds

SHOWN = ("tp", "pp", "dp", "vpp", "microbatch", "recompute", "tp_exchange", "sharded", "tp_overlap", "dp_overlap")
OFF = ("activations_off", "weights_off", "optimizer_off")
AXES = {
    "seconds per token": Axis("seconds of a step per token", True, False),
    "memory, GB": Axis("memory per chip, GB", True, False),
    "step, s": Axis("step, s", True, False),
    "tokens/s": Axis("tokens/s", True, True),
}


def page_of(title: str, answer: Any) -> Page:
    """The page from top to bottom."""
    found = answer.found
    notes = [Notes("Notes", answer.question.notes)] if answer.question.notes else []
    counts = Tiles([(f"{found.plans:,}", "plans"), (f"{found.feasible:,}", "fit in memory")])
    if not answer.best:
        return Page("plan training", title, f"None of {found.plans:,} plans fits.", (), [counts, *notes], is_no=True)
    best, *others = answer.best
    other = next((row for row in others if said(row) != said(best)), None)
    lines = [f"Runner-up: {said(other)}, {seconds(other['step_time_s'])}."] if other else []
    first = f"Best of {found.plans:,} plans: {said(best)}: a step of {seconds(best['step_time_s'])}, {told(best)}."
    blocks: list[Block] = [
        counts,
        points(answer),
        table("Best plans", answer.best),
        table("Frontier of time and memory", answer.frontier),
    ]
    return Page("plan training", title, first, lines, [*blocks, *notes])


def said(row: Mapping[str, Any]) -> str:
    """A plan in words."""
    degrees = [f"{name} {row[name]}" for name in ("tp", "pp", "dp", "vpp") if row[name] > 1] or ["one chip"]
    more = [f"microbatch {row['microbatch']}", f"recompute {row['recompute']}"]
    return ", ".join([*degrees, *more, *(f"{name[:-4]} offloaded" for name in OFF if row[name])])


def told(row: Mapping[str, Any]) -> str:
    """Its speed and memory."""
    return f"{row['tokens_per_s']:,.0f} tokens/s, {row['need_bytes'] / 1e9:.1f} GB per chip"


def points(answer: Any) -> Points:
    """The plans of both tables."""
    rows = {said(row): row for row in (*answer.frontier, *answer.best)}
    best = said(answer.best[0])
    columns: dict[str, Sequence[Any]] = {
        "key": list(rows),
        "plan": list(rows),
        **{name: [shown(row[name]) for row in rows.values()] for name in SHOWN},
        "seconds per token": [row["seconds_per_token"] for row in rows.values()],
        "memory, GB": [row["need_bytes"] / 1e9 for row in rows.values()],
        "step, s": [row["step_time_s"] for row in rows.values()],
        "tokens/s": [row["tokens_per_s"] for row in rows.values()],
        "mark": ["recommended" if name == best else "" for name in rows],
    }
    filters = [name for name in SHOWN if 1 < len(set(columns[name])) <= 16]
    return Points(
        "Plans",
        columns,
        AXES,
        "memory, GB",
        "tokens/s",
        colour="recompute",
        marks="mark",
        filters=filters,
        caption="The best plans and the frontier; click one for all of its numbers.",
    )


def shown(value: Any) -> Any:
    """A switch as a word."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Plans as rows."""
    cells: list[list[Any]] = []
    for row in rows:
        off = "+".join(name[:-4] for name in OFF if row[name]) or "-"
        step = (f"{row['step_time_s']:.4g}", float(row["step_time_s"]))
        again = f"{row['scheduled_step_time_s']:.4g}" if row.get("scheduled_step_time_s") else "-"
        speed = f"{row['tokens_per_s']:,.0f}"
        cells.append([*(str(shown(row[n])) for n in SHOWN), off, step, again, speed, f"{row['need_bytes'] / 1e9:.1f}"])
    header = [*SHOWN, "offloaded", "step s", "scheduled s", "tokens/s", "GB"]
    return Table(title, header, cells, ("recompute", "tp_exchange", "offloaded"), [said(row) for row in rows])
