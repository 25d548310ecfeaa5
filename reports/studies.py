"""Published against ours: the page of a rerun, and one picture per group of studies for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.page import Axis, Page, Ranges, Table, Tiles
from reports.style import INK, PALETTE, RC, figure, take_literally

STATE_COLORS = {"reproduced": PALETTE[2], "explained": PALETTE[1], "UNEXPLAINED": PALETTE[3], "fitted": PALETTE[7]}
MARKS = {"headline": "o", "inner": "s"}


def rows_of(outcomes: Sequence[dict[str, Any]], group: str) -> list[tuple[str, dict[str, Any]]]:
    """(label, claim) of every claim with a figure, in the order of studies."""
    found = [(one["name"], claim) for one in outcomes if one["group"] == group for claim in one["claims"]]
    return [(f"{name}: {cut(claim['says'])}", claim) for name, claim in found if drawn(claim)]


def drawn(claim: dict[str, Any]) -> bool:
    """Whether a claim has a ratio of ours over what was published."""
    return claim["kind"] != "shape" and bool(claim["ours"]) and claim["ours"] > 0 and middle(claim) > 0


def middle(claim: dict[str, Any]) -> float:
    """The published figure; of a range, its geometric mean."""
    value = claim["published"]
    if isinstance(value, list | tuple):
        return float(max(value[0] * value[1], 0.0) ** 0.5)
    return float(value or 0.0)


def cut(text: str, most: int = 62) -> str:
    """A short text.

    >>> cut("abcdef", 4)
    'a...'
    """
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def draw(outcomes: Sequence[dict[str, Any]], group: str) -> bytes:
    """The picture of a group as SVG."""
    import io

    from matplotlib import rc_context

    fig = picture(outcomes, group)
    take_literally(fig)
    stream = io.BytesIO()
    with rc_context(RC):
        fig.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def picture(outcomes: Sequence[dict[str, Any]], group: str) -> Any:
    """Ours over published on a log axis, with intervals over assumed inputs, as a matplotlib figure."""
    rows = rows_of(outcomes, group)
    fig, axes = figure(9.5, 0.9 + 0.23 * max(len(rows), 3))
    axis = axes[0][0]
    for number, (_, claim) in enumerate(rows):
        mark(axis, number, claim)
    axis.axvline(1.0, color=INK, linewidth=1.0)
    axis.set_xscale("log")
    ticks = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
    low, high = axis.get_xlim()
    axis.set_xticks([t for t in ticks if low <= t <= high], [f"{t:g}" for t in ticks if low <= t <= high])
    axis.minorticks_off()
    axis.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=7)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set(xlabel="ours / published", title=f"{group.capitalize()}: published systems, rerun")
    legend(axis)
    return fig


def mark(axis: Any, number: int, claim: dict[str, Any]) -> None:
    """One claim: the published range or tolerance in grey, the interval as a line, ours as a mark."""
    base, value = middle(claim), claim["published"]
    low, high = value if isinstance(value, list | tuple) else (value, value)
    slack = (claim["tolerance_percent"] or 0.0) / 100 * min(low, high)
    axis.plot([(low - slack) / base, (high + slack) / base], [number, number], color="#c9d0d9", linewidth=6, zorder=1)
    color = STATE_COLORS.get(claim["state"], INK)
    if claim["low"] is not None and claim["low"] > 0:
        axis.plot([claim["low"] / base, claim["high"] / base], [number, number], color=color, linewidth=1.6, zorder=2)
    axis.plot([claim["ours"] / base], [number], MARKS[claim["kind"]], color=color, markersize=5, zorder=3)


def legend(axis: Any) -> None:
    """What colours and marks mean."""
    from matplotlib.lines import Line2D

    said = [
        Line2D([], [], color=c, marker="o", linestyle="", label=s) for s, c in STATE_COLORS.items() if s != "fitted"
    ]
    kinds = [Line2D([], [], color=INK, marker=m, linestyle="", label=k) for k, m in MARKS.items()]
    band = [Line2D([], [], color="#c9d0d9", linewidth=6, label="published, with its tolerance")]
    axis.legend(
        handles=[*said, *kinds, *band],
        loc="upper center",
        bbox_to_anchor=(0.3, -0.06),
        ncols=6,
        frameon=False,
        fontsize=7,
    )


def page_of(title: str, outcomes: Sequence[dict[str, Any]], summary: dict[str, Any]) -> Page:
    """The page of a rerun: what was reproduced, ours over published, every claim, worst gap first."""
    states = ", ".join(f"{count} {state}" for state, count in summary["states"].items())
    first = f"{len(outcomes)} published system{'s' if len(outcomes) > 1 else ''} rerun: {states}."
    lines = [f"Claims reproduced: headline {summary['headline']}, inner {summary['inner']}, shape {summary['shape']}."]
    claims = [(one, claim) for one in outcomes for claim in one["claims"]]
    claims.sort(key=lambda pair: -abs(pair[1]["gap_percent"] or 0.0))
    rows = [
        [
            one["name"],
            claim["says"],
            claim["kind"],
            claim["state"],
            *(
                ("-", 0.0) if value is None else (f"{value:.4g}", float(value))
                for value in (told(claim), claim["ours"])
            ),
            "-" if claim["gap_percent"] is None else f"{claim['gap_percent']:+.1f}",
            claim["why"] or "",
        ]
        for one, claim in claims
    ]
    header = ["study", "claim", "kind", "state", "published", "ours", "gap, %", "why"]
    counts = Tiles([(str(count), state) for state, count in summary["states"].items()])
    figures = [
        found for group in dict.fromkeys(one["group"] for one in outcomes) if (found := over_published(outcomes, group))
    ]
    table = Table("Every claim", header, rows, left=("study", "claim", "kind", "state", "why"))
    bad = any(one["state"] == "UNEXPLAINED" for one in outcomes)
    return Page("study", title, first, lines, [counts, *figures, table], is_no=bad)


def told(claim: dict[str, Any]) -> float | None:
    """The published figure as one number; None where there is none."""
    return middle(claim) if claim["kind"] != "shape" and claim["published"] is not None else None


def over_published(outcomes: Sequence[dict[str, Any]], group: str) -> Ranges | None:
    """Ours over published of a group, with intervals over assumed inputs; None where nothing has a ratio."""
    found = []
    for label, claim in rows_of(outcomes, group):
        base = middle(claim)
        ends = (claim["low"] / base, claim["high"] / base) if claim["low"] is not None else (None, None)
        found.append((label, claim["ours"] / base, *ends, claim["state"]))
    caption = "1 is the published figure; bars are intervals over assumed inputs."
    return (
        Ranges(f"{group.capitalize()}: ours over published", found, Axis("ours / published", True), 1.0, caption)
        if found
        else None
    )
