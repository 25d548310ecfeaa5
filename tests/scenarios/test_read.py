"""Scenario files: keys set, axes added, tables written; what is wrong is one line with file and key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import simcore
from planners.axes import axes_of, combinations
from scenarios.read import parse_set, parse_vary, read, split
from scenarios.toml import dumps
from simcore.errors import InputError
from simcore.spec.scenario import put

TEXT = """
schema = "scenario/2"
[model]
name = "llama-3.1-8b"
[hardware]
system = "h100-sxm"
[traffic]
input_tokens = 512
output_tokens = 64
batch = 4
[slo]
ttft = "1 s"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "small.toml"
    found.write_text(TEXT)
    return found


def test_a_file_without_a_name_is_called_after_itself(file: Path) -> None:
    assert read(file).name == "small" and read(file).notes == ()


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("plan.tp", 8, ("plan", "tp")),
        ("seed", 3, ("seed",)),
        ("hardware.chip.memory.hbm.capacity", "96 GB", ("hardware", "chip", "memory.hbm.capacity")),
        ("hardware.node.levels.0.link.bandwidth", "1 TB/s", ("hardware", "node", "levels.0.link.bandwidth")),
        ("slo.classes.chat.ttft", "1 s", ("slo", "classes", "chat", "ttft")),
    ],
)
def test_put_sets_a_dotted_key(key: str, value: Any, place: tuple[str, ...]) -> None:
    raw: dict[str, Any] = {}
    put(raw, key, value)
    for part in place:
        raw = raw[part]
    assert raw == value


@pytest.mark.parametrize("key", ["", "plan.", "hardware.chip.", "name.x"])
def test_put_refuses_what_is_no_key(key: str) -> None:
    with pytest.raises(InputError):
        put({"name": "a"}, key, 1, "f.toml")


def test_set_options_are_toml_or_words() -> None:
    texts = ["plan.tp=8", "plan.sp=true", "traffic.input_tokens=[10, 20]", "slo.ttft=2 s", "hardware.system=h200-sxm"]
    found = parse_set(texts)
    assert list(found.values()) == [8, True, [10, 20], "2 s", "h200-sxm"]
    for bad in ("plan.tp", "=3"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_set([bad])


def test_vary_options_split_at_commas_outside_brackets() -> None:
    found = parse_vary(["plan.tp=1,2", "plan.kv=bf16,fp8", "traffic.batch={low=1, high=8, integer=true}", "seed=1"])
    assert found["plan.tp"] == [1, 2] and found["plan.kv"] == ["bf16", "fp8"] and found["seed"] == [1]
    assert found["traffic.batch"] == {"low": 1, "high": 8, "integer": True}
    assert split("[1, 2],'a,b',{c = [3, 4]}") == ["[1, 2]", "'a,b'", "{c = [3, 4]}"]
    with pytest.raises(InputError, match="KEY=A,B"):
        parse_vary(["plan.tp="])


def test_the_same_keys_in_a_file_and_from_python(file: Path) -> None:
    by_file = read(file, {"plan.tp": 2, "slo.ttft": "2 s"})
    by_value = simcore.read(file).set({"plan.tp": 2, "slo.ttft": "2 s"})
    assert by_file == by_value and by_value.slo.ttft_s == 2.0 and by_value.file == str(file)
    again = by_value.set({"slo.ttft": 1.0})
    assert again.slo.ttft_s == 1.0 and by_value.slo.ttft_s == 2.0, "a scenario is a value"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"plan.tpp": 2}, "plan.tpp: unknown key; did you mean tp"),
        ({"plan.tp": 0}, "plan.tp: 0"),
        ({"slo.ttft": "2 GB"}, "slo.ttft: '2 GB' is not a quantity of s"),
        ({"traffic.users": 2, "traffic.batch": 4}, "traffic: give one load: users or batch"),
        ({"trafic.users": 2}, "trafic: unknown key; did you mean traffic"),
        ({"residency.kvs": "cxl"}, "residency.kvs: no class of tensors"),
    ],
)
def test_wrong_changes_name_file_and_key(file: Path, changes: dict[str, Any], says: str) -> None:
    for change in (lambda: read(file, changes), lambda: read(file).set(changes)):
        with pytest.raises(InputError) as caught:
            change()
        assert says in str(caught.value) and "small.toml" in str(caught.value)


def test_a_load_takes_the_place_of_the_stated_one(file: Path) -> None:
    found = read(file, {"traffic.users": 2})
    assert found.traffic is not None and found.traffic.users == 2 and found.traffic.batch is None


def test_what_only_vary_says_takes_its_first_value(file: Path) -> None:
    bare = TEXT.replace('system = "h100-sxm"', "").replace("batch = 4", "")
    file.write_text(
        bare + '[vary]\n"hardware.system" = ["l40s", "h100-sxm"]\n"traffic.users" = { low = 3, high = 9 }\n'
    )
    found = read(file)
    assert found.hardware.system == "l40s" and found.traffic.users == 3


def test_axes_under_conditions(file: Path) -> None:
    vary = {
        "hardware.system": ["h100-sxm", "h200-sxm"],
        "plan.kv": {"values": ["bf16", "fp8"], "when": {"hardware.system": ["h200-sxm"]}},
        "policy.graphs": {"values": [True, False], "when": {"plan.kv": ["fp8"]}},
    }
    points = list(combinations(axes_of(read(file, {"vary": vary}))))
    assert len(points) == 1 + 1 + 2 and points[0] == {"hardware.system": "h100-sxm"}
    for when in ({"plan.tp": [1]}, {"policy.graphs": [True]}):
        wrong = {"vary": {**vary, "policy.graphs": {"values": [True], "when": when}}}
        with pytest.raises(InputError, match="no earlier axis"):
            axes_of(read(file, wrong))


def test_written_tables_are_read_back() -> None:
    raw: dict[str, Any] = {
        "schema": "scenario/2",
        "title": 'a "quoted" name\nof two lines \u00b5',
        "plan": {"tp": 2, "sp": False},
        "traffic": {"input_tokens": [1, 2], "columns": {"arrival": "time of day"}},
        "residency": {"kv": {"tier": "cxl", "share": 0.5}},
        "fleet": {"transfer": {"bandwidth": "1 GB/s"}, "pools": [{"name": "a", "count": 1, "plan": {"tp": 2}}]},
        "vary": {"plan.tp": [1, 2], "hardware.chip.power.tdp": {"low": 1.0, "high": 2e15, "when": {"plan.tp": [1]}}},
    }
    assert tomllib.loads(dumps(raw)) == raw
    with pytest.raises(TypeError):
        dumps({"a": None})
