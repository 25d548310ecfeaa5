"""The figures of a sweep: frontier, rooflines, where the time goes, where the memory goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.labels import place
from reports.style import CATEGORIES, INK, MEMORY, PALETTE, category, figure, plain_numbers
from simcore.result import Result, ResultTable
from simcore.spec.system import System

NAMES = {
    "usd_per_million_tokens": ("cost", "USD per million output tokens", 1.0),
    "tpot_s": ("TPOT", "time per output token, ms", 1e3),
    "ttft_s": ("TTFT", "time to first token, ms", 1e3),
    "e2e_s": ("end to end", "end-to-end time, s", 1.0),
    "throughput_tokens_per_s": ("throughput", "output tokens per second", 1.0),
    "throughput_per_chip_tokens_per_s": ("per chip", "output tokens per second and chip", 1.0),
    "energy_j_per_token": ("energy", "energy per output token, J", 1.0),
    "power_w": ("power", "power, kW", 1e-3),
    "usd_per_hour": ("rent", "USD per hour", 1.0),
    "chips": ("chips", "chips", 1.0),
    "mfu_ratio": ("MFU", "model FLOP utilisation, %", 100.0),
    "mbu_ratio": ("MBU", "memory bandwidth utilisation, %", 100.0),
    "requests_per_s": ("requests", "requests per second", 1.0),
}


def plan_label(row: Result) -> str:
    """A plan in one short line.

    >>> plan_label(Result({"chip": "h100-sxm", "weights": "fp8", "tp": 4.0, "pp": 1.0, "dp": 2.0, "batch": 64.0}))
    'h100-sxm fp8 tp4 dp2 b64'
    """
    degrees = [(n, row.values.get(n, 1.0)) for n in ("tp", "pp", "attention_dp", "ep", "cp", "dp")]
    names = {"attention_dp": "adp"}
    parts = [f"{names.get(n, n)}{v:.0f}" for n, v in degrees if v > 1 or n == "tp"]
    return f"{row.chip} {row.weights} {' '.join(parts)} b{row.batch:.0f}"


def frontier(
    sample: Sequence[ResultTable],
    fronts: Mapping[str, ResultTable],
    best: ResultTable | None,
    objectives: Sequence[str],
    colours: Mapping[str, str],
) -> Any:
    """Scatter of plans on the first two objectives; each system's frontier joined, the overall one ringed."""
    x, y = objectives[0], objectives[1] if len(objectives) > 1 else "tpot_s"
    fig, axes = figure(9.5, 5.6)
    ax = axes[0, 0]
    sx, sy = NAMES[x][2], NAMES[y][2]
    for system, colour in colours.items():
        xs, ys = _cloud(sample, system, x, y)
        ax.scatter(xs * sx, ys * sy, s=5, color=colour, alpha=0.15, linewidths=0)
        mine = fronts.get(system)
        if mine is None:
            ax.plot([], [], "o", markersize=4, color=colour, alpha=0.4, label=f"{system} (no plan on target)")
        else:
            ax.plot(mine[x] * sx, mine[y] * sy, "o-", markersize=4.5, linewidth=1.2, color=colour, label=system)
    ax.set(xscale="log", yscale="log", xlabel=NAMES[x][1], ylabel=NAMES[y][1])
    ax.set_title(f"{NAMES[y][0]} against {NAMES[x][0]}", loc="left")
    _plain_log(ax)
    ax.legend(frameon=False, fontsize=8.5, loc="upper right")
    if best is not None:
        everything = list(fronts.values())
        _zoom(ax, *(np.concatenate([t[n] for t in everything]) * scale for n, scale in ((x, sx), (y, sy))))
        ax.plot(
            best[x] * sx, best[y] * sy, "o", markersize=8, markerfacecolor="none", color=INK, label="overall frontier"
        )
        rows = [best.row(i) for i in _spread(len(best), 9)]
        place(ax, [(row.values[x] * sx, row.values[y] * sy) for row in rows], [plan_label(row) for row in rows])
    return fig


def _cloud(sample: Sequence[ResultTable], system: str, x: str, y: str) -> tuple[np.ndarray, np.ndarray]:
    mine = [t.where(t["system"] == system) for t in sample]
    empty = np.zeros(0)
    return np.concatenate([empty, *[t[x] for t in mine]]), np.concatenate([empty, *[t[y] for t in mine]])


