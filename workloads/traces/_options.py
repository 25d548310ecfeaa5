"""How to read a trace: which column is what, in which units, and what to change afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from simcore.errors import InputError, suggest
from simcore.kept.lazy import dataclass

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
NAMES: dict[str, tuple[str, ...]] = {
    "arrival": (
        *("arrival", "arrival_time", "arrival_timestamp", "arrived_at", "arrived", "arrivals", "timestamp", "time"),
        *(
            "datetime",
            "ts",
            "request_time",
            "request_timestamp",
            "received_at",
            "sent_at",
            "submit_time",
            "submitted_at",
        ),
        *("created_at", "created", "start_time", "start_times", "offset"),
    ),
    "input": (
        *(
            "input_tokens",
            "prompt_tokens",
            "context_tokens",
            "input_length",
            "prompt_length",
            "input_len",
            "prompt_len",
        ),
        *("request_tokens", "num_prompt_tokens", "num_input_tokens", "num_prefill_tokens", "prefill_tokens", "isl"),
        *("n_prompt_tokens", "prompt_token_count", "input_token_count", "context_length", "input", "prompt"),
    ),
    "output": (
        *("output_tokens", "completion_tokens", "generated_tokens", "output_length", "completion_length", "output_len"),
        *("response_tokens", "num_output_tokens", "num_completion_tokens", "num_decode_tokens", "decode_tokens", "osl"),
        *("n_completion_tokens", "completion_token_count", "output_token_count", "candidates_token_count", "gen_len"),
        *("response_length", "generated_length", "output", "completion"),
    ),
    "session": ("session", "session_id", "conversation_id", "conversation"),
    "turn": ("turn", "turn_id", "turn_index"),
    "class": ("slo_class", "class", "request_class"),
    "hashes": ("prefix_hashes", "hash_ids", "block_hashes", "hashes"),
    "priority": ("priority",),
    "pause": ("pause", "think_time"),
    "block": ("prefix_block_tokens",),
}
"""role -> usual column names, the surest first; compared without case and punctuation, times also with a unit behind"""
TIMES = ("arrival", "pause")
UNIT_WORDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), "ns"),
}
_UNIT = re.compile(rf"^(.+?)[\s_\-(\[]+({'|'.join(UNIT_WORDS)})[)\]]?$")


@dataclass(frozen=True)
class TraceOptions:
    """What a scenario says of its trace; what is left out is told by the file."""

    form: str | None = None
    """a trace format by name"""
    columns: Mapping[str, str] = field(default_factory=dict)
    """role (arrival, input, output, session, turn, class, hashes, priority, pause) -> column name"""
    time_unit: str | None = None
    """of numeric arrivals: s, ms, us, ns, min, h"""
    hash_tokens: int | None = None
    """input tokens that one prefix hash covers"""
    rate_scale: float = 1.0
    input_scale: float = 1.0
    output_scale: float = 1.0
    head: int | None = None

    def __post_init__(self) -> None:
        for role in self.columns:
            if role not in NAMES:
                raise InputError("is no role of a column", key=f"traffic.columns.{role}", fix=suggest(role, NAMES))
        if self.time_unit is not None and self.time_unit not in SECONDS:
            fix = f"use {', '.join(SECONDS)}"
            raise InputError(f"{self.time_unit!r} is no unit of time", key="traffic.time_unit", fix=fix)
        if self.hash_tokens is not None and self.hash_tokens < 1:
            raise InputError(f"{self.hash_tokens} is not at least 1", key="traffic.hash_tokens")

    @classmethod
    def of(cls, part: Any) -> TraceOptions:
        """From the [traffic] of a scenario."""
        names = ("form", "columns", "time_unit", "hash_tokens", "rate_scale", "input_scale", "output_scale", "head")
        return cls(**{name: getattr(part, name) for name in names if hasattr(part, name)})


@dataclass(frozen=True)
class Form:
    """A trace format that is documented somewhere: its columns and what they mean."""

    columns: Mapping[str, str]
    """role -> exact column name; a file that has all of them is taken for this format"""
    time_unit: str | None = None
    hash_tokens: int | None = None
    whole_times: bool = False
    """arrivals are whole numbers of the unit; others are not of this format"""
    note: str = ""


def plain(name: str) -> str:
    """A column name without case and punctuation.

    >>> plain("Prompt_Tokens"), plain("ContextTokens")
    ('prompttokens', 'contexttokens')
    """
    return re.sub(r"[^a-z0-9]+", "", name.lower())


LONGEST_NAME = 200
"""of a column: a longer one is no name"""


def unit_of(name: str) -> tuple[str, str | None]:
    """(column name without its unit, unit) of a time column.

    >>> unit_of("arrival_ms"), unit_of("Arrival (s)"), unit_of("timestamps")
    (('arrival', 'ms'), ('Arrival', 's'), ('timestamps', None))
    """
    found = _UNIT.match(name.strip().lower()) if len(name) <= LONGEST_NAME else None
    if not found:
        return name, None
    return name.strip()[: len(found[1])], UNIT_WORDS[found[2]]


def sniff(role: str, columns: list[str]) -> str | None:
    """The column that holds a role by its name, surest first; the last part of a dotted name counts as its name."""
    for whole in (True, False):
        keys: dict[str, str] = {}
        for column in reversed(columns):
            name = column if whole else column.rpartition(".")[2]
            if role in TIMES:
                keys[plain(unit_of(name)[0])] = column
            keys[plain(name)] = column
        for wanted in NAMES[role]:
            if plain(wanted) in keys:
                return keys[plain(wanted)]
    return None
