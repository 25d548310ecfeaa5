"""Written schedules: loops and references, closed forms, what stores hold, questions to other verbs, refusals."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from planners.tasks.answer import from_tables, most
from planners.tasks.asks import array_numbers
from simcore.cost.expert_cache import Routing, hit_ratio
from simcore.errors import InputError
from tests.shared import ROOT

Raw = dict[str, Any]


def stream(ahead: int = 1, layers: int = 5) -> Raw:
    return {
        "values": {"layers": layers, "ahead": ahead, "bytes": "3 GB", "work_s": "2 s", "rate": "1 GB/s"},
        "resources": {"link": "rate"},
        "engines": {"gpu": 1, "copy": 1},
        "tasks": [
            {
                "name": "load",
                "over": {"layer": "layers"},
                "amount": "bytes",
                "uses": {"link": 1},
                "engine": "copy",
                "after": ["work[layer - 1 - ahead]"],
            },
            {"name": "work", "over": {"layer": "layers"}, "amount": "work_s", "engine": "gpu", "after": ["load"]},
        ],
        "holds": [
            {"store": "gpu", "over": {"layer": "layers"}, "amount": "bytes", "since": ["load"], "until": ["work"]}
        ],
    }


@pytest.mark.parametrize("work_s", [0.5, 3.0, 7.0])
def test_a_stream_takes_what_the_closed_form_says(work_s: float) -> None:
    raw = stream()
    raw["values"]["work_s"] = work_s
    found = from_tables(raw, "mine.toml").flat
    assert found["makespan_s"] == pytest.approx(max(5 * work_s + 3.0, 15.0 + work_s), rel=1e-9)
    assert found["held_bytes"]["gpu"] == pytest.approx(6e9) and found["carried"]["link"] == pytest.approx(15e9)
    assert found["bounds"]["resource_s"] <= found["makespan_s"] and found["tasks"] == 10


def test_on_demand_every_layer_waits() -> None:
    found = from_tables(stream(ahead=0), "mine.toml").flat
    assert found["makespan_s"] == pytest.approx(25.0) and found["held_bytes"]["gpu"] == pytest.approx(3e9)
    assert found["idle_ratio"]["gpu"] == pytest.approx(0.6)


def test_energy_is_of_what_was_carried_worked_and_always_on() -> None:
    found = from_tables(stream() | {"energy": {"link": "2 nJ/byte", "gpu": 100, "always": "10 W"}}, "mine.toml").flat
    assert found["energy_j"] == pytest.approx(2e-9 * 15e9 + 100 * 10.0 + 10 * found["makespan_s"])


def test_a_store_that_holds_too_much_is_infeasible_and_named() -> None:
    raw = stream() | {"stores": {"gpu": "5 GB"}}
    found = from_tables(raw, "mine.toml").flat
    assert not found["feasible"] and "gpu needs 6.0 GB and has 5.0 GB" in found["reason"]


def test_references_see_shared_indices_whole_work_and_given_places() -> None:
    raw: Raw = {
        "engines": {"a": 8},
        "tasks": [
            {"name": "part", "over": {"i": 2, "j": 3}, "amount": "1 + i + 2 * j", "engine": "a"},
            {"name": "row", "over": {"i": 2}, "amount": 1, "after": ["part"]},
            {"name": "corner", "amount": 1, "after": ["part[1, 2]"]},
            {"name": "column", "over": {"j": 3}, "amount": 1, "after": ["part[:, j]"], "when": "j > 0"},
            {"name": "all", "amount": 1, "after": ["row", "column"]},
        ],
    }
    found = from_tables(raw, "mine.toml").flat
    ends = {name: one["end_s"] for name, one in found["work"].items()}
    assert ends == {"part": 6.0, "row": 7.0, "corner": 7.0, "column": 7.0, "all": 8.0}
    assert found["work"]["column"]["count"] == 2


def test_other_verbs_and_facts_are_asked() -> None:
    from planners.tasks.answer import from_file

    found = from_file(ROOT / "examples" / "stream-weights.toml", {"values.users": 4}).flat
    parts = {"layer_bytes": 2 * 616_655_872, "steps": 4}
    assert {name: found["values"][name] for name in parts} == pytest.approx(parts, rel=1e-3)
    assert found["makespan_s"] > 4 * 48 * parts["layer_bytes"] / 32e9 and found["utilisation_ratio"]["pcie"] > 0.99
    assert found["values"]["layer_s"] > 0


def test_an_array_is_asked_as_the_table_is() -> None:
    found = array_numbers({"dataflow": "output", "height": 8, "width": 8, "m": 16, "n": 8, "k": 10}, "")
    assert found["cycles"] == 2 * (10 + 8 + 8 - 2) - 1 and found["macs"] == 1280


BROKEN: dict[str, tuple[Callable[[Raw], Any], str]] = {
    "an unknown name": (lambda raw: raw["values"].update(bytes="size * 2"), "values.bytes: unknown name 'size'"),
    "a circle of values": (lambda raw: raw["values"].update(rate="bytes", bytes="rate"), "depends on itself"),
    "a circle of tasks": (lambda raw: raw["tasks"][0].update(after=["work"]), "wait for each other"),
    "unknown work": (lambda raw: raw["tasks"][1].update(after=["lod"]), "there is no work 'lod'"),
    "too many indices": (lambda raw: raw["tasks"][1].update(after=["load[0, 1]"]), "has 2 indices, load 1"),
    "half a task": (lambda raw: raw["tasks"][1].update(over={"layer": 1.5}), "1.5 is no whole number"),
    "an unknown key": (lambda raw: raw["tasks"][0].update(afetr=[]), "tasks.load.afetr: unknown key"),
    "an unknown resource": (lambda raw: raw["tasks"][0].update(uses={"lnk": 1}), "no such resource or engine: 'lnk'"),
    "an unknown verb": (lambda raw: raw.update(asks={"x": {"verb": "see"}}, values={"layers": "x.y"}), "unknown verb"),
    "no tasks": (lambda raw: raw.update(tasks=[]), "tasks: is missing"),
    "a list for a number": (lambda raw: raw["tasks"][0].update(amount=[1]), "tasks.load.amount: is no number"),
    "nothing to divide by": (lambda raw: raw["values"].update(bytes="1 / 0 * layers"), "not finite"),
    "energy of nothing": (lambda raw: raw.update(energy={"lnk": 1}), "energy.lnk: is neither resource nor engine"),
    "two of one name": (lambda raw: raw["tasks"][1].update(name="load"), "no name of its own"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_bad_input_is_one_line_with_file_and_key(what: str) -> None:
    raw = copy.deepcopy(stream())
    change, says = BROKEN[what]
    change(raw)
    with pytest.raises(InputError) as told:
        from_tables(raw, "mine.toml")
    assert says in str(told.value) and str(told.value).startswith("mine.toml: ") and "\n" not in str(told.value)


def test_what_leaves_as_others_come_makes_room() -> None:
    begin, end, amount = np.array([0.0, 1.0, 1.0]), np.array([1.0, 3.0, 2.0]), np.array([5.0, 2.0, 1.0])
    assert most([begin, end, amount]) == 5.0


def test_caches_of_experts() -> None:
    even = Routing(experts=16, chosen=2, tokens=2000)
    for rule in ("static", "lru", "lfu", "score"):
        assert hit_ratio(even, 16, rule) == 1.0 and hit_ratio(even, 0, rule) == 0.0
        assert hit_ratio(even, 8, rule) == pytest.approx(0.5, abs=0.05)
    skewed = Routing(experts=16, chosen=2, tokens=2000, skew_ratio=1.2)
    assert hit_ratio(skewed, 4, "lfu") > hit_ratio(even, 4, "lfu") + 0.2
    repeating = Routing(experts=16, chosen=2, tokens=2000, repeat_ratio=0.8)
    assert hit_ratio(repeating, 4, "lru") > hit_ratio(repeating, 4, "static") + 0.3
    with pytest.raises(InputError, match="unknown rule 'lfru'"):
        hit_ratio(even, 4, "lfru")
