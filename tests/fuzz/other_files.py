"""Files that are not what is asked for: another kind, packed, cut, in another encoding; tables with columns swapped and
doubled; configurations whose shapes do not fit each other."""

from __future__ import annotations

import copy
import csv
import gzip
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.judge import NEW
from tests.fuzz.kernel_verbs import ONE
from tests.fuzz.mutate import Change, as_toml, short
from tests.fuzz.spoil import Input, cut, files, tree
from tests.shared import ROOT, SHARED

STAGES = SHARED / "measured/serving/vllm_h100_stages.csv"
TABLES: dict[str, tuple[Path, tuple[str, ...]]] = {
    "arrays": (ROOT / "tests/validation/scalesim_cycles.csv", ("validate", "arrays", "--table", "{F}", "--json")),
    "kernels": (
        SHARED / "measured/devices/llmcompass_kernels.csv",
        ("validate", "kernels", "--table", "{F}", "--json"),
    ),
    "stages": (STAGES, ("validate", "stages", "--table", "{F}", "--json")),
    "training": (SHARED / "measured/training/torchtitan.csv", ("validate", "training", "--table", "{F}", "--json")),
    "serving": (SHARED / "measured/serving/silicon_serving.csv", ("validate", "serving", "--table", "{F}", "--json")),
}
CELLS = ("1,5", "1_000", "0x10", "１２", "5 ms", "1;2", "a\nb", "#REF!", "9" * 200_000, "", "\u202e")


def columns(folder: Path, draw: random.Random) -> Input:
    """A table with columns swapped, one of them twice, longer or shorter rows, and cells of other tongues."""
    name = draw.choice(sorted(name for name, (path, _) in TABLES.items() if path.is_file()))
    path, words = TABLES[name]
    rows = list(csv.reader(cut(path, 4).splitlines()))
    column, other, row = draw.randrange(len(rows[0])), draw.randrange(len(rows[0])), draw.randrange(1, len(rows))
    how = draw.choice(("cell", "cell", "swapped", "twice", "longer", "shorter", "none", "separator"))
    label = rows[0][column]
    if how == "cell":
        rows[row][column] = draw.choice(CELLS)
    elif how == "swapped":
        for one in rows[1:]:
            one[column], one[other] = one[other], one[column]
    elif how == "twice":
        for number, one in enumerate(rows):
            one.insert(0, one[column] if number == 0 else "7")
    elif how in ("longer", "shorter"):
        rows[row] = [*rows[row], "1"] if how == "longer" else rows[row][:column]
    elif how == "none":
        rows = rows[:1]
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";" if how == "separator" else ",").writerows(rows)
    change = Change(how, f"{row}:{label}", "", short(rows[-1][:1]), how in ("twice", "longer"))
    return Input(change, tuple(word.replace("{F}", str(folder / "t.csv")) for word in words))


READERS = (
    ("simulate", "{F}"),
    ("estimate", "{F}"),
    ("train", "{F}"),
    ("explain", "{F}"),
    ("migrate", "{F}"),
    ("traffic", "{F}"),
    ("import-model", "{F}"),
    ("plan", "experts", "{F}"),
    ("plan", "experts", "--trace", "{F}", "--chips", "2"),
    ("plan", "power", "{F}"),
    ("plan", "precision", "{F}"),
    ("plan", "policy", "{F}"),
    ("step", "{F}"),
    ("tasks", "{F}"),
    ("study", "show", "{F}"),
    ("learn", "{F}", "--target", "time_ms", "--inputs", "size"),
    ("report", "{F}"),
    ("validate", "arrays", "--table", "{F}"),
    ("validate", "kernels", "--table", "{F}"),
    ("search", "merge", "{N}", "{F}"),
    ("validate", "agreement", "--table", "{T}", "--ids", "{F}"),
    ("calibrate", "--tables", "{F}", "--chip", "l40s", "--out", "{N}"),
    ("estimate", "--model", "{F}", "--chip", "l40s"),
    ("estimate", "--model", "llama-3.2-1b", "--chip", "{F}"),
    ("estimate", "{S}", "--set", "plan.weights={F}"),
    ("estimate", "{S}", "--set", "hardware.system={F}"),
    ("estimate", "{S}", "--calibration", "{F}"),
    ("compare", "{S}", "{F}"),
)
"""commands with the file {F}, beside a sound scenario {S} and table {T}; {N} must not be there after a refusal"""


