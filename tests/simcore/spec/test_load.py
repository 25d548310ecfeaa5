"""Bad spec files are refused with one line: file, key, what was found, how to mend it."""

from __future__ import annotations

import json

import pytest

import hardware_specs
from simcore.errors import InputError, UnknownName
from simcore.spec.hardware import Chip, Cluster, NamedLink, Node
from simcore.spec.load import build_from_file, derive, read_toml
from simcore.spec.schema import json_schema

TEXT, FILE = hardware_specs.chip.text("h100-sxm")


def complaint(text: str) -> str:
    with pytest.raises(InputError) as caught:
        build_from_file(Chip, derive(read_toml(text, "x.toml"), "x.toml", hardware_specs.chip.text), "x.toml")
    line = str(caught.value)
    assert "\n" not in line and line.startswith("x.toml: ")
    return line


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, old
    return TEXT.replace(old, new, 1)


CASES = {
    "bare number": ('{ value = "3.35 TB/s", source = "ds" }', "3.35e12", ("memory.hbm.read_bandwidth", "has no ")),
    "number without unit": ('"3.35 TB/s"', '"3.35"', ("memory.hbm.read_bandwidth", "has no unit", "3.35 TB/s")),
    "wrong dimension": ('"3.35 TB/s"', '"3.35 TB"', ("memory.hbm.read_bandwidth", "is not a quantity of byte/s")),
    "unknown unit": ('"3.35 TB/s"', '"3.35 furlong/s"', ("memory.hbm.read_bandwidth", "cannot|can read")),
    "undeclared source": (
        '"3.35 TB/s", source = "ds"',
        '"3.35 TB/s", source = "dz"',
        ("memory.hbm.read_bandwidth", "source 'dz' is not declared", "did you mean ds"),
    ),
    "missing source": ('"3.35 TB/s", source = "ds"', '"3.35 TB/s"', ("memory.hbm.read_bandwidth", "has no source")),
    "unknown key": (
        '[memory.hbm]\nkind = "hbm"',
        '[memory.hbm]\nkind = "hbm"\nread_bandwith = "1 TB/s"',
        ("memory.hbm.read_bandwith", "unknown key", "did you mean read_bandwidth"),
    ),
    "syntax": ("[memory.hbm]", "[memory.hbm", ("not valid TOML", "line ")),
    "duplicate key": ('name = "h100-sxm"', 'name = "h100-sxm"\nname = "h100"', ("not valid TOML", "line ")),
    "unknown tier": ('reads = "hbm"', 'reads = "hbn"', ("names tier 'hbn'", "l2, hbm")),
    "unknown format": ("peak.fp8 =", "peak.fp9 =", ("compute.tensor.peak.fp9",)),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_one_line(case: str) -> None:
    old, new, parts = CASES[case]
    line = complaint(changed(old, new))
    for part in parts:
        assert any(option in line for option in part.split("|")), line


def test_missing_table() -> None:
    assert "issue: is missing" in complaint(TEXT[: TEXT.index("[issue]")])


def test_bare_string_without_a_source_is_refused() -> None:
    line = complaint(changed('{ value = "3.35 TB/s", source = "ds" }', '"3.35 TB/s"'))
    assert "memory.hbm.read_bandwidth" in line and "source" in line


def test_unknown_names_say_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean h20-sxm, h200-sxm"):
        hardware_specs.chip("h20o-sxm")
    with pytest.raises(UnknownName, match="unknown link 'nvlink9'; did you mean"):
        hardware_specs.link("nvlink9")


def test_level_sizes_must_multiply_to_the_chips() -> None:
    text, _ = hardware_specs.node.text("dgx-h100")
    raw = hardware_specs._raw(text.replace("chips = 8", "chips = 16"), "n.toml", hardware_specs.node.text)
    with pytest.raises(InputError, match="level sizes multiply to 8, the node has 16 chips"):
        build_from_file(Node, raw, "n.toml")


def test_a_variant_changes_only_what_it_says() -> None:
    h100, h200 = hardware_specs.chip("h100-sxm"), hardware_specs.chip("h200-sxm")
    assert h200.compute == h100.compute and h200.memory["l2"] == h100.memory["l2"]
    assert h200.memory["hbm"] != h100.memory["hbm"] and "h100" not in h200.aliases
    assert h200.sources[h200.citations["memory.hbm.capacity"].source].title.startswith("NVIDIA H200")


@pytest.mark.parametrize("kind", [Chip, Node, Cluster, NamedLink])
def test_json_schema_speaks_the_keys_of_the_files(kind: type) -> None:
    schema = json_schema(kind)
    assert json.loads(json.dumps(schema)) == schema
    assert "citations" not in schema["properties"] and "sources" in schema["properties"]
    keys = json.dumps(schema)
    assert '"bandwidth"' in keys and '"bytes_per_s"' not in keys
