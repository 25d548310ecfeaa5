"""Checkpoints that differ from a known one by a suffix: a date, a tuning, the format of the weights.

`Qwen3-30B-A3B-Thinking-2507-FP8` has the architecture of `Qwen3-30B-A3B`. A suffix that names a format gives the
weights that format; the others change nothing that a simulator sees. Wrong for a checkpoint whose makers changed the
architecture under the same base name: give its config.json instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TUNINGS = re.compile(r"-(instruct|thinking|chat|base|it|hf|[0-9]{4})(?=-|$)", re.I)
FORMATS = {
    "bf16": "bf16",
    "fp8": "fp8",
    "fp8-block": "fp8-block",
    "fp8-dynamic": "fp8",
    "fp4": "nvfp4",
    "nvfp4": "nvfp4",
    "mxfp4": "mxfp4",
    "int8": "int8",
    "w8a8": "int8",
    "int4": "int4",
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
}
"""suffix -> format of the weights: FP8 of dense models has one scale per row, of experts one per block, where the
checkpoint itself is not known"""
QUANTISED = re.compile(rf"[-_]({'|'.join(sorted(FORMATS, key=len, reverse=True))})([-_]v\d+)?$", re.I)


def candidates(name: str) -> Iterator[tuple[str, str]]:
    """(name to try, format that the weights then have, "" for that checkpoint's own), the nearest first.

    >>> list(candidates("Qwen/Qwen3-30B-A3B-Thinking-2507-FP8"))[-2:]
    [('Qwen3-30B-A3B-Thinking-2507', 'fp8'), ('Qwen3-30B-A3B', 'fp8')]
    """
    last = name.split("/")[-1]
    found = QUANTISED.search(name)
    plain = [(n, "") for n in (last, TUNINGS.sub("", name), TUNINGS.sub("", last))]
    if found is not None:
        number = FORMATS[found[1].lower().replace("_", "-")]
        bare, short = name[: found.start()], last[: QUANTISED.search(last).start()]  # type: ignore[union-attr]
        plain += [(n, number) for n in (bare, short, TUNINGS.sub("", short))]
    seen = {name}
    for text, number in plain:
        if text and text not in seen:
            seen.add(text)
            yield text, number


def formats_of(spec: Any, number: str, name: str) -> dict[str, str]:
    """Fields of a spec that a suffix changes: the experts' format where they have one of their own (an fp4 copy of an
    int4 model), except mxfp4, which its copies keep; else that of all weights."""
    if spec.expert_format:
        return {} if spec.expert_format == "mxfp4" else {"expert_format": number}
    blocks = number == "fp8" and spec.is_moe and not name.lower().endswith("dynamic")
    return {"native_format": "fp8-block" if blocks else number}
