"""Pictures of a row's power: a day with thresholds and events, risk against servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reports.style import FAINT, INK, PALETTE, figure, save


def draw_day(folder: Path, rows: Sequence[tuple[str, Any]]) -> str:
    """Power over the first day of each row, with the thresholds; the strip below shows the control level."""
    fig, axes = figure(10, 3.1 * len(rows), 1, len(rows))
    for ax, (name, found) in zip(axes.flat, rows, strict=True):
        trace, control = found.trace, found.control
        day = slice(0, int(86_400 / trace.tick_s))
        hours = np.arange(len(trace.power_w[day])) * trace.tick_s / 3600
        power = trace.power_w[day] / trace.budget_w
        step = max(len(hours) // 2000, 1)
        peaks = power[: len(power) // step * step].reshape(-1, step)
        at = hours[::step][: len(peaks)]
        ax.fill_between(at, peaks.min(axis=1), peaks.max(axis=1), color=PALETTE[0], alpha=0.6, linewidth=0)
        ax.plot(at, peaks.mean(axis=1), color=PALETTE[0], linewidth=0.7)
        for level, label in (
            (control.low_threshold, "cap low"),
            (control.high_threshold, "cap further"),
            (1.0, "budget"),
        ):
            ax.axhline(level, color=INK, linewidth=0.8, linestyle="--")
            ax.text(24.1, level, label, fontsize=8, va="center")
        levels = trace.level[day][::step][: len(peaks)]
        ax.fill_between(at, 0.3, 0.3 + 0.04 * levels, step="post", color=PALETTE[1], linewidth=0)
        ax.set(xlim=(0, 24), ylim=(0.3, 1.08), xlabel="hour of the day", ylabel="power over budget")
        ax.set_title(f"{name}: {trace.brakes} brakes, capped {np.mean(trace.level > 0):.1%} of the time", loc="left")
    return save(fig, folder, "day")


def draw_risk(folder: Path, curve: Sequence[tuple[int, float]], servers: dict[str, int]) -> str:
    """Probability of exceeding the budget against the number of servers at the top clock."""
    fig, axes = figure(7.5, 4.0)
    ax = axes[0, 0]
    ax.plot([n for n, _ in curve], [100 * r for _, r in curve], "o-", color=PALETTE[3], markersize=4)
    ax.axvline(sum(servers.values()), color=FAINT, linewidth=6, zorder=0)
    ax.text(sum(servers.values()), ax.get_ylim()[1] * 0.95, " planned", fontsize=9, va="top")
    ax.set(xlabel="servers in the row, all at the top clock", ylabel="risk at the peak hour, %")
    return save(fig, folder, "risk")
