"""The files of a search and of a comparison of methods: the page, tables as CSV and Markdown, plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.files import write_text
from reports.output import output_folder
from reports.page import Actions, Axis, Bars, Lines, Notes, Page, Parallel, Points, Ranges, Table, Tiles, write_page
from reports.page.blocks import Block

SEARCH_NAMES = ("frontier.csv", "evaluations.csv", "search.json", "search.html")
MOST_POINTS = 2000


def write_search(folder: Path, result: Any, title: str, pictures: bool = False) -> None:
    """frontier.csv, evaluations.csv, search.json and search.html as one set."""
    with output_folder(folder, "search", SEARCH_NAMES) as stage:
        _write_search(stage, result, title)
        write_page(stage, "search.html", page_of(result, title), pictures)


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


def page_of(result: Any, title: str) -> Page:
    """The page of a search: what was found, every evaluation, the progress."""
    good = result.violation <= 0
    first, *lines = answer(result, good)
    header, cells = frontier_cells(result)
    keys = [point_key(point) for point in result.frontier[0]]
    blocks: list[Any] = [Tiles(tiles(result, good))]
    if good.any():
        words = [name for place, name in enumerate(header) if any(not is_number(row[place]) for row in cells)]
        shown = every(result)
        blocks += [shown, *across(shown, set(keys)), progress(result.method, result.curve), *importance(result)]
        blocks.append(Table("Frontier", header, cells, words, keys))
    space = json.dumps(result.problem.space.describe(), default=float)
    blocks.append(Notes("How it was searched", [f"Method {result.method}, seed {result.seed}.", f"Space: {space}"]))
    return Page("search", title, first, lines, blocks, is_no=not good.any())


def answer(result: Any, good: Any) -> list[str]:
    """The knee of the frontier, and its best ends."""
    count = len(result.units)
    if not good.any():
        return [f"No feasible point in {count:,} evaluations: loosen the constraints or search longer."]
    points, values = result.frontier
    names = [o.name for o in result.problem.objectives]
    signs = np.array([o.sign for o in result.problem.objectives])
    knee = result.knee
    at = next((i for i, point in enumerate(points) if point == knee), 0)
    what = "The best" if len(names) == 1 else "The best compromise (knee)"
    lines = [f"{what} of {count:,} evaluations is {said(points[at])}: {figures(names, values[at])}."]
    for place, name in enumerate(names):
        end = int(np.nanargmin(values[:, place] * signs[place]))
        if len(names) > 1:
            lines.append(f"Best {name}: {said(points[end])}: {figures(names, values[end])}.")
    return lines


def is_number(text: str) -> bool:
    """Whether a cell is one.

    >>> is_number("1e-3"), is_number("fp8")
    (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


def said(point: Any) -> str:
    """A point in words."""
    return ", ".join(f"{name} {_cell(value, 4)}" for name, value in point.items())


def figures(names: Sequence[str], values: Any) -> str:
    """Objectives in words."""
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(names, values, strict=True))


def point_key(point: Any) -> str:
    """The same text for the same point."""
    return json.dumps(point, sort_keys=True, default=str)


def tiles(result: Any, good: Any) -> list[tuple[str, str]]:
    """Counts."""
    found = [(f"{len(result.units):,}", "evaluations"), (f"{int(good.sum()):,}", "feasible")]
    if good.any():
        found += [(str(len(result.frontier[0])), "on the frontier"), (f"{result.hypervolume:.4g}", "hypervolume")]
    return found


def every(result: Any) -> Points:
    """Every feasible evaluation at full fidelity, on axes of the reader's choice."""
    rows = np.flatnonzero((result.violation <= 0) & result.full)
    points = result.problem.space.points(result.units[rows])
    front = {point_key(point) for point in result.frontier[0]}
    return evaluated(result.problem.objectives, points, result.values[rows], rows, front, result.knee)


def evaluated(
    objectives: Sequence[Any], points: Sequence[Any], values: Any, rows: Any, front: set[str], knee: Any = None
) -> Points:
    """Evaluations as dots: `points` with their `values`, minimised, and numbers; `front` are keys that are all kept."""
    keys = [point_key(point) for point in points]
    if len(keys) > MOST_POINTS:
        every_nth = len(keys) // MOST_POINTS + 1
        kept = [i for i, key in enumerate(keys) if key in front or i % every_nth == 0]
        rows, values, points, keys = rows[kept], values[kept], [points[i] for i in kept], [keys[i] for i in kept]
    columns: dict[str, Sequence[Any]] = {"key": keys}
    axes, aims = {}, {}
    for name in dict.fromkeys(name for point in points for name in point):
        found = [point.get(name) for point in points]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
            axes[name] = Axis(name, is_wide(found))
            columns[name] = found
        else:
            columns[name] = ["" if value is None else str(value) for value in found]
    filters = [name for name in columns if name != "key" and 1 < len(set(columns[name])) <= 16]
    for place, one in enumerate(objectives):
        found = (values[:, place] * one.sign).tolist()
        aims[one.name] = Axis(one.name, is_wide(found), one.sign < 0)
        columns[one.name] = found
    columns["evaluation"] = (rows + 1).tolist()
    best = knee and point_key(knee)
    columns["mark"] = ["knee" if key == best and len(aims) > 1 else "" for key in keys]
    first, second = [*aims, "evaluation"][:2]
    shown = (second, first) if second == "evaluation" else (first, second)
    colour = next((name for name in filters if name not in axes), "")
    return Points(
        "Evaluations",
        columns,
        {**aims, **axes, "evaluation": Axis("evaluation")},
        *shown,
        colour=colour,
        marks="mark",
        filters=[name for name in filters if name != colour],
        caption="Every feasible evaluation; lines join those that no other beats.",
    )


