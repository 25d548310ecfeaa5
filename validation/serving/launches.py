"""Flags of a public benchmark's servers, for rows that state none: what its launch scripts say, by stack and model.

A script belongs to one model, so that these are facts about those servers and not a rule for others: they show what is
gained where a server's flags are known (column `server_flags`), and nothing else reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from string import Formatter

from simcore.errors import InputError
from simcore.spec.base import Spec
from simcore.spec.load import build, read_toml
from validation.serving.question import one_prompt
from validation.serving.rows import Question, ServingRow

FEW_USERS = 16
"""below which the scripts for Blackwell poll every 10 steps, and every 30 from there on"""


NUMBERS = ("users", "per_rank", "input", "output", "longest", "prompt", "recv")
"""what may stand in braces in the flags"""


class When(Spec):
    """Rows that a script belongs to; what is empty matters not."""

    stack: str
    family: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()

    def __contains__(self, question: Question) -> bool:
        named = (self.family, self.system, self.precision)
        told = (question.family, question.system, question.precision)
        fits = all(not known or one in known for known, one in zip(named, told, strict=True))
        return fits and question.stack == self.stack


class Launch(Spec):
    """The flags of one script."""

    when: When
    flags: str
    script: str


class Launches(Spec):
    """The file."""

    launch: tuple[Launch, ...]


def parsed(text: str, file: str) -> tuple[Launch, ...]:
    """The entries of a file. Raises InputError."""
    found = build(Launches, read_toml(text, file), file).launch
    for place, one in enumerate(found):
        key, fix = f"launch.{place}.flags", f"name {', '.join(NUMBERS)} in braces"
        try:
            parts = list(Formatter().parse(one.flags))
        except ValueError as error:
            raise InputError(str(error), file=file, key=key, fix=fix) from None
        if any(name is not None and (name not in NUMBERS or form or how) for _, name, form, how in parts):
            raise InputError("names what no row has", file=file, key=key, fix=fix)
    return found


@cache
def launches() -> tuple[Launch, ...]:
    """The package's."""
    path = resources.files("hardware_specs") / "calibration" / "serving" / "launches.toml"
    return parsed(path.read_text(encoding="utf-8"), path.name)


def with_public_flags(rows: Sequence[ServingRow]) -> list[ServingRow]:
    """The rows with the flags of their scripts where they state none."""
    return [replace(row, question=row.question and flagged(row.question)) for row in rows]


def flagged(question: Question) -> Question:
    """The question with its server's flags; as it is where no script is known, or it states its own."""
    if question.flags or question.fixed_lengths or question.prefill is not None:
        return question
    last = [one for one in launches() if question in one.when]
    return replace(question, flags=last[-1].flags.format(**numbers(question))) if last else question


def numbers(question: Question) -> dict[str, int]:
    """What stands in braces in the flags."""
    ranks = question.pool.attention_dp
    longest = question.input_tokens + question.output_tokens + 200
    few = question.users < FEW_USERS
    found = (question.users, -(-question.users // ranks), question.input_tokens, question.output_tokens, longest)
    return dict(zip(NUMBERS, (*found, one_prompt(question), 10 if few else 30), strict=True))
