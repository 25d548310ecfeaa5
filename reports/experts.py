"""Pictures of an expert placement: load before and after, traffic between chips, balance against traffic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.style import INK, PALETTE, figure, save

TITLES = ("round robin", "planned")


def draw_loads(folder: Path, loads: Sequence[np.ndarray]) -> str:
    """Heat maps [layers, chips] of load over the layer's mean, before and after, on one scale."""
    ratios = [load / load.mean(axis=1, keepdims=True) for load in loads]
    fig, axes = figure(10, 4.6, len(ratios))
    top = max(r.max() for r in ratios)
    for ax, ratio, title in zip(axes.flat, ratios, TITLES, strict=False):
        image = ax.imshow(
            ratio, aspect="auto", cmap="RdYlBu_r", vmin=2 - top if top < 2 else 0, vmax=top, interpolation="nearest"
        )
        ax.set_title(f"{title}: busiest / mean {ratio.max(axis=1).mean():.3f}", loc="left")
        ax.set(xlabel="chip", ylabel="layer")
        ax.grid(False)
    fig.colorbar(image, ax=list(axes.flat), label="load over the layer's mean")
    return save(fig, folder, "loads")


def draw_traffic(folder: Path, flows: Sequence[np.ndarray]) -> str:
    """Mean share of token pairs from chip to chip, the diagonal being what stays."""
    fig, axes = figure(10, 4.6, len(flows))
    top = max(flow.max() for flow in flows)
    for ax, flow, title in zip(axes.flat, flows, TITLES, strict=False):
        image = ax.imshow(flow * 100, cmap="viridis", vmin=0, vmax=top * 100, interpolation="nearest")
        ax.set_title(f"{title}: {np.trace(flow):.1%} stays", loc="left")
        ax.set(xlabel="to chip", ylabel="from chip")
        ax.grid(False)
    fig.colorbar(image, ax=list(axes.flat), label="% of token pairs")
    return save(fig, folder, "traffic")


def draw_frontier(folder: Path, plans: Sequence[dict[str, float]], baselines: Sequence[dict[str, Any]]) -> str:
    """Cut against load over load caps, with the baselines."""
    fig, axes = figure(7.5, 4.6)
    ax = axes[0, 0]
    ax.plot(
        [p["load_ratio"] for p in plans],
        [p["cut_share"] for p in plans],
        "o-",
        color=PALETTE[0],
        label="over load caps",
    )
    for row, colour in zip(baselines[1:], PALETTE[1:], strict=False):
        ax.plot([row["load"]], [row["cut"]], "s", color=colour, label=row["method"])
    ax.set(xlabel="busiest chip over the mean", ylabel="share of routed pairs that change chip")
    ax.set_title("balance against traffic", loc="left", color=INK)
    ax.legend(frameon=False)
    return save(fig, folder, "frontier")
