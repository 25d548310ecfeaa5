"""Tables as people read them: chosen columns, sensible units, few digits."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.result import Result

COLUMNS: tuple[tuple[str, str, float, str], ...] = (
    ("chips", "chips", 1.0, ".0f"),
    ("tp", "tp", 1.0, ".0f"),
    ("pp", "pp", 1.0, ".0f"),
    ("attention_dp", "adp", 1.0, ".0f"),
    ("ep", "ep", 1.0, ".0f"),
    ("cp", "cp", 1.0, ".0f"),
    ("dp", "dp", 1.0, ".0f"),
    ("batch", "batch", 1.0, ".0f"),
    ("ttft_s", "TTFT ms", 1e3, ".0f"),
    ("tpot_s", "TPOT ms", 1e3, ".1f"),
    ("throughput_tokens_per_s", "tokens/s", 1.0, ",.0f"),
    ("throughput_per_chip_tokens_per_s", "per chip", 1.0, ",.0f"),
    ("usd_per_million_tokens", "USD/M tokens", 1.0, ".3g"),
    ("energy_j_per_token", "J/token", 1.0, ".3g"),
    ("power_w", "kW", 1e-3, ".2f"),
    ("mfu_ratio", "MFU %", 100.0, ".0f"),
    ("mbu_ratio", "MBU %", 100.0, ".0f"),
)
TITLES = {
    "usd_per_million_tokens": ("USD per million tokens", 1.0),
    "tpot_s": ("TPOT in ms", 1e3),
    "ttft_s": ("TTFT in ms", 1e3),
    "e2e_s": ("end-to-end time in s", 1.0),
    "throughput_tokens_per_s": ("tokens/s", 1.0),
    "throughput_per_chip_tokens_per_s": ("tokens/s per chip", 1.0),
    "energy_j_per_token": ("J per token", 1.0),
    "power_w": ("kW", 1e-3),
    "chip_power_w": ("W per chip", 1.0),
    "server_power_w": ("W per chip, servers", 1.0),
    "facility_power_w": ("W per chip, facility", 1.0),
    "usd_per_hour": ("USD per hour", 1.0),
    "chips": ("chips", 1.0),
    "mfu_ratio": ("MFU in %", 100.0),
    "mbu_ratio": ("MBU in %", 100.0),
    "requests_per_s": ("requests/s", 1.0),
}
"""what a sweep ranks by -> (its name, the factor of its unit)"""
BOUNDS = ("compute", "memory", "network", "launch")
OPTIONAL = ("pp", "attention_dp", "ep", "cp")


def ranked(rows: Sequence[Result], stack: str) -> tuple[list[str], list[list[str]]]:
    """(header, cells) of a ranked table; degrees that are 1 everywhere are left out, the stack is named in each row."""
    used = [c for c in COLUMNS if c[0] not in OPTIONAL or any(row.values.get(c[0], 1.0) > 1 for row in rows)]
    header = ["#", "system", "weights", "KV", *[title for _, title, _, _ in used], "decode bound", "stack"]
    cells = []
    for number, row in enumerate(rows, 1):
        values = [_cell(row.values.get(name), scale, form) for name, _, scale, form in used]
        bound = BOUNDS[int(row.decode_bound)]
        cells.append([str(number), str(row.system), str(row.weights), str(row.kv), *values, bound, stack])
    return header, cells


BRIEF = ("chips", "tp", "pp", "ep", "dp", "batch", "TTFT ms", "TPOT ms", "tokens/s", "USD/M tokens", "J/token")


def brief(header: list[str], cells: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The columns that fit a terminal."""
    kept = [i for i, name in enumerate(header) if name in (*BRIEF, "#", "system", "weights", "KV", "stack", "per chip")]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in cells]


def smallest_first(rows: Sequence[Result], rank_by: str) -> list[Result]:
    """One row per system and weight format, in the order given; of plans that rank alike the one with fewest chips.

    More replicas cost and serve in proportion, so they rank alike.
    """
    chosen: dict[tuple[str, str], Result] = {}
    for row in rows:
        key = (row.system, row.weights)
        best = chosen.setdefault(key, row)
        alike = abs(row.values[rank_by] - best.values[rank_by]) <= 1e-3 * abs(best.values[rank_by])
        if alike and row.chips < best.chips:
            chosen[key] = row
    return list(chosen.values())


def _cell(value: object, scale: float, form: str) -> str:
    if not isinstance(value, int | float) or value != value:
        return "-"
    return format(value * scale, form)
