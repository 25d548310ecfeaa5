"""What a study may not say: each rule turns a planted violation away, by file and key."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scenarios.toml import dumps
from simcore.errors import InputError
from studies.catalogue import parse

Raw = dict[str, object]


def small() -> dict[str, object]:
    return {
        "schema": "study/2",
        "name": "small",
        "group": "serving",
        "title": "t",
        "question": "q?",
        "evaluator": "estimate",
        "paper": {"id": "1", "title": "p", "where": "abstract"},
        "scenario": {
            "model": {"name": "llama-3.1-8b"},
            "hardware": {"system": "h100-sxm", "stack": "datasheet"},
            "traffic": {"batch": 4, "input_tokens": 64, "output_tokens": 8},
        },
        "variants": [{"label": "new", "set": {"traffic.batch": 8}}, {"label": "old"}],
        "inputs": [
            {
                "name": "bandwidth",
                "key": "hardware.chip.memory.main.read_bandwidth",
                "value": "3.35 TB/s",
                "kind": "assumed",
                "source": "us",
                "range": ["2 TB/s", "4 TB/s"],
            }
        ],
        "placebo": {"variant": "new", "baseline": "old", "off": {"traffic.batch": 4}},
        "claims": [
            {
                "says": "faster",
                "kind": "headline",
                "published": 1.9,
                "ours": "new.throughput_tokens_per_s / old.throughput_tokens_per_s",
                "where": "abstract",
            },
            {
                "says": "time",
                "kind": "inner",
                "published": [1.0, 40.0],
                "ours": "1000 * new.tpot_mean_s",
                "where": "table 1",
            },
        ],
    }


def claim(key: str, value: object, number: int = 0) -> Callable[[Raw], None]:
    return lambda raw: raw["claims"][number].__setitem__(key, value)  # type: ignore[index]


def into(part: str, key: str, value: object) -> Callable[[Raw], None]:
    def change(raw: Raw) -> None:
        where = raw[part]
        where[0].__setitem__(key, value) if isinstance(where, list) else where.__setitem__(key, value)  # type: ignore[attr-defined]

    return change


BROKEN: dict[str, tuple[Callable[[Raw], None], str]] = {
    "a number of its own": (claim("ours", "1.9 * new.tpot_mean_s / old.tpot_mean_s"), "1.9 is a number of its own"),
    "a number made of ones": (claim("ours", "new.tpot_mean_s * (1 + 1) / old.tpot_mean_s"), "'1 + 1' is not possible"),
    "a metric twice": (claim("ours", "(new.tpot_mean_s + new.tpot_mean_s) / old.tpot_mean_s"), "stands twice"),
    "a function": (claim("ours", "minimum(new.tpot_mean_s, 1)"), "not possible"),
    "a power": (claim("ours", "new.tpot_mean_s ** 0"), "not possible"),
    "no metric": (claim("ours", "bandwidth"), "holds no VARIANT.metric"),
    "an unknown variant": (claim("ours", "newer.tpot_mean_s / old.tpot_mean_s"), "neither VARIANT.metric nor an input"),
    "a factor as a value": (
        into("variants", "set", {"hardware.chip.memory.main.read_bandwidth": "2x"}),
        "factor on time",
    ),
    "a number of a schedule": (into("scenario", "values", {"bytes": "3 GB"}), "scenario.values.bytes: has no source"),
    "the same in words": (into("variants", "set", {"values.share": "0.3"}), "has no source"),
    "step times": (into("variants", "set", {"steps.step": "1 ms"}), "factor on time"),
    "a free number": (into("variants", "set", {"policy.draft": "1 ms"}), "has no source"),
    "a wide tolerance": (claim("tolerance", 80), "at most 25 %"),
    "no inner claim": (lambda raw: raw["claims"].pop(), "has no inner claim"),  # type: ignore[attr-defined]
    "a shape with a figure": (claim("kind", "shape"), "a shape without a bound"),
    "a headline as a bound": (claim("at_least", 1), "bounds are for"),
    "a derived headline": (claim("derived", True), "for inner claims"),
    "no place in the paper": (claim("where", ""), "where: is missing"),
    "an assumed input without a range": (lambda raw: raw["inputs"][0].pop("range"), "range: is missing"),  # type: ignore[index]
    "a fit to nothing": (into("inputs", "kind", "fitted"), "names no claim"),
    "a placebo of nothing": (into("placebo", "variant", "other"), "names no variant"),
    "an unknown key": (into("placebo", "offf", 1), "unknown key"),
    "no group": (lambda raw: raw.__setitem__("group", "mine"), "no group"),
    "no variants": (lambda raw: raw.pop("variants"), "variants: is missing"),
}


def test_a_study_that_keeps_the_rules_is_read() -> None:
    found = parse(dumps(small()), "small.toml")
    assert found.free_inputs == 1 and found.ask is not None and not hasattr(found.ask, "claims")


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_rule_is_told_in_one_line(what: str) -> None:
    raw = small()
    change, says = BROKEN[what]
    change(raw)
    with pytest.raises(InputError) as told:
        parse(dumps(raw), "small.toml")
    assert says in str(told.value) and str(told.value).startswith("small.toml: ") and "\n" not in str(told.value)
