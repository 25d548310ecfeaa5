"""Names, paths and tables of one's own stand for specs, in the design's order; else one line says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simcore
from scenarios.names import is_path, resolve
from simcore.errors import InputError
from simcore.registry import register, unregister

CHIP = """
schema = "chip/1"
name = "{name}"
extends = "{parent}"
[sources.me]
kind = "assumed"
title = "what if"
[memory.hbm]
capacity = {{ value = "{capacity}", source = "me" }}
"""
NODE = """
schema = "node/1"
name = "my-node"
extends = "dgx-h200"
chip = "../big.toml"
"""
TABLE: dict[str, Any] = {
    "schema": "chip/1",
    "extends": "h200-sxm",
    "sources": {"me": {"kind": "assumed", "title": "what if"}},
    "memory": {"hbm": {"capacity": {"value": "200 GB", "source": "me"}}},
}
LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a chip, a node on that chip, and a model."""
    (tmp_path / "big.toml").write_text(CHIP.format(name="big", parent="h200-sxm", capacity="200 GB"))
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "node.toml").write_text(NODE)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text(json.dumps(LLAMA))
    return tmp_path


def capacity_gb(system: Any) -> float:
    return round(float(system.chip.memory["hbm"].capacity_bytes / 1e9))


def test_a_chip_by_path_stands_in_its_usual_home(own: Path) -> None:
    found = resolve("system", "./big.toml", own)
    assert capacity_gb(found.value) == 200 and found.value.name == "dgx-h200-infiniband" and not found.notes
    assert resolve("chip", str(own / "big.toml")).value.name == "big"


def test_a_node_by_path_names_its_chip_relative_to_itself(own: Path) -> None:
    system = resolve("system", "nodes/node.toml", own).value
    assert system.name == "my-node" and system.chip.name == "big" and system.node.chip == "big"


def test_tables_are_specs_in_place(own: Path) -> None:
    system = resolve("system", TABLE).value
    assert capacity_gb(system) == 200 and system.chip.name == "h200-sxm-inline"
    node = {"schema": "node/1", "name": "n", "extends": "dgx-h200", "chip": TABLE}
    assert resolve("system", node).value.chip.name == "h200-sxm-inline"
    cluster = {
        "schema": "cluster/1",
        "name": "c",
        "extends": "dgx-h200-infiniband",
        "node": {**node, "chip": "big.toml"},
    }
    assert resolve("system", cluster, own).value.chip.name == "big"


@pytest.mark.parametrize("value", ["./weights", "weights/config.json", "weights", LLAMA])
def test_models_come_from_config_json(own: Path, value: Any) -> None:
    assert resolve("model", value, own).value.layer_count == 3


def test_simcore_path_goes_before_the_shipped_and_is_noted(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"unknown chip, node or cluster 'big'.*write './big.toml'"):
        resolve("system", "big", own)
    monkeypatch.setenv("SIMCORE_PATH", f"{own / 'nodes'}:{own}")
    assert capacity_gb(resolve("system", "big").value) == 200
    assert resolve("system", "MY_NODE").value.chip.name == "big"
    (own / "hides.toml").write_text(CHIP.format(name="h200-sxm", parent="h200-sxm", capacity="300 GB"))
    found = resolve("system", "h200-sxm")
    assert capacity_gb(found.value) == 300, "a file that extends the shipped chip of its own name"
    assert len(found.notes) == 1 and "hides the shipped one" in found.notes[0]
    assert capacity_gb(resolve("system", "dgx-h200").value) == 300
    monkeypatch.setenv("SIMCORE_PATH", "")
    assert capacity_gb(resolve("system", "h200-sxm").value) == 141


def test_what_python_registers_is_found_first(own: Path) -> None:
    for thing in (TABLE | {"name": "mine"}, own / "big.toml", resolve("chip", "big.toml", own).value):
        register("chip", thing, "mine")
        try:
            assert capacity_gb(resolve("system", "mine").value) == 200
            assert capacity_gb(simcore.resolve("system", "mine")) == 200
        finally:
            unregister("chip", "mine")
    with pytest.raises(InputError, match="unknown kind 'chips'; did you mean chip"):
        register("chips", TABLE)


