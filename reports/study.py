"""Tables and the page of a serving study."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from reports.files import write_text
from reports.output import output_folder
from reports.page import Axis, Lines, Page, Ranges, Table, write_page

NAMES = ("table.csv", "table.md", "study.html")


def write_study(folder: Path, plan: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """table.csv, table.md and study.html, with one figure per entry of `figures` (x, y as dotted columns)."""
    with output_folder(folder, "study", NAMES) as stage:
        _write(stage, plan, rows)
        write_page(stage, "study.html", page_of(plan, rows))


def _write(folder: Path, plan: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    import io

    header = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    out = csv.DictWriter(text, header, lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    write_text(folder / "table.csv", text.getvalue())
    lines = [f"# {plan.get('title', plan['name'])}", ""]
    if claim := plan.get("claim"):
        lines += [f"Claim: {claim}", ""]
    lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(shown(row.get(key)) for key in header) + " |" for row in rows]
    write_text(folder / "table.md", "\n".join(lines) + "\n")


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def page_of(plan: dict[str, Any], rows: list[dict[str, Any]]) -> Page:
    """The page from top to bottom."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[shown(row.get(key)) for key in header] for row in rows]
    lines = [f"Claimed: {plan['claim']}."] if plan.get("claim") else []
    blocks: list[Any] = [drawn(number, one, rows) for number, one in enumerate(plan.get("figures", []), 1)]
    blocks.append(Table("Runs", header, cells, left=("variant",)))
    return Page("study", plan.get("title", plan["name"]), answer(rows), lines, blocks)


def answer(rows: list[dict[str, Any]]) -> str:
    """Which run had the most of what was measured."""
    told = f"{len(rows)} runs of {len({row['variant'] for row in rows})} variants"
    name = next((name for name in ("capacity_requests_per_s", "throughput_tokens_per_s") if name in rows[0]), None)
    if name is None:
        return f"{told}."
    best = max(rows, key=lambda row: row.get(name) or 0.0)
    words = name.removesuffix("_per_s").replace("_", " ")
    return f"{told}; the most, {best.get(name) or 0.0:.4g} {words}/s, by {best['variant']}."


def drawn(number: int, one: dict[str, Any], rows: list[dict[str, Any]]) -> Lines | Ranges:
    """One line per variant, `y` against `x`; dots where x is a word."""
    x, y = (Axis(one.get(f"{name}_label", one[name]), name == "y" and one.get("scale") == "log") for name in "xy")
    told = [row for row in rows if row.get(one["x"]) is not None and row.get(one["y"]) is not None]
    title = one.get("title") or f"Figure {number}: {y.label}"
    if any(not isinstance(row[one["x"]], int | float) for row in told):
        return Ranges(title, [(str(row[one["x"]]), row[one["y"]], None, None, row["variant"]) for row in told], y)
    series = []
    for variant in dict.fromkeys(row["variant"] for row in told):
        mine = sorted((row for row in told if row["variant"] == variant), key=lambda row: row[one["x"]])
        series.append((variant, [row[one["x"]] for row in mine], [row[one["y"]] for row in mine]))
    return Lines(title, series, x, y)
