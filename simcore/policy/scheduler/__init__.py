"""Scheduling policies of one replica: one file each, found by name; each composes one step (`simcore.policy.verbs`).

Besides `compose` a file may say:

- `rank(requests, options) -> [requests]`: how its queue is ordered, lowest first (equal ranks as they came). It is
  asked when requests arrive, gets records as arrays, and may also fill `requests["user"]`. Without it: first come first
  served.
- `OPTIONS = {"patience_s": 2.0, ...}`: numbers that a scenario may set under [policy.options], with their defaults, at
  most `MAX_OPTIONS`; in `compose` they are `replica.options[0]`, `[1]`, ... in that order.
- `WHOLE_PROMPTS = True`: it never cuts a prompt, so that KV of all of it is taken when it starts, whatever
  `policy.whole_prompt` says; else a prompt could start for whose rest there is no KV.

What it must remember between steps it keeps in `requests[number].user[...]` and `replica.user[...]`. A scheduler of
one's own is such a file in an installed package that names it under the entry points `simcore.schedulers`, or a module
given to `simcore.register("scheduler", module)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simcore.errors import InputError, suggest
from simcore.policy.records import MAX_OPTIONS
from simcore.registry import GROUPS, PluginRegistry

schedulers = PluginRegistry("scheduler", "simcore.policy.scheduler", "compose", GROUPS["scheduler"])
Options = Mapping[str, float]


def rank_of(name: str) -> Callable[[Any, Options], Any] | None:
    """How the scheduler of that name orders its queue; None: as requests come. Raises UnknownName."""
    found: Callable[[Any, Options], Any] | None = schedulers.part(name, "rank", None) if _says(name, "rank") else None
    return found


def takes_whole_prompts(name: str) -> bool:
    """Whether the scheduler of that name never cuts a prompt. Raises UnknownName."""
    return bool(_says(name, "WHOLE_PROMPTS") and schedulers.part(name, "WHOLE_PROMPTS", False))


def _says(name: str, attribute: str) -> bool:
    """Whether a scheduler may have it: a shipped file that does not bind the name is not imported for it."""
    from simcore.cost.sources import defines

    file = schedulers.file_of(name)
    return file is None or defines(file, attribute)


def options_of(name: str, given: Options | None = None) -> dict[str, float]:
    """Every option of the scheduler of that name: as given, else its default.

    Raises UnknownName for the scheduler, InputError for an option that it does not have and for too many.
    """
    declared: dict[str, float] = dict(schedulers.part(name, "OPTIONS", {}) if _says(name, "OPTIONS") else {})
    if len(declared) > MAX_OPTIONS:
        raise InputError(f"scheduler {name!r} has {len(declared)} options", fix=f"use at most {MAX_OPTIONS}")
    for key in given or {}:
        if key not in declared:
            what = f"scheduler {name!r} has no option {key!r}"
            raise InputError(what, key=f"policy.options.{key}", fix=suggest(key, declared))
    return {key: float(value) for key, value in (declared | dict(given or {})).items()}