def _spread(count: int, most: int) -> list[int]:
    """Indices of at most `most` items, evenly spread, ends included."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})


def _zoom(ax: Any, xs: np.ndarray, ys: np.ndarray) -> None:
    """Room around the frontier: most of the cloud is far from interesting. An axis without a number stays as it is."""
    if np.isfinite(xs).any():
        ax.set_xlim(np.nanmin(xs) / 1.6, np.nanmax(xs) * 1.6)
    if np.isfinite(ys).any():
        ax.set_ylim(np.nanmin(ys) / 1.6, np.nanmax(ys) * 1.8)


def _plain_log(ax: Any) -> None:
    from matplotlib.ticker import NullFormatter

    plain_numbers(ax.xaxis)
    plain_numbers(ax.yaxis)
    if ax.get_xscale() != "log":
        ax.xaxis.set_minor_formatter(NullFormatter())


def rooflines(picks: Mapping[str, Result], systems: Mapping[str, System]) -> Any:
    """Operations of each system's best plan under its chip's roofline: intensity against FLOP/s, area = time."""
    count = max(len(picks), 1)
    columns = min(count, 3)
    rows = -(-count // columns)
    fig, axes = figure(4.0 * columns, 3.5 * rows, columns, rows)
    for ax, (name, result) in zip(axes.flat, picks.items(), strict=False):
        _roofline(ax, name, result, systems[name])
    for ax in list(axes.flat)[count:]:
        ax.set_visible(False)
    return fig


def _roofline(ax: Any, name: str, result: Result, system: System) -> None:
    chip = system.chip
    peaks = chip.compute[chip.main_unit].peak_flop_per_s
    rate = chip.memory[chip.main_tier].read_bytes_per_s
    shown = {f: p for f, p in peaks.items() if f in ("bf16", "fp8", "fp4")}
    x = np.logspace(-1.2, 4.3, 200)
    for form, peak in shown.items():
        ax.plot(x, np.minimum(peak, rate * x) / 1e12, color=INK, linewidth=1.0)
        ax.text(x[-1], peak / 1e12, form, fontsize=8, va="bottom", ha="right")
    total = sum(op.time_s for op in result.operations) or 1.0
    for op in result.operations:
        if op.flop > 0 and op.moved_bytes > 0 and op.time_s > 0:
            size = 12 + 700 * op.time_s / total
            colour = CATEGORIES[category(op.name)]
            marker = "o" if op.phase == "decode" else "^"
            ax.scatter(
                op.flop / op.moved_bytes,
                op.flop / op.time_s / 1e12,
                s=min(size, 260),
                color=colour,
                alpha=0.7,
                marker=marker,
            )
    ax.set_title(name, loc="left")
    ax.set(xscale="log", yscale="log", xlabel="FLOP per byte", ylabel="TFLOP/s")
    ax.set_ylim(1e-2, max(shown.values()) / 1e12 * 3)


def breakdown(picks: Mapping[str, Result]) -> Any:
    """Seconds of one decode step and one prefill by category, best plan of each system."""
    fig, axes = figure(9.5, 1.4 + 0.45 * max(len(picks), 1), 2)
    for ax, phase in zip(axes.flat, ("decode", "prefill"), strict=True):
        _stack(ax, [(name, _by_category(result, phase)) for name, result in picks.items()], CATEGORIES)
        ax.set_title("decode step" if phase == "decode" else "prefill of one request", loc="left")
        ax.set(xlabel="ms")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    return fig


def _by_category(result: Result, phase: str) -> dict[str, float]:
    found = dict.fromkeys(CATEGORIES, 0.0)
    for op in result.operations:
        if op.phase == phase:
            found[category(op.name)] += op.time_s * 1e3
    return found


def _stack(ax: Any, bars: list[tuple[str, dict[str, float]]], colours: Mapping[str, str]) -> None:
    left = np.zeros(len(bars))
    names = [name for name, _ in bars]
    for part, colour in colours.items():
        widths = np.array([values[part] for _, values in bars])
        ax.barh(names, widths, left=left, color=colour, label=part, height=0.62)
        left = left + widths
    for name, total in zip(names, left, strict=True):
        ax.annotate(f" {total:,.3g}", (total, name), va="center", fontsize=8.5)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.margins(x=0.14)


def memory(picks: Mapping[str, Result]) -> Any:
    """Memory per chip of each system's best plan against what the chip has."""
    fig, axes = figure(9.5, 1.6 + 0.45 * max(len(picks), 1))
    ax = axes[0, 0]
    keys = ("weights_bytes", "kv_bytes", "activation_bytes", "buffer_bytes", "reserve_bytes")
    bars = []
    for name, result in picks.items():
        values = [result.values.get(key, 0.0) / 1e9 for key in keys]
        bars.append((name, dict(zip(MEMORY, values, strict=True))))
    _stack(ax, bars, MEMORY)
    for row, result in enumerate(picks.values()):
        have = result.values.get("have_bytes", np.nan) / 1e9
        ax.plot([have, have], [row - 0.4, row + 0.4], color=INK, linewidth=2, label="usable" if row == 0 else None)
    ax.set(xlabel="GB per chip")
    fig.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return fig


def colours_for(names: Sequence[str]) -> dict[str, str]:
    """A colour per system, stable in the study's order."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
