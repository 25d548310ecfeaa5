"""Tables and figures of a serving study."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from reports.files import write_text
from reports.output import output_folder
from reports.style import PALETTE, figure, save

NAMES = ("table.csv", "table.md")


def write_study(folder: Path, plan: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """table.csv, table.md and one figure per entry of `figures` (x, y as dotted columns)."""
    with output_folder(folder, "study", NAMES) as stage:
        _write(stage, plan, rows)


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
    for number, one in enumerate(plan.get("figures", [])):
        name = draw(folder, f"figure-{number + 1}", one, rows)
        lines += ["", f"![{one.get('title', '')}]({name})"]
    write_text(folder / "table.md", "\n".join(lines) + "\n")


def shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def draw(folder: Path, name: str, one: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """One line per variant, `y` against `x`."""
    fig, axes = figure(7.5, 4.2)
    axis = axes[0][0]
    for color, variant in zip(PALETTE, dict.fromkeys(row["variant"] for row in rows), strict=False):
        mine = [row for row in rows if row["variant"] == variant and one["x"] in row and one["y"] in row]
        axis.plot([r[one["x"]] for r in mine], [r[one["y"]] for r in mine], "o-", color=color, label=variant)
    axis.set(xlabel=one.get("x_label", one["x"]), ylabel=one.get("y_label", one["y"]), title=one.get("title", ""))
    axis.set_yscale(one.get("scale", "linear"))
    axis.legend(frameon=False)
    save(fig, folder, name)
    return f"{name}.svg"
