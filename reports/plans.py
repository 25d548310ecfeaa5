"""Plans of the analytic engine as dots on axes of the reader's choice; the parts of their times and memory as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.page import Axis, Bars, Points
from reports.style import MEMORY, category
from simcore.result import Result, ResultTable

AXES: dict[str, tuple[str, Axis]] = {
    "tokens/s of one user": ("", Axis("output tokens/s of one user", True, True)),
    "tokens/s per chip": ("throughput_per_chip_tokens_per_s", Axis("output tokens/s per chip", True, True)),
    "TPOT ms": ("tpot_s", Axis("time per output token, ms", True, False)),
    "TTFT ms": ("ttft_s", Axis("time to first token, ms", True, False)),
    "USD/M tokens": ("usd_per_million_tokens", Axis("USD per million output tokens", True, False)),
    "J/token": ("energy_j_per_token", Axis("energy per output token, J", True, False)),
    "tokens/s": ("throughput_tokens_per_s", Axis("output tokens/s", True, True)),
    "chips": ("chips", Axis("chips", True, False)),
    "MFU %": ("mfu_ratio", Axis("model FLOP utilisation, %", False, True)),
    "MBU %": ("mbu_ratio", Axis("memory bandwidth utilisation, %", False, True)),
}
"""what a dot has -> (column of the table, axis)"""
FACTORS = {"TPOT ms": 1e3, "TTFT ms": 1e3, "MFU %": 100.0, "MBU %": 100.0}
DEGREES = (("tp", "tp"), ("pp", "pp"), ("attention_dp", "adp"), ("ep", "ep"), ("cp", "cp"), ("dp", "dp"))
MOST_POINTS = 2000
"""dots of a figure: more make a page slow and show nothing"""
FIRST, SECOND = "tokens/s of one user", "tokens/s per chip"
CAPTION = (
    "A dot per plan, dark within the bounds; lines join those of a system that no other shown beats on both axes. "
    "Dashed: the bounds. Click a dot for all of its numbers."
)
OTHERS = "prefill of others"
WAITING = "waiting and front end"


def plan_label(row: Result) -> str:
    """A plan in one short line.

    >>> plan_label(Result({"chip": "h100-sxm", "weights": "fp8", "tp": 4.0, "pp": 1.0, "dp": 2.0, "batch": 64.0}))
    'h100-sxm fp8 tp4 dp2 b64'
    """
    weights, kv = row.weights, row.values.get("kv")
    formats = weights if kv in (None, weights) else f"{weights} kv {kv}"
    parts = [f"{short}{row.values.get(n, 1.0):.0f}" for n, short in DEGREES if row.values.get(n, 1.0) > 1 or n == "tp"]
    return f"{row.chip} {formats} {' '.join(parts)} b{row.batch:.0f}"


def plan_key(row: Result) -> str:
    """What tells a plan from all others of a table: its words, degrees and batch.

    >>> plan_key(Result({"chip": "a", "kv": "fp8", "tp": 4.0, "batch": 64.0, "tpot_s": 0.02}))
    'batch=64 chip=a kv=fp8 tp=4'
    """
    named = {*(name for name, _ in DEGREES), "sp", "batch"}
    told = {name: value for name, value in row.values.items() if isinstance(value, str)}
    told |= {name: f"{value:g}" for name, value in row.values.items() if name in named}
    return " ".join(f"{name}={value}" for name, value in sorted(told.items()))


def thinned(count: int, kept: np.ndarray) -> np.ndarray:
    """Indices of at most MOST_POINTS rows, evenly spread, with all of `kept`."""
    if count <= MOST_POINTS:
        return np.arange(count)
    spread = np.linspace(0, count - 1, MOST_POINTS - min(len(kept), MOST_POINTS // 2)).round().astype(int)
    return np.unique(np.concatenate([spread, kept]))


def plan_points(
    table: ResultTable, good: np.ndarray, marks: Mapping[str, str], bounds_s: Mapping[str, float | None]
) -> Points:
    """All rows as dots: those within bounds darker, those named in `marks` (key -> word) ringed and told."""
    rows = list(table.rows())
    keys = [plan_key(row) for row in rows]
    columns: dict[str, Sequence[Any]] = {"key": keys, "plan": [plan_label(row) for row in rows]}
    words = [name for name, column in table.columns.items() if column.dtype.kind in "OUS" and name != "chip"]
    columns |= {name: [str(word) for word in table[name]] for name in words}
    for name in (*(n for n, _ in DEGREES), "batch"):
        if name in table.columns and len(set(table[name].tolist())) > 1:
            columns[name] = [round(value) for value in table[name].tolist()]
    for name, (column, _) in AXES.items():
        if column in table.columns or not column:
            with np.errstate(divide="ignore", invalid="ignore"):
                values = 1.0 / table["tpot_s"] if not column else np.asarray(table[column], float)
            if np.isfinite(values).any():
                columns[name] = (values * FACTORS.get(name, 1.0)).tolist()
    columns |= {"within bounds": [bool(one) for one in good], "mark": [marks.get(key, "") for key in keys]}
    rules = {
        name: 1e3 * bound
        for name, key in (("TPOT ms", "tpot_s"), ("TTFT ms", "ttft_s"))
        if (bound := bounds_s.get(key))
    }
    if bounds_s.get("tpot_s"):
        rules[FIRST] = 1e3 / rules["TPOT ms"]
    apart = [*(name for name in words if name != "system"), *(name for name, _ in DEGREES if name in columns)]
    filters = [name for name in apart if 1 < len(set(columns[name])) <= 16]
    return Points(
        "Plans",
        columns,
        {name: axis for name, (_, axis) in AXES.items() if name in columns},
        FIRST,
        SECOND,
        colour="system",
        marks="mark",
        good="within bounds",
        filters=filters,
        rules=rules,
        caption=CAPTION,
    )


def by_category(result: Result, phase: str) -> dict[str, float]:
    """Milliseconds of a phase by kind of operation."""
    found: dict[str, float] = {}
    for op in result.operations:
        if op.phase == phase:
            name = category(op.name)
            found[name] = found.get(name, 0.0) + op.time_s * 1e3
    return found


def whole_tpot(result: Result) -> dict[str, float]:
    """Milliseconds of one output token: a decode step by kind of operation, and what prompts of others add to it."""
    parts = by_category(result, "decode")
    rest = 1e3 * float(result.values.get("tpot_s") or 0.0) - sum(parts.values())
    return parts | ({OTHERS: rest} if rest > 1e-6 else {})


def whole_ttft(result: Result) -> dict[str, float]:
    """Milliseconds to the first token: the mean prompt's own prefill, then waiting (for a slot and for the step in
    progress), what a longer prompt takes, and the server's front end."""
    parts = by_category(result, "prefill")
    total = 1e3 * float(result.values.get("ttft_s") or 0.0)
    queue = 1e3 * float(result.values.get("queue_s") or 0.0)
    rest = total - sum(parts.values()) - queue
    if rest < 0.0:  # prompts that share their steps: a request's part of them
        parts = {name: value * max(total - queue, 0.0) / sum(parts.values()) for name, value in parts.items()}
    more = {"queue": queue, WAITING: rest}
    return parts | {name: value for name, value in more.items() if value > 1e-6}


def breakdown(picks: Mapping[str, Result]) -> list[Bars]:
    """Where TPOT, TTFT and memory go, a bar per plan."""
    found = {name: one for name, one in picks.items() if one.operations}
    if not found:
        return []
    tpot = "The whole of a token's time: the decode step by operation, and the prompts of others that delay it."
    ttft = "The whole of the time to the first token at the mean load: own prefill, waiting, host and front end."
    held = "Per chip of the fullest pipeline stage; the mark is what the server may use."
    keys = ("weights_bytes", "kv_bytes", "activation_bytes", "buffer_bytes", "reserve_bytes")
    memory = [
        (name, {part: float(one.values.get(key) or 0.0) / 1e9 for part, key in zip(MEMORY, keys, strict=True)})
        for name, one in found.items()
    ]
    have = [(name, float(one.values["have_bytes"]) / 1e9) for name, one in found.items() if "have_bytes" in one.values]
    return [
        Bars("Where TPOT goes", [(name, whole_tpot(one)) for name, one in found.items()], "ms", caption=tpot),
        Bars("Where TTFT goes", [(name, whole_ttft(one)) for name, one in found.items()], "ms", caption=ttft),
        Bars("Memory", memory, "GB per chip", limits=have, caption=held),
    ]