def test_own_chips_have_no_tables_and_say_so(own: Path) -> None:
    def ask(chip: str, stack: str) -> Any:
        return simcore.estimate("llama-3.1-8b", chip, stack=stack, batch=8)

    shipped, mine = ask("h200-sxm", "vllm"), ask(str(own / "big.toml"), "vllm")
    assert any("big has no operator tables of vllm" in note for note in mine.notes)
    assert mine.tpot_s != shipped.tpot_s
    same = ask(str(own / "big.toml"), "datasheet")
    assert same.tpot_s == pytest.approx(ask("h200-sxm", "datasheet").tpot_s), "capacity alone does not change times"


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (
            "system",
            "./none.toml",
            "my.toml: hardware.system: './none.toml' is no file; looked for a chip, node or clus",
        ),
        ("model", "./nodes", "my.toml: hardware.system: './nodes' holds no config.json"),
        ("chip", "./nodes", "is a folder"),
        ("chip", "h20-sxn", "unknown chip 'h20-sxn'.*did you mean h20-sxm"),
        ("chip", 5, "5 is no chip"),
        ("chip", "nodes/node.toml", "schema: 'node/1' is no chip"),
        ("system", {"name": "x"}, "schema: is missing; write schema"),
        ("chip", TABLE | {"extends": 5}, "extends: 5 is no chip"),
        ("chip", TABLE | {"extends": "no-chip"}, "extends: unknown chip 'no-chip'"),
        ("chip", "loop.toml", "extends: extends itself"),
        ("chip", TABLE | {"memory": {"hbm": {"capacity": 5.0}}}, "memory.hbm.capacity"),
        ("model", TABLE, "'chip/1' is no model"),
        ("stack", "vlm", "did you mean vllm"),
        ("chips", "x", "unknown kind"),
    ],
)
def test_complaints_are_one_line(own: Path, kind: str, value: Any, words: str) -> None:
    (own / "loop.toml").write_text(CHIP.format(name="a", parent="./loop2.toml", capacity="1 GB"))
    (own / "loop2.toml").write_text(CHIP.format(name="b", parent="./loop.toml", capacity="1 GB"))
    with pytest.raises(InputError, match=words) as error:
        resolve(kind, value, own, "my.toml", "hardware.system")
    assert "\n" not in str(error.value)
    assert ".toml" in str(error.value) or "inline table" in str(error.value), "which file"


def test_errors_say_which_key_asked(own: Path) -> None:
    with pytest.raises(InputError) as error:
        resolve("system", "h200-sxn", own, "my.toml", "hardware.system")
    assert str(error.value).startswith("my.toml: hardware.system: unknown chip, node or cluster 'h200-sxn'")


def test_a_missing_folder_and_two_of_a_name_are_told(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMCORE_PATH", str(own / "nowhere"))
    with pytest.raises(InputError, match=r"\$SIMCORE_PATH.*nowhere is no folder"):
        resolve("chip", "h200-sxm")
    (own / "again.toml").write_text(CHIP.format(name="big", parent="h200-sxm", capacity="1 GB"))
    (own / "broken.toml").write_text("a = [")
    monkeypatch.setenv("SIMCORE_PATH", str(own))
    with pytest.raises(InputError, match="chip 'big' is also in"):
        resolve("chip", "big")
    with pytest.raises(InputError, match=r"broken.toml: not valid TOML"):
        resolve("chip", "broken")
    assert resolve("chip", "h200-sxm").value.name == "h200-sxm", "a broken file beside does not matter"


def test_what_is_a_path() -> None:
    assert all(map(is_path, ("./a", "../a", "/a", "~/a", "a.toml", "a/config.json")))
    assert not any(map(is_path, ("a", "Qwen/Qwen3-8B", "vllm@0.19")))