def kinds_of_files() -> list[Path]:
    """Sound files of many kinds."""
    some = (
        "examples/power-row.toml",
        "examples/experts.toml",
        "examples/stream-weights.toml",
        "studies/orca.toml",
        "hardware_specs/chips/l40s.toml",
        "workloads/models/llama-3.2-1b.toml",
        "workloads/recipes/pretrain-bf16.toml",
        "hardware_specs/formats/fp8.toml",
        "examples/studies/sarathi.toml",
        "tests/validation/scalesim_cycles.csv",
        "hardware_specs/calibration/l40s/nccl.npz",
        "studies/answers.json",
    )
    return [ROOT / name for name in some]


def wrong_file(folder: Path, draw: random.Random) -> Input:
    """A file of another kind than is asked for, packed, cut, in another encoding or with another ending; or none."""
    how, path = draw.random(), draw.choice(kinds_of_files())
    data, ending = path.read_bytes()[:200_000], path.suffix
    if how < 0.4:
        ways = (
            gzip.compress(data),
            data.decode("latin-1").encode("utf-16"),
            data.replace(b"\n", b"\r"),
            b"\xef\xbb\xbf" + data,
            data[: len(data) // 2],
            data + data,
            data + b"\0\xff",
            json.dumps([1, {"a": 1}]).encode(),
        )
        data = draw.choice(ways)
    elif how < 0.55:
        ending = draw.choice((".csv", ".json", ".toml", ".parquet", ".jsonl", ".npy", ""))
    file = folder / f"f{ending}"
    file.write_bytes(data)
    if how > 0.85:
        file = draw.choice(
            (Path("/dev/zero"), Path("/dev/null"), folder, folder / "a\nb", Path("x" * 300), file / "below")
        )
    (folder / "s.toml").write_text(as_toml(ONE), encoding="utf-8")
    shutil.copy(ROOT / "tests/validation/scalesim_cycles.csv", folder / "t.csv")
    known = {"{F}": str(file), "{S}": str(folder / "s.toml"), "{T}": str(folder / "t.csv"), "{N}": str(folder / NEW)}
    words = list(draw.choice(READERS))
    for key, value in known.items():
        words = [word.replace(key, value) for word in words]
    return Input(Change("another file", str(path.name), "", file.name), tuple(words))


CONFIGS: dict[str, tuple[Any, ...]] = {
    "num_hidden_layers": (0, True, 2.0),
    "num_attention_heads": (7, 10**6, True),
    "num_key_value_heads": (3, 64, None),
    "num_experts_per_tok": (0, 9999, 1.5),
    "first_k_dense_replace": (9999, -1),
    "sliding_window": (-1, "x", True),
    "rope_scaling": ({}, [], {"factor": 0}),
    "layer_types": ([], ["x"], None),
    "model_type": ("", None, "gpt2"),
    "quantization_config": (
        {},
        {"quant_method": "gptq"},
        {"quant_method": "gptq", "bits": 0},
        {"quant_method": "awq", "bits": 4},
        {"quant_method": "bitsandbytes"},
        {"quant_method": "compressed-tensors", "config_groups": {"g": {}}},
        {"quant_method": "fp8", "weight_block_size": [0, 0]},
        "fp8",
    ),
}


def plausible(folder: Path, draw: random.Random) -> Input:
    """A Hugging Face config.json whose shapes do not fit each other, or with a key twice."""
    raw = copy.deepcopy(tree(draw.choice(files("models/*.json", root=SHARED))))
    inner = raw["text_config"] if isinstance(raw.get("text_config"), dict) else raw
    key = draw.choice(sorted(CONFIGS))
    new = inner[key] = draw.choice(CONFIGS[key])
    text, change = json.dumps(raw), Change("replaced", key, "", short(new))
    if draw.random() < 0.1:
        text, change = text[:-1] + ', "model_type": "llama"}', Change("key twice", "model_type", "", "llama", True)
    (folder / "config.json").write_text(text, encoding="utf-8")
    return Input(change, ("import-model", str(folder / "config.json"), "--json"))


OTHER_FILES: dict[str, tuple[int, Callable[[Path, random.Random], Input]]] = {
    "columns": (5, columns),
    "wrong_file": (8, wrong_file),
    "plausible": (3, plausible),
}
"""kind -> (its share, what spoils it)"""
