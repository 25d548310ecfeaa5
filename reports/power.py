"""The page of a row's power: a day with thresholds and events, risk against servers and where loads are otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.page import Axis, Heat, Lines, Page, Table, Tiles
from reports.page.blocks import Block

MOST_POINTS = 700


def page_of(
    title: str, result: dict[str, Any], rows: Sequence[tuple[str, Any]], curve: Sequence[tuple[int, float]]
) -> Page:
    """The page from top to bottom; `rows` are (name, simulated days), `curve` is (servers, risk)."""
    table = result["rows"]
    planned = table[0]
    kinds = ", ".join(f"{n} {name} at {result['clock_ratio'][name]:.0%} clock" for name, n in result["servers"].items())
    first = f"The row feeds {planned['servers']:.0f} servers ({planned['added_ratio']:+.0%} over nameplate): {kinds}."
    lines = [result["words"][0].upper() + result["words"][1:] + "."]
    capped, brakes = planned.get("capped_share"), planned.get("brakes")
    if capped is not None:
        lines.insert(0, f"Under a controller it is capped {capped:.1%} of the time.")
    if len(table) > 1:
        lines.append(f"Under a controller, most: {table[1]['servers']:.0f} servers.")
    tiles = [] if capped is None else [(f"{capped:.1%}", "of the time capped")]
    tiles += [(f"{planned['servers']:.0f}", "servers"), (f"{planned['added_ratio']:+.0%}", "over nameplate")]
    tiles += [] if brakes is None else [(f"{brakes:.0f}", "brakes")]
    names = [name for name in planned if name != "row"]
    cells = [[name.replace("_", " "), *(f"{row[name]:.4g}" for row in table)] for name in names]
    header = ["over simulated days", *(row["row"] for row in table)]
    blocks: list[Block] = [
        Tiles(tiles),
        *(day(*row) for row in rows),
        risk(curve, result["servers"]),
        over(result["risk_over"]),
        Table("Simulated days", header, cells, left=header[:1]),
    ]
    return Page("plan power", title, first, lines, blocks)


def day(name: str, found: Any) -> Lines:
    """Power over the first day, its highest and its mean, with the thresholds."""
    trace, control = found.trace, found.control
    power = trace.power_w[: int(86_400 / trace.tick_s)] / trace.budget_w
    step = max(len(power) // MOST_POINTS, 1)
    bins = power[: len(power) // step * step].reshape(-1, step)
    hours = (np.arange(len(bins)) * step * trace.tick_s / 3600).tolist()
    rules = [(control.low_threshold, "cap low"), (control.high_threshold, "cap further"), (1.0, "budget")]
    series = [("highest", hours, bins.max(axis=1).tolist()), ("mean", hours, bins.mean(axis=1).tolist())]
    told = f"{trace.brakes} brakes, capped {np.mean(trace.level > 0):.1%} of the time."
    return Lines(
        f"A day, {name}", series, Axis("hour of the day"), Axis("power over budget"), across=rules, caption=told
    )


def risk(curve: Sequence[tuple[int, float]], servers: dict[str, int]) -> Lines:
    """Probability of exceeding the budget against the number of servers at the top clock."""
    series = [("risk", [n for n, _ in curve], [100 * r for _, r in curve])]
    return Lines(
        "Risk against servers",
        series,
        Axis("servers in the row, all at the top clock"),
        Axis("risk at the peak hour, %"),
        along=[(sum(servers.values()), "planned")],
    )


def over(found: Sequence[dict[str, Any]]) -> Heat:
    """Risk where loads go together more or less, and are busier or less."""
    loads = sorted({one["common_load"] for one in found})
    busy = sorted({one["busy_ratio"] for one in found})
    by_place = {(one["common_load"], one["busy_ratio"]): 100.0 * one["risk"] for one in found}
    cells = [[by_place[load, ratio] for ratio in busy] for load in loads]
    texts = [[f"{value:.2g} %" for value in line] for line in cells]
    return Heat(
        "Risk where loads are otherwise",
        [f"{b:g} x" for b in busy],
        [f"{load:g}" for load in loads],
        cells,
        texts,
        "busy shares",
        "correlation",
        caption="Risk at the peak hour.",
    )
