"""The files of a search and of a comparison of methods: tables as CSV and Markdown, figures, plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.files import write_text
from reports.output import output_folder
from reports.style import FAINT, INK, PALETTE, figure, save

SEARCH_NAMES = ("frontier.csv", "evaluations.csv", "search.json")


def write_search(folder: Path, result: Any, title: str) -> None:
    """frontier.csv, evaluations.csv, search.json, frontier.png/.svg and hypervolume.png/.svg as one set."""
    with output_folder(folder, "search", SEARCH_NAMES) as stage:
        _write_search(stage, result, title)


def _write_search(folder: Path, result: Any, title: str) -> None:
    header, cells = frontier_cells(result, digits=9)
    write_text(folder / "frontier.csv", csv(header, cells))
    write_text(folder / "evaluations.csv", evaluations(result))
    names = [o.name for o in result.problem.objectives]
    about = {
        "title": title,
        "method": result.method,
        "seed": result.seed,
        "evaluations": len(result.units),
        "objectives": names,
        "hypervolume": result.hypervolume,
        "space": result.problem.space.describe(),
    }
    write_text(folder / "search.json", json.dumps(about, indent=1, default=float))
    if len(names) > 1 and np.isfinite(result.values).any():
        save(scatter(result, title), folder, "frontier")
        save(progress_figure(result, title), folder, "hypervolume")


def evaluations(result: Any) -> str:
    """Every evaluation as CSV."""
    names = result.problem.space.names
    outputs = list(result.outputs)
    rows = []
    for i, point in enumerate(result.problem.space.points(result.units)):
        shown = [_cell(point.get(n, ""), 9) for n in names]
        rows.append([str(result.level[i]), *shown, *(_cell(float(result.outputs[o][i]), 9) for o in outputs)])
    return csv(["level", *names, *outputs], rows)


def frontier_cells(result: Any, digits: int = 4) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the frontier."""
    points, values = result.frontier
    names = result.problem.space.names
    header = [*names, *(o.name for o in result.problem.objectives)]
    rows = [
        [*(_cell(p.get(n, "-"), digits) for n in names), *(_cell(float(v), digits) for v in row)]
        for p, row in zip(points, values, strict=True)
    ]
    return header, rows


def _cell(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Comma-separated text; cells with commas or quotes are quoted."""
    import csv as module
    import io

    stream = io.StringIO()
    module.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def scatter(result: Any, title: str) -> Any:
    """Every feasible evaluation on the first two objectives, the frontier joined."""
    signs = [o.sign for o in result.problem.objectives]
    good = (result.violation <= 0) & result.full
    x, y = result.values[good][:, 0] * signs[0], result.values[good][:, 1] * signs[1]
    _, front = result.frontier
    fig, axes = figure(8.5, 5.0)
    ax = axes[0, 0]
    ax.scatter(x, y, s=12, color=PALETTE[0], alpha=0.35, linewidths=0, label="evaluated")
    ax.plot(front[:, 0], front[:, 1], "o-", color=INK, markersize=4, linewidth=1.0, label="frontier")
    names = [o.name for o in result.problem.objectives]
    ax.set(xlabel=names[0], ylabel=names[1])
    for axis, values in (("x", x), ("y", y)):
        if len(values) and values.min() > 0 and values.max() / values.min() > 20:
            getattr(ax, f"set_{axis}scale")("log")
    ax.set_title(title, loc="left")
    ax.legend(frameon=False, fontsize=9)
    return fig


def progress_figure(result: Any, title: str) -> Any:
    """Hypervolume after each evaluation."""
    fig, axes = figure(8.5, 3.6)
    ax = axes[0, 0]
    ax.step(np.arange(1, len(result.curve) + 1), result.curve, where="post", color=PALETTE[0])
    ax.set(xlabel="evaluations", ylabel="hypervolume")
    ax.set_title(f"{title}: {result.method}", loc="left")
    return fig


COMPARE_NAMES = ("comparison.csv", "comparison.md", "runs.csv")


def write_comparison(folder: Path, found: Any, title: str) -> None:
    """comparison.csv, comparison.md, runs.csv, and the figures, as one set."""
    with output_folder(folder, "search compare", COMPARE_NAMES) as stage:
        _write_comparison(stage, found, title)


def _write_comparison(folder: Path, found: Any, title: str) -> None:
    header, cells = comparison_cells(found)
    write_text(folder / "comparison.csv", csv(header, cells))
    write_text(folder / "comparison.md", markdown(header, cells))
    rows = [
        [r.method, str(r.draw), json.dumps(r.settings, default=float), str(r.seed), *(f"{s:.5f}" for s in r.scores)]
        for r in found.runs
    ]
    write_text(folder / "runs.csv", csv(["method", "draw", "settings", "seed", *map(str, found.checkpoints)], rows))
    save(curves(found, title), folder, "curves")
    save(lottery(found, title), folder, "lottery")


def comparison_cells(found: Any) -> tuple[list[str], list[list[str]]]:
    """Header and rows, best method first."""
    header = ["method", *(f"at {c}" for c in found.checkpoints), "sd", "min", "p beats random"]
    header += ["worst draw", "best draw", "method CPU ms", "overhead CPU ms"]
    rows = []
    for row in found.rows:
        draws = [f"{min(row.draws):.3f}", f"{max(row.draws):.3f}"] if row.draws else ["-", "-"]
        p = "-" if np.isnan(row.p_beats_random) else f"{row.p_beats_random:.2g}"
        ratios = [f"{v:.3f}" for v in row.curve]
        costs = [f"{row.method_cpu_ms:.2f}", f"{row.overhead_cpu_ms:.2f}"]
        rows.append([row.method, *ratios, f"{row.sd_ratio:.3f}", f"{row.min_ratio:.3f}", p, *draws, *costs])
    return header, rows


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def curves(found: Any, title: str) -> Any:
    """Mean hypervolume ratio against evaluations, one line per method, a band from the worst to the best seed."""
    fig, axes = figure(9.0, 5.0)
    ax = axes[0, 0]
    for i, row in enumerate(found.rows):
        scores = np.stack([r.scores for r in found.of(row.method)])
        colour = PALETTE[i % len(PALETTE)]
        style = "--" if i >= len(PALETTE) else "-"
        ax.plot(found.checkpoints, row.curve, style, marker="o", markersize=3.5, color=colour, label=row.method)
        ax.fill_between(found.checkpoints, scores.min(axis=0), scores.max(axis=0), color=colour, alpha=0.07)
    ax.set(xlabel="evaluations", ylabel="hypervolume ratio")
    ax.set_title(title, loc="left")
    ax.legend(frameon=False, fontsize=8.5, ncols=2)
    return fig


def lottery(found: Any, title: str) -> Any:
    """Every run's final ratio: shipped settings dark, random draws of settings faint."""
    rows = found.rows
    fig, axes = figure(9.0, 1.2 + 0.32 * len(rows))
    ax = axes[0, 0]
    for y, row in enumerate(rows):
        drawn = [r.scores[-1] for r in found.runs if r.method == row.method and r.draw]
        ax.plot(drawn, np.full(len(drawn), y + 0.18), ".", color=PALETTE[1], alpha=0.5)
        ax.plot([r.scores[-1] for r in found.of(row.method)], np.full(len(found.of(row.method)), y), ".", color=INK)
        ax.axhline(y + 0.5, color=FAINT, linewidth=0.5)
    ax.set_yticks(range(len(rows)), [row.method for row in rows])
    ax.invert_yaxis()
    ax.set(xlabel="hypervolume ratio at the full budget (dark: shipped settings; light: random settings)")
    ax.set_title(title, loc="left")
    return fig
