"""The page of an expert placement: load before and after, traffic between chips, balance against traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.page import Axis, Heat, Page, Points, Table, Tiles

TITLES = ("round robin", "planned")


def page_of(title: str, answer: Any, rows: Sequence[dict[str, Any]], blocks: Sequence[Any]) -> Page:
    """The page from top to bottom; `blocks` are the figures."""
    best, *others = rows
    first = f"The busiest chip has {best['load']:.3f} of the mean load"
    first += f", {100 * best['cut']:.1f} % of routed pairs change chip" if "cut" in best else ""
    first += f" (method {answer.method})"
    bound = f"{answer.lower_bound:.4f} (gap {answer.gap_ratio:.1%})"
    lines = [f"Objective {answer.objective:.4f}, proven to be at least {bound}."]
    if others:
        other = min(others, key=lambda row: row["load"])
        lines.append(
            f"Best balanced of the baselines: {other['method']}, busiest chip at {other['load']:.3f} of the mean."
        )
    names = [name for name in best if name != "method"]
    cells = [[row["method"], *("-" if row.get(n) is None else f"{row[n]:.4f}" for n in names)] for row in rows]
    tiles = Tiles([(f"{best[name]:.4g}", name) for name in names if best.get(name) is not None])
    return Page(
        "plan experts",
        title,
        first + ".",
        lines,
        [tiles, *blocks, Table("Methods", ["method", *names], cells, ("method",))],
    )


def loads(found: Sequence[np.ndarray]) -> list[Heat]:
    """Heat maps [layers, chips] of load over the layer's mean, before and after."""
    drawn = []
    for load, title in zip(found, TITLES, strict=False):
        ratio = load / load.mean(axis=1, keepdims=True)
        layers, chips = (list(map(str, range(count))) for count in ratio.shape)
        drawn.append(
            Heat(
                f"Load, {title}: busiest / mean {ratio.max(axis=1).mean():.3f}",
                chips,
                layers,
                ratio.tolist(),
                x_label="chip",
                y_label="layer",
                middle=1.0,
            )
        )
    return drawn


def traffic(flows: Sequence[np.ndarray]) -> list[Heat]:
    """Mean share of token pairs from chip to chip, the diagonal being what stays."""
    drawn = []
    for flow, title in zip(flows, TITLES, strict=False):
        names = list(map(str, range(len(flow))))
        told = f"Traffic, {title}: {np.trace(flow):.1%} stays"
        drawn.append(
            Heat(
                told,
                names,
                names,
                (100.0 * flow).tolist(),
                x_label="to chip",
                y_label="from chip",
                caption="% of token pairs.",
            )
        )
    return drawn


def balance(plans: Sequence[dict[str, float]], rows: Sequence[dict[str, Any]]) -> Points:
    """Cut against load over load caps, with the methods."""
    shown = [("over load caps", one["load_ratio"], one["cut_share"]) for one in plans]
    shown += [(row["method"], row["load"], row["cut"]) for row in rows if row.get("cut") is not None]
    columns: dict[str, Sequence[Any]] = {
        "method": [n for n, _, _ in shown],
        "load": [x for _, x, _ in shown],
        "cut": [y for _, _, y in shown],
        "mark": ["" if n == "over load caps" else n for n, _, _ in shown],
    }
    axes = {
        "load": Axis("busiest chip over the mean", False, False),
        "cut": Axis("share of routed pairs that change chip", False, False),
    }
    return Points("Balance against traffic", columns, axes, "load", "cut", colour="method", marks="mark")
