"""Flags of a public benchmark's servers, for rows that state none: what its launch scripts say, by stack and model.

A script belongs to one model, so that these are facts about those servers and not a rule for others: they show what is
gained where a server's flags are known (column `server_flags`), and nothing else reads them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from validation.serving.question import one_prompt
from validation.serving.rows import Question, ServingRow

FEW_USERS = 16
"""below which the scripts for Blackwell poll every 10 steps, and every 30 from there on"""


@cache
def launches() -> Sequence[Mapping[str, Any]]:
    """The file's entries."""
    path = resources.files("hardware_specs") / "calibration" / "serving" / "launches.toml"
    found: list[Mapping[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["launch"]
    return found


def with_public_flags(rows: Sequence[ServingRow]) -> list[ServingRow]:
    """The rows with the flags of their scripts where they state none."""
    return [replace(row, question=row.question and flagged(row.question)) for row in rows]


def flagged(question: Question) -> Question:
    """The question with its server's flags; as it is where no script is known, or it states its own."""
    if question.flags or question.fixed_lengths or question.prefill is not None:
        return question
    last = [one for one in launches() if applies(one["when"], question)]
    return replace(question, flags=last[-1]["flags"].format(**numbers(question))) if last else question


def applies(when: Mapping[str, Any], question: Question) -> bool:
    """Whether every field that an entry names is the question's."""
    known = {name: value if isinstance(value, list) else [value] for name, value in when.items()}
    return all(getattr(question, name) in values for name, values in known.items())


def numbers(question: Question) -> dict[str, int]:
    """What stands in braces in the flags."""
    return {
        "users": question.users,
        "per_rank": -(-question.users // question.pool.attention_dp),
        "input": question.input_tokens,
        "output": question.output_tokens,
        "longest": question.input_tokens + question.output_tokens + 200,
        "prompt": one_prompt(question),
        "recv": 10 if question.users < FEW_USERS else 30,
    }
