"""What is wrong with an outcome: a traceback, a hang, memory, more than one line, or silent nonsense."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simcore.calibration.importers.vllm_run import STATED
from workloads.importers.keys import HARMLESS

if TYPE_CHECKING:
    from tests.fuzz.spoil import Input

NEW = "not-there-before"
"""a folder for --out that a refusal must leave absent"""


@dataclass(frozen=True)
class Outcome:
    """Exit code (None: a traceback), what was printed, and the processor time."""

    code: int | None
    out: str
    err: str
    trace: str
    cpu_s: float


MAY_BE_NEGATIVE = re.compile(
    r"lower_bound|operations\.\d+\.time_s|objective|(^|\.)cut|error|bias|difference|added_ratio|residual|saved|gap|notes?\."
    r"|hypervolume|headroom|slope|correlation|stages\.\d+\.(ttft|tpot|e2e)"
)
"""Answers with a sign: differences, and a row of `operations`, where what a named stack hides under other work is a
credit (`layer_s` and `launch_layer_s` of a fitted stack may be below zero: launches that overlap); the sum of the rows
is a step's time, which may not."""
WORDS = re.compile(
    r"(^|[.:])(sources?|notes?|title|citations|description|claim|label|url|date|aliases|head)(\.|$)|(^|\.)name$"
)
"""text in which a number means nothing"""
FREE = re.compile(r"(^|\.)(seed|hash_ids|reference)(\.|$)|\.slope(\.|$)|:(turn|priority)$")
"""any number is meant: seeds, names of prefix blocks, the point that a hypervolume counts from, an order"""
FOREIGN = re.compile(
    r"rope|theta|token_id|_std$|_eps$|epsilon|initializer|dropout|_bias$|transformers_version|_coef$|alpha|beta|softcap"
    r"|torch_dtype|_range|mscale|chunk_size_feed|auto_map|_token_index|pretraining_tp|num_beams|_penalty$|top_[kp]$|image|audio|vision|video|_factor$|scale|norm_|attn_|temperature"
)
"""keys of a config.json that say nothing of shapes (training, sampling, positions): the importer does not read them"""
OPEN = ("inf", "nan")
UNREAD = re.compile(r":(prefill_|decode_)|:(silicon_data_source|id)$")
"""columns of serving rows that the command does not read: those of disaggregated servers in the row of another"""
NAMED = "|".join({place.rpartition(".")[2] for ways in STATED.values() for place in ways})
RECORDED = re.compile(rf"^(?!\d)(?!.*({NAMED}|_parallel))")
"""what the meta.json of a recorded run says beyond the settings that are read (rows begin with their number)"""
TIMES = re.compile(r"(^|\.)(ttfts|itls|e2els)(\.|$)")
"""what requests of a benchmark's result took: a trace is read for when they came and how long they were"""
RATE = re.compile(r"^\d+\.request_rate$")
"""the rate of a benchmark's result that serves as a trace, whose requests say when they came"""


def verdict(asked: Input, done: Outcome, most_s: float) -> tuple[str, str]:
    """(what is wrong, the place in the code or file by which failures are grouped); ("", "") where nothing is."""
    if done.code is None:
        if "TimeoutError: more than" in done.trace:
            return "hang", where(done.trace)
        return "traceback: " + done.trace.strip().splitlines()[-1][:300], where(done.trace)
    if done.cpu_s > most_s:
        return f"hang: {done.cpu_s:.0f} s", asked.change.place
    if "not enough memory" in done.err:
        return "memory", asked.change.place
    lines = [line for line in done.err.splitlines() if line.strip()]
    if done.code == 2 and (not lines or len(lines[-1]) > 1200 or len(done.err) > 6000):
        return f"message of {len(lines)} lines, {len(done.err)} characters", asked.change.place
    if done.code == 2:
        return refused(asked, lines[-1])
    if done.code not in (0, 1):
        return f"exit code {done.code}", asked.change.place
    if "--json" in asked.words and done.out.strip():
        try:
            found = json.loads(done.out)
        except ValueError:
            return "no JSON", asked.words[0]
        for place, value in numbers(found, ""):
            if not math.isfinite(value) or (value < -1e-12 and not MAY_BE_NEGATIVE.search(place)):
                return f"nonsense: {place} = {value}", re.sub(r"\d+", "N", place)
    place = asked.change.place
    missing = asked.change.new == "nan" and asked.change.how == "cell" and not place.endswith("latency_ms")
    if asked.change.nonsense and not missing and not unbordered(asked.words, place, asked.change.new):
        return f"taken in silence: {place} = {asked.change.new}", re.sub(r"\d+", "N", place)
    return "", ""


INWARD = re.compile(
    r"pydantic|Traceback|<class|object at 0x|Input should|instance of \w+Part|codec can't|C error|could not convert"
    r"|\w+Error: |unhashable|has no attribute"
)
"""words of the code in a message for people"""


def refused(asked: Input, message: str) -> tuple[str, str]:
    """What is wrong with a refusal: words of the code in its line, or something left behind."""
    found = INWARD.search(message)
    if found and found[0] not in " ".join(asked.words):
        return f"message in the code's words: {message[:200]}", asked.change.place
    if not message.startswith("simcore: "):
        return f"message of more lines: {message[:200]}", asked.change.place
    left = [word for word in asked.words if word.endswith(f"/{NEW}") and os.path.lexists(word)]
    return (f"left behind: {left[0]}", asked.words[0]) if left else ("", "")


def unbordered(words: tuple[str, ...], place: str, new: str) -> bool:
    """Whether a number at a place means nothing to the command, or may have any value."""
    foreign = any(word.endswith("config.json") for word in words)
    rows = words[:1] == ("validate",)
    return bool(
        WORDS.search(place)
        or FREE.search(place)
        or TIMES.search(place)
        or (foreign and (FOREIGN.search(place) or (new in OPEN and open_ended(place))))
        or (not rows and RATE.search(place))
        or (rows and (UNREAD.search(place) or (words[1] == "requests" and RECORDED.search(place))))
    )


def open_ended(place: str) -> bool:
    """Whether the key of a config.json at a place is one that the importer leaves alone, and so may be infinite."""
    return bool(HARMLESS.search([part for part in place.split(".") if not part.isdigit()][-1]))


def where(trace: str) -> str:
    """The last line of the project in a traceback."""
    ours = "simcore|scenarios|planners|validation|reports|commands|workloads|hardware_specs|cli"
    lines = re.findall(rf'File ".*?/((?:{ours})[^"]*)", line (\d+)', trace)
    return f"{lines[-1][0]}:{lines[-1][1]}" if lines else trace.strip().splitlines()[-1][:80]


def numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every number of a JSON value with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from numbers(inner, f"{place}.{at}")
    elif isinstance(value, float | int) and not isinstance(value, bool):
        yield place, float(value)