MOST_LINES = 500
MOST_AXES = 12


def across(shown: Points, front: set[str]) -> list[Parallel]:
    """The same evaluations as lines across the keys of the space and the objectives; those of the frontier darker."""
    kept = [i for i, key in enumerate(shown.columns["key"]) if key in front]
    rest = [i for i in range(len(shown.columns["key"])) if i not in set(kept)]
    rows = sorted([*kept, *rest[:: len(rest) // MOST_LINES + 1]])
    columns = {name: [values[i] for i in rows] for name, values in shown.columns.items()}
    columns["frontier"] = [key in front for key in columns["key"]]
    aims = [name for name, axis in shown.axes.items() if axis.is_more_better is not None]
    keys = [name for name in columns if name not in ("key", "evaluation", "mark", "frontier", *aims)]
    names = [*[name for name in keys if len(set(columns[name])) > 1][: MOST_AXES - len(aims)], *aims]
    caption = "A line per evaluation; those of the frontier darker. Click one for all of its numbers."
    if len(names) < 3 or not rows:
        return []
    return [Parallel("Across the space", columns, shown.axes, names, aims[0], "frontier", caption)]


def is_wide(values: Sequence[float]) -> bool:
    """Whether numbers want a logarithmic axis."""
    found = [value for value in values if np.isfinite(value)]
    return bool(found) and min(found) > 0 and max(found) / min(found) > 20


def progress(method: str, curve: Any) -> Lines:
    """Hypervolume after each evaluation."""
    count = len(curve)
    at = np.unique(np.linspace(0, max(count - 1, 0), min(count, MOST_POINTS)).round().astype(int))
    series = [(method, (at + 1).tolist(), np.asarray(curve)[at].tolist())] if count else []
    return Lines("Progress", series, Axis("evaluations"), Axis("hypervolume"), is_step=True)


def importance(result: Any) -> list[Bars]:
    """How much of an objective's spread each key of the space tells alone."""
    rows = np.flatnonzero((result.violation <= 0) & result.full)
    names = result.problem.space.names
    points = result.problem.space.points(result.units[rows])
    shares: dict[str, dict[str, float]] = {name: {} for name in names}
    for place, one in enumerate(result.problem.objectives):
        values = np.abs(result.values[rows, place])
        values = np.log(values) if len(values) and values.min() > 0 else values
        for name in names:
            shares[name][one.name] = 100.0 * told_by([grouped(point.get(name)) for point in points], values)
    bars = sorted(shares.items(), key=lambda pair: -max(pair[1].values(), default=0.0))
    caption = (
        "Share of the spread (of logarithms) that each key explains alone, beyond chance, among feasible evaluations."
    )
    return [Bars("What matters", bars, "% of the variance", is_beside=True, caption=caption)] if len(rows) > 2 else []


def grouped(value: Any) -> str:
    """A value, numbers in octaves: those of a continuous axis never come twice."""
    if isinstance(value, float) and value > 0:
        return f"{np.floor(np.log2(value)):.0f}"
    return str(value)


def told_by(groups: Sequence[str], values: Any) -> float:
    """Share of the variance between groups beyond what as many groups of chance would have (epsilon squared).

    >>> told_by(["a", "a", "b", "b"], np.array([1.0, 1.0, 2.0, 2.0]))
    1.0
    >>> told_by(["a", "b", "c", "d"], np.array([1.0, 5.0, 2.0, 4.0]))
    0.0
    """
    total = float(((values - values.mean()) ** 2).sum())
    _, which = np.unique(np.array(groups, object).astype(str), return_inverse=True)
    counts = np.bincount(which)
    if total <= 0.0 or len(values) <= len(counts):
        return 0.0
    means = np.bincount(which, values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum())
    chance = (len(counts) - 1) * (total - between) / (len(values) - len(counts))
    return max(0.0, (between - chance) / total)


COMPARE_NAMES = ("comparison.csv", "comparison.md", "runs.csv", "compare-methods.html")


def write_comparison(folder: Path, found: Any, title: str, pictures: bool = False) -> None:
    """comparison.csv, comparison.md, runs.csv and compare-methods.html as one set."""
    with output_folder(folder, "search compare", COMPARE_NAMES) as stage:
        _write_comparison(stage, found, title)
        write_page(stage, "compare-methods.html", comparison_page(found, title), pictures)


def _write_comparison(folder: Path, found: Any, title: str) -> None:
    header, cells = comparison_cells(found)
    write_text(folder / "comparison.csv", csv(header, cells))
    write_text(folder / "comparison.md", markdown(header, cells))
    rows = [
        [r.method, str(r.draw), json.dumps(r.settings, default=float), str(r.seed), *(f"{s:.5f}" for s in r.scores)]
        for r in found.runs
    ]
    write_text(folder / "runs.csv", csv(["method", "draw", "settings", "seed", *map(str, found.checkpoints)], rows))


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


def comparison_page(found: Any, title: str) -> Page:
    """The page of a comparison of methods."""
    rows = found.rows
    best = rows[0]
    header, cells = comparison_cells(found)
    curve = [(row.method, list(found.checkpoints), row.curve.tolist()) for row in rows]
    axis = Axis("hypervolume ratio")
    ends = [
        (row.method, float(np.mean(scores)), float(min(scores)), float(max(scores)), "shipped settings")
        for row in rows
        if (scores := [run.scores[-1] for run in found.of(row.method)])
    ]
    ends += [
        (row.method, float(np.mean(row.draws)), float(min(row.draws)), float(max(row.draws)), "random settings")
        for row in rows
        if row.draws
    ]
    first = f"{best.method} is best: {best.curve[-1]:.3f} of the hypervolume at {found.checkpoints[-1]} evaluations."
    lines = [f"Runner-up: {rows[1].method}, {rows[1].curve[-1]:.3f}."] if len(rows) > 1 else []
    left = [f"Left out: {name}: {reason}" for name, reason in found.left_out.items()]
    blocks: list[Any] = [
        Lines("Progress", curve, Axis("evaluations"), axis, caption="Mean over seeds."),
        Ranges("At the full budget", ends, axis, caption="Mean, worst and best over seeds, or over draws of settings."),
        Table("Methods", header, cells, left=("method",)),
    ]
    return Page("search compare", title, first, lines, blocks + ([Notes("Left out", left)] if left else []))


def live_page(live: Any, folder: str, reload_s: int, steering: Actions | None = None) -> Page:
    """A search as far as it is: the best so far, the hypervolume, every evaluation; buttons where it can be steered."""
    count, rows = len(live.points), np.flatnonzero(live.full & (live.violation <= 0))
    names = [one.name for one in live.objectives]
    signs = np.array([one.sign for one in live.objectives])
    tiles = [(f"{count:,}", f"of {live.budget:,.0f} evaluations"), (f"{len(rows):,}", "feasible")]
    if not len(rows):
        first = f"Nothing feasible yet in {count:,} evaluations."
        blocks: list[Block] = [Tiles(tiles)]
    else:
        front, curve = live.frontier, live.curve
        found = [live.points[row] for row in front]
        best = [(name, int(np.argmin(live.values[front][:, at]))) for at, name in enumerate(names)]
        said_of = [f"{name} {(live.values[front[at]] * signs)[n]:.4g}" for n, (name, at) in enumerate(best)]
        first = f"Best so far, each by itself: {', '.join(said_of)}; {len(front)} on the frontier."
        tiles.append((f"{curve[-1]:.4g}", "hypervolume"))
        keys = {point_key(point) for point in found}
        header = [*dict.fromkeys(name for point in found for name in point), *names]
        cells = [[_cell(point.get(name, "-"), 4) for name in header[: -len(names)]] for point in found]
        cells = [
            [*line, *(_cell(float(v), 4) for v in live.values[row] * signs)]
            for line, row in zip(cells, front, strict=True)
        ]
        shown = evaluated(live.objectives, [live.points[row] for row in rows], live.values[rows], rows, keys)
        words = [name for at, name in enumerate(header) if any(not is_number(line[at]) for line in cells)]
        order = [point_key(point) for point in found]
        blocks = [
            Tiles(tiles),
            shown,
            *across(shown, keys),
            progress(live.method, curve),
            Table("Frontier so far", header, cells, words, order),
        ]
    lines = [f"{folder}: method {live.method}, seed {live.seed}; as the answers come, {count:,} of {live.budget:,.0f}."]
    if steering is None:
        lines.append(f"Nothing runs it now; this goes on: {live.command or 'the same command with --resume'}")
    else:
        lines.append("Stopping loses nothing; the same command with --resume goes on.")
        blocks.insert(0, steering)
    return Page(
        "search, running" if steering else "search, unfinished", live.title, first, lines, blocks, reload_s=reload_s
    )
