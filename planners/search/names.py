"""What a name in an objective, a constraint or a law stands for: keys of the file, fields of results, facts of specs.

A key may be written in full (`plan.tp`) or as planners call it (`tp`); a field as every verb tells it (`ttft_p50_s`) or
as its engine does (`ttft_s`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from planners.axes import engine_name
from planners.search.problem import Objective
from scenarios.migrate import new_key
from simcore.spec.expression import Expression

MEANS = ("ttft_s", "tpot_s", "itl_s", "e2e_s", "queue_s")


@lru_cache(4096)
def key_of(name: str) -> str:
    """The scenario key behind a name; the name itself where it is none.

    >>> key_of("tp"), key_of("chip.power.tdp"), key_of("policy.kv_tier"), key_of("area_mm2")
    ('plan.tp', 'hardware.chip.power.tdp', 'residency.kv', 'area_mm2')
    """
    return new_key(name)


def output_of(name: str, outputs: Iterable[str]) -> str:
    """The output behind a name; the name itself where there is none.

    >>> output_of("ttft_p50_s", ["ttft_s"]), output_of("tpot_s", ["tpot_mean_s"]), output_of("speed", [])
    ('ttft_s', 'tpot_mean_s', 'speed')
    """
    known = tuple(outputs)
    means = f"{name.removesuffix('_s')}_mean_s" if name in MEANS else name
    return next((found for found in (name, engine_name(name), means) if found in known), name)


def objective(name: str, maximise: bool, outputs: Iterable[str]) -> Objective:
    """An objective under the name that the file gives it."""
    return Objective(name, maximise, output_of(name, outputs))


def in_words_of(rule: Expression, keys: Iterable[str], outputs: Iterable[str]) -> Expression:
    """The expression in keys of the space, in outputs, and for the rest in scenario keys."""
    known, given = tuple(keys), tuple(outputs)
    found = {}
    for name in rule.names:
        if name in known:
            continue
        key = key_of(name)
        output = output_of(name, given)
        found[name] = key if key in known or output not in given else output
    return rule.renamed(found)
