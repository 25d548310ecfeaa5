"""A comparison in words, as rows, and as one flat object."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from planners.comparing.compared import Compared, Difference, Move
from simcore.unit_text import seconds

HEADER = ("figure", "before", "after", "change", "")
TOLD = (
    ("attainment_ratio", "requests within the bounds"),
    ("throughput_per_chip_tokens_per_s", "output tokens/s per chip"),
    ("throughput_tokens_per_s", "output tokens/s"),
    ("ttft_p50_s", "TTFT median"),
    ("ttft_p99_s", "TTFT p99"),
    ("tpot_p50_s", "TPOT median"),
    ("tpot_p99_s", "TPOT p99"),
    ("e2e_p50_s", "whole answer median"),
    ("usd_per_million_tokens", "USD per million tokens"),
    ("energy_j_per_token", "J per token"),
    ("step_time_s", "training step"),
    ("mfu_ratio", "MFU"),
)
"""figures in the sentence, in this order"""
MOST_LISTED = 8


def in_words(found: Compared) -> list[str]:
    """What differed, and what moved by a per cent or more."""
    base, other = found.base, found.other
    lines = [f"{other.name} against {base.name}"]
    if base.inputs and other.inputs:
        listed = [difference(one) for one in found.differences[:MOST_LISTED]]
        more = len(found.differences) - len(listed)
        rest = [f"and {more} more"] if more else []
        lines.append("Inputs that differ: " + "; ".join([*listed, *rest]) + "." if listed else "The same inputs.")
    if base.verb != other.verb:
        lines.append(f"{base.name} was answered by {base.verb}, {other.name} by {other.verb}: engines differ too.")
    lines += [f"{side.name} has no answer: {side.reason}." for side in (base, other) if side.reason]
    if base.reason or other.reason:
        return lines
    by_name = {move.name: move for move in found.moves}
    told = [in_a_phrase(by_name[name], words) for name, words in TOLD if name in by_name and by_name[name].matters]
    lines.append("Moved: " + "; ".join(told) + "." if told else "No main figure moved by 1 % or more.")
    if found.differences and "simulate" in (base.verb, other.verb) and not (base.spread or other.spread):
        lines.append("One seed each: moves of a few per cent, of tails more, may be chance (--seeds 5 tells).")
    return lines


def difference(one: Difference) -> str:
    """An input before and after."""
    return f"{one.key} {text(one.before)} -> {text(one.after)}"


def text(value: Any) -> str:
    """A value of a file, cut where it is long."""
    if value is None:
        return "(not said)"
    said = value if isinstance(value, str) else json.dumps(value, default=str)
    return said if len(said) <= 60 else f"{said[:57]}..."


def in_a_phrase(move: Move, words: str) -> str:
    """A figure before and after."""
    judged = {True: " (better)", False: " (worse)", None: ""}[move.better]
    return f"{words} {figure(move.name, move.before)} -> {figure(move.name, move.after)}, {change(move)}{judged}"


def change(move: Move) -> str:
    """By how much.

    >>> change(Move("tpot_p50_s", 0.02, 0.015)), change(Move("usd_per_hour", 1.0, 3.0)), change(Move("lost", 0.0, 2.0))
    ('25 % less', '3.00 x', 'from none')
    """
    ratio = move.ratio
    if ratio == 1.0:
        return "same"
    if not math.isfinite(ratio):
        return "from none"
    if ratio >= 2.0:
        return f"{ratio:.2f} x"
    return f"{100 * abs(ratio - 1):.2g} % {'more' if ratio > 1 else 'less'}"


def figure(name: str, value: float) -> str:
    """A figure with its unit."""
    if name.endswith("_per_s"):
        return f"{value:.4g}"
    if name.endswith("_s"):
        return seconds(value)
    if name.endswith("_ratio"):
        return f"{100 * value:.1f} %"
    if name.endswith("_bytes"):
        return f"{value / 1e9:.4g} GB"
    return f"{value:.4g}"


def row(move: Move) -> list[str]:
    """The cells of `HEADER`."""
    judged = {True: "better", False: "worse", None: ""}[move.better] if move.matters else ""
    return [move.name, figure(move.name, move.before), figure(move.name, move.after), change(move), judged]


def flat(found: Sequence[Compared]) -> dict[str, Any]:
    """For JSON."""
    sides = (found[0].base, *(one.other for one in found))
    return {
        "verb": "compare",
        "sides": [
            {"name": one.name, "verb": one.verb, "feasible": not one.reason, "reason": one.reason or None,
             "figures": dict(one.figures), "notes": list(one.notes)}
            for one in sides
        ],
        "against_first": [
            {
                "name": one.other.name,
                "words": in_words(one),
                "inputs": [vars(each) for each in one.differences],
                "moves": [vars(each) | {"ratio": each.ratio, "better": each.better, "matters": each.matters}
                          for each in one.moves],
            }
            for one in found
        ],
    }  # fmt: skip
