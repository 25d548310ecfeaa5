"""The page of `size`: the answer first, then what it was chosen from and what it rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from planners.sizing.words import HEADER, degrees, in_words, money, row
from reports import html
from reports.files import write_text
from reports.plots import colours_for
from reports.style import figure, save
from simcore.unit_text import seconds

CAPTION = (
    "Every plan and load of the analytic engine that fits (dots), those within the bounds darker; rings are replayed "
    "plans, the square is the recommendation. Right and up is better."
)


def write_size(folder: Path, found: Any) -> None:
    """`size.html` and `size.csv`, with the figure as PNG and SVG."""
    svg = save(drawn(found), folder, "size-plans")
    rows = [row(found, one) for one in found.candidates]
    write_text(folder / "size.html", html.page(title(found), body(found, svg, rows)))


def title(found: Any) -> str:
    """What was asked."""
    asked = found.question
    return f"{asked.model}: TTFT within {asked.ttft}, TPOT within {asked.tpot}"


def body(found: Any, svg: str, rows: list[list[str]]) -> list[str]:
    """The page from top to bottom."""
    lines = in_words(found)
    first = html.paragraph(lines[0], "lead" if found.best else "warn")
    parts = [html.heading(title(found), 1), first, *(html.paragraph(line) for line in lines[1:])]
    if found.best is not None:
        parts.append(html.tiles(tiles(found)))
    parts += [html.heading("What it was chosen from"), html.figure(svg, CAPTION)]
    parts += [html.heading("Replayed request by request"), html.table(list(HEADER), rows, HEADER[:1])]
    rest = found.best or found.nearest_miss
    if rest is not None:
        parts.append(html.heading("What this rests on"))
        parts += [html.paragraph(note) for note in found.notes]
        assumed = [[text] for text in rest.answer.get("assumptions", ())]
        if assumed:
            parts.append(html.details(f"{len(assumed)} assumed numbers", html.table(["assumed"], assumed, ["assumed"])))
    return parts


def tiles(found: Any) -> list[tuple[str, str]]:
    """The figures of the recommendation."""
    best, answer = found.best, found.best.answer
    watts = answer.get("server_power_w")
    return [
        (degrees(best), "plan"),
        (f"{best.chips}", "chips"),
        (money(best.usd_per_hour), "USD per hour"),
        (seconds(answer.get("ttft_p50_s")), "TTFT median"),
        (seconds(answer.get("tpot_p50_s")), "TPOT median"),
        (f"{best.tokens_per_chip_s:.0f}", "tokens/s per chip"),
        ("-" if watts is None else f"{watts:.0f} W", "servers, each chip's share"),
    ]


def drawn(found: Any) -> Any:
    """Tokens per second and chip against those of one user."""
    grid = found.grid
    fig, axes = figure(9.0, 5.0)
    ax = axes[0, 0]
    user = 1.0 / grid.number("tpot_s")
    chip = grid.number("throughput_per_chip_tokens_per_s")
    fits, good = grid.table.feasible, grid.within()
    for system, colour in colours_for(list(found.question.systems)).items():
        mine = grid.table["system"] == system
        ax.scatter(user[fits & mine], chip[fits & mine], s=12, color=colour, alpha=0.25, linewidths=0)
        ax.scatter(user[good & mine], chip[good & mine], s=16, color=colour, linewidths=0, label=system)
    for one in found.candidates:
        tpot_s = one.answer.get("tpot_p50_s")
        if tpot_s and one.tokens_per_chip_s:
            shape = "s" if one is found.best else "o"
            ax.plot(1.0 / tpot_s, one.tokens_per_chip_s, shape, markersize=9, markerfacecolor="none", color="#1d2733")
    ax.axvline(1.0 / grid.tpot_s, color="#566270", linewidth=1, linestyle=":")
    ax.set(xscale="log", yscale="log", xlabel="output tokens/s of one user", ylabel="output tokens/s per chip")
    ax.set_title("Speed for one user against output of a chip", loc="left")
    ax.legend(frameon=False, fontsize=8.5, loc="best")
    return fig
