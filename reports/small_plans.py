"""Pages of the planners whose answer is one table: tiers, precision, stages, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.page import Axis, Bars, Heat, Page, Ranges, Table
from reports.page.blocks import Block
from simcore.unit_text import seconds


def refused(kind: str, title: str, reason: str) -> Page:
    """Nothing keeps what was asked."""
    return Page(kind, title, reason[:1].upper() + reason[1:] + ".", is_no=True)


def times(rows: Sequence[tuple[str, float]], bound_s: float) -> Ranges:
    """The answer beside what it is compared with, the proven bound dashed."""
    shown = [(name, 1e3 * value, None, None, "") for name, value in rows]
    return Ranges("How good it is", shown, Axis("ms"), 1e3 * bound_s, "Dashed: no plan can be faster.")


def gap(value_s: float, bound_s: float, gap_ratio: float) -> str:
    """How far from the bound."""
    return f"{seconds(value_s)}; no plan is faster than {seconds(bound_s)} (gap {gap_ratio:.1%})"


def tiers_page(title: str, problem: Any, found: Any, all_main_s: float) -> Page:
    """Which tier holds what."""
    names = [tier.name for tier in problem.tiers]
    shares = list(zip(problem.classes, found.shares.tolist(), strict=True))
    held = [
        (one.name, {name: part * one.held_bytes / 1e9 for name, part in zip(names, row, strict=True)})
        for one, row in shares
    ]
    cells = [[one.name, f"{one.held_bytes / 1e9:.1f}", *(f"{part:.1%}" for part in row)] for one, row in shares]
    blocks: list[Block] = [
        Bars("Where each class lies", held, "GB per chip"),
        times([("planned", found.step_s), ("main tier holds all", all_main_s)], found.bound_s),
        Table("Share of each class", ["class", "GB per chip", *names], cells, ("class",)),
    ]
    return Page(
        "plan tiers", title, f"A decode step takes {gap(found.step_s, found.bound_s, found.gap_ratio)}.", (), blocks
    )


def precision_page(title: str, found: Any, runs: Sequence[str]) -> Page:
    """Which format for which layer."""
    formats = list(dict.fromkeys(found.plan.formats))
    layers = [str(number) for number in range(len(found.plan.formats))]
    cells = [[1.0 if one == name else 0.0 for one in found.plan.formats] for name in formats]
    rows = [[name.replace("_", " "), f"{value:.6g}"] for name, value in found.metrics.items()]
    said = ", ".join(f"layers {where} in {form}" for where, _, form in (run.partition(":") for run in runs))
    first = f"{said[0].upper()}{said[1:]}: {found.status}, gap {found.gap_ratio:.1%}."
    blocks: list[Block] = [
        Heat("Format of every layer", layers, formats, cells, x_label="layer", y_label="format"),
        Table("Figures", ["what", "value"], rows, ("what",)),
    ]
    return Page("plan precision", title, first, (), blocks)


def stages_page(title: str, answer: Mapping[str, Any]) -> Page:
    """Layers of every stage."""
    stages = list(zip(answer["stage_layers"], answer["rank_of_stage"], strict=True))
    layers = [(f"stage {n} on rank {rank}", {"layers": float(count)}) for n, (count, rank) in enumerate(stages)]
    cells = [[str(n), str(count), str(rank)] for n, (count, rank) in enumerate(stages)]
    pairs = [("planned", answer["pipeline_s"]), ("layers as even as can be", answer["even_pipeline_s"])]
    first = f"The pipeline takes {gap(answer['pipeline_s'], answer['bound_s'], answer['gap_ratio'])}."
    blocks: list[Block] = [
        Bars("Layers of every stage", layers, "layers"),
        times(pairs, answer["bound_s"]),
        Table("Stages", ["stage", "layers", "rank"], cells),
    ]
    return Page("plan stages", title, first, (), blocks)


def groups_page(title: str, answer: Mapping[str, Any]) -> Page:
    """Groups of chips for sequences."""
    rows = [
        (f"group {n}: {one['chips']} chips", {"tokens": float(sum(one["tokens"]))})
        for n, one in enumerate(answer["groups"])
    ]
    cells = [
        [
            str(n),
            str(one["chips"]),
            str(len(one["tokens"])),
            f"{sum(one['tokens']):,}",
            f"{max(one['tokens'], default=0):,}",
        ]
        for n, one in enumerate(answer["groups"])
    ]
    pairs = [("planned", answer["time_s"]), ("best equal groups", answer["equal_groups_s"])]
    first = f"A step takes {gap(answer['time_s'], answer['bound_s'], answer['gap_ratio'])}."
    header = ["group", "chips", "sequences", "tokens", "longest"]
    blocks: list[Block] = [
        Bars("Tokens of every group", rows, "tokens"),
        times(pairs, answer["bound_s"]),
        Table("Groups", header, cells),
    ]
    return Page("plan groups", title, first, (), blocks)
