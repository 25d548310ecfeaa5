"""Files of `size`, `plan tiers`, `calibrate-across` and `validate bench|size|arrays|kernels|pim`, spoilt."""

from __future__ import annotations

import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

from tests.fuzz.mutate import BAD_QUANTITIES, ODD_QUANTITIES, Change, as_toml, spoilt_bytes
from tests.fuzz.spoil import Input, cut, files, operator_text, tree, write_rows, write_spoilt
from tests.shared import ROOT, SHARED
from tests.validation.test_bench import TOOLS

CSV = "Arrived,Prompt Len,Completion\n" + "".join(f"{i * 0.2:.1f},{100 + 9 * i},{8 + i % 3}\n" for i in range(30))
SIZED = ("size", "--json", "--model", "llama-3.1-8b", "--on", "h100-sxm,l40s")
FEW = ("--vary", "plan.tp=1,2", "--vary", "traffic.batch=4,16", "--set", "traffic.requests=40")


def size(folder: Path, draw: random.Random) -> Input:
    """A spoilt trace or chip, or spoilt options, under `size`."""
    asked = {"--traffic": "300:20", "--ttft": "2 s", "--tpot": "80 ms"}
    how = draw.random()
    if how < 0.45:
        change = write_rows(folder / "own.csv", CSV, draw)
        asked["--traffic"] = str(folder / "own.csv")
        if draw.random() < 0.5:
            asked["--columns"] = "arrival=Arrived,input=Prompt Len,output=Completion"
    elif how < 0.6:
        path = draw.choice(files("hardware_specs/chips/*.toml"))
        change = write_spoilt(folder / path.name, tree(path), draw)
        asked["--on"] = f"{folder / path.name},h100-sxm"
    else:
        change = spoilt_option(asked, draw)
    if draw.random() < 0.4 and "--rate" not in asked:
        asked["--rate"] = "3"
    return Input(change, (*SIZED, *FEW, *(word.replace("\0", "") for pair in asked.items() for word in pair)))


def spoilt_option(asked: dict[str, str], draw: random.Random) -> Change:
    """One option of `size` replaced by nonsense."""
    key = draw.choice(("--ttft", "--tpot", "--rate", "--attainment", "--budget-usd-per-hour", "--traffic", "--columns"))
    if key in ("--ttft", "--tpot"):
        bad = draw.random() < 0.5
        new = draw.choice(BAD_QUANTITIES if bad else ODD_QUANTITIES).format(u="s")
    elif key == "--columns":
        bad, new = False, draw.choice(("", "=", "arrival", "arrival=when", "input=,output=", "x=y", "input=a,input=b"))
    elif key == "--traffic":
        bad = draw.random() < 0.3
        new = (
            draw.choice(("-1:5", "5:-1"))
            if bad
            else draw.choice(("0:0", "9" * 30 + ":1", "1:1e9", ":", "a:b", "/", ""))
        )
    else:
        bad = draw.random() < 0.5
        new = draw.choice(("-1", "nan", "inf", "-inf", "1e999") if bad else ("0", "1e-300", "1e300", "x", "", "1e-9"))
        bad = bad and not (key == "--budget-usd-per-hour" and new in ("inf", "1e999"))
    asked[key] = new
    return Change("option", key, "", new, bad)


def bench(folder: Path, draw: random.Random) -> Input:
    """The result of a benchmark, against a deployment."""
    change = write_spoilt(folder / "result.json", TOOLS[draw.choice(sorted(TOOLS))](), draw)
    if UNASKED.search(change.place):
        change = replace(change, nonsense=False)
    (folder / "s.toml").write_text(as_toml(DEPLOYED), encoding="utf-8")
    words = ("validate", "bench", str(folder / "result.json"), "--scenario", str(folder / "s.toml"), "--json")
    return Input(change, words)


UNASKED = re.compile(r"errored|(_count|_ms|_per_second)\.successful\.count|failures|y\.count|percentiles\.p50")
"""what a result tells beyond what is compared"""
DEPLOYED = {
    "schema": "scenario/2",
    "name": "mine",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "l40s"},
    "traffic": {"input_tokens": 1, "output_tokens": 1, "batch": 1},
}


def tiers(folder: Path, draw: random.Random) -> Input:
    """A scenario of tensors to place, or the chip with tiers under it."""
    raw = {
        "schema": "scenario/2",
        "name": "t",
        "model": {"name": draw.choice(("llama-3.1-70b", "qwen3-30b-a3b"))},
        "hardware": {"system": draw.choice(("dgx-h200", "gb200-nvl72", "h100-sxm")), "stack": "datasheet"},
        "plan": {"tp": draw.choice((1, 2, 4))},
        "traffic": {"input_tokens": 4000, "output_tokens": 400, "batch": draw.choice((8, 256))},
    }
    if draw.random() < 0.5:
        path = draw.choice(files("hardware_specs/nodes/*.toml", "hardware_specs/chips/*.toml"))
        change = write_spoilt(folder / path.name, tree(path), draw)
        raw |= {"hardware": {"system": str(folder / path.name), "stack": "roofline"}, "plan": {"tp": 1}}
        raw |= {"model": {"name": "llama-3.1-8b"}}
        (folder / "s.toml").write_text(as_toml(raw), encoding="utf-8")
    else:
        change = write_spoilt(folder / "s.toml", raw, draw)
    return Input(change, ("plan", "tiers", str(folder / "s.toml"), "--json"))


PROOFS = {
    "arrays": ("tests/validation/scalesim_cycles.csv", ()),
    "kernels": ("devices/llmcompass_kernels.csv", ("--held-out",)),
    "pim": ("neupims_runs.csv", ()),
}


def tables(folder: Path, draw: random.Random) -> Input:
    """Rows of arrays, kernels and memories that multiply."""
    kind = draw.choice(sorted(PROOFS))
    name, more = PROOFS[kind]
    path = ROOT / name if kind == "arrays" else SHARED / "measured" / name
    change = write_rows(folder / "t.csv", cut(path, 13), draw)
    column = change.place.partition(":")[2] or change.place
    if column in UNREAD[kind]:
        change = replace(change, nonsense=False)
    words = ("validate", kind, "--table", str(folder / "t.csv"), "--json")
    return Input(change, (*words, *(more if draw.random() < 0.3 else ())))


UNREAD: dict[str, tuple[str, ...]] = {
    "arrays": (),
    "kernels": (),
    "pim": ("tp", "mean_seq_len", "decoder_layers_simulated", "total_cycles", "us_per_layer_at_1GHz", "wall_s",
            "tokens_per_s_32layers"),
}  # fmt: skip
"""columns that the proof does not read"""


def sizes(folder: Path, draw: random.Random) -> Input:
    """A few rows of serving measurements that `size` is judged by."""
    lines = (SHARED / "measured/serving/silicon_serving.csv").read_text(encoding="utf-8").splitlines()
    first = draw.randrange(1, len(lines) - 4)
    change = write_rows(folder / "t.csv", "\n".join([lines[0], *lines[first : first + 4]]) + "\n", draw)
    return Input(change, ("validate", "size", "--table", str(folder / "t.csv"), "--json"))


def across(folder: Path, draw: random.Random) -> Input:
    """Tables of two chips, one of them spoilt."""
    chips = draw.sample(("a100_sxm", "h100_sxm", "h200_sxm", "l40s"), 2)
    change = Change("nothing")
    for at, chip in enumerate(chips):
        (folder / "in" / chip).mkdir(parents=True)
        text = operator_text(SHARED / f"measured/operators/{chip}/gemm.parquet")
        if at:
            change = write_rows(folder / "in" / chip / "gemm.csv", text, draw)
        else:
            (folder / "in" / chip / "gemm.csv").write_text(text, encoding="utf-8")
    words = (
        "calibrate-across",
        "--tables",
        str(folder / "in"),
        "--op",
        "gemm",
        "--out",
        str(folder / "out"),
        "--quiet",
    )
    return Input(change, words)


def around(folder: Path, draw: random.Random) -> Input:
    """What `explain`, `traffic`, `compare`, `what-if` and `sensitivity` read."""
    verb = draw.choice(("explain", "traffic", "compare", "what-if", "sensitivity"))
    if verb == "traffic":
        change = write_rows(folder / "own.csv", CSV, draw)
        more = ("--skip-bad",) if draw.random() < 0.3 else ()
        return Input(
            replace(change, nonsense=change.nonsense and not more), (verb, str(folder / "own.csv"), "--json", *more)
        )
    if verb == "explain":
        path = draw.choice(files("examples/*.toml", "hardware_specs/*/*.toml", "workloads/*/*.toml", "studies/*.toml"))
        change = write_spoilt(folder / path.name, tree(path), draw)
        return Input(replace(change, nonsense=False), (verb, str(folder / path.name), "--json"))
    raw = draw.choice((DEPLOYED, TRAINED))
    (folder / "a.toml").write_text(as_toml(raw), encoding="utf-8")
    change = write_spoilt(folder / "b.toml", raw, draw)
    words = (verb, str(folder / "a.toml"), str(folder / "b.toml"), "--json")
    if verb == "compare":
        return Input(change, (*words, *(("--by", "estimate") if draw.random() < 0.5 else ())))
    if verb == "sensitivity":
        return Input(change, (*words, "--draws", "2", "--of", draw.choice(("mfu_ratio", "throughput_tokens_per_s"))))
    key = (
        "hardware.chip.memory.hbm.read_bandwidth"
        if draw.random() < 0.7
        else draw.choice(("plan.tp", "", "a.b", "seed"))
    )
    value = draw.choice(("2x", "0.5x", "0x", "-1x", "nan", "1e9x", "5", "1 TB/s", "x", "inf"))
    of = draw.choice(("mfu_ratio", "throughput_tokens_per_s", "x", "name"))
    (folder / "s.toml").write_text(as_toml(DEPLOYED | {"hardware": {"system": "h100-sxm"}}), encoding="utf-8")
    change = Change("option", f"--set {key}", "", value, value in ("nan", "inf", "-1x"))
    return Input(change, (verb, str(folder / "s.toml"), "--json", "--key", key, "--set", f"{key}={value}", "--of", of))


TRAINED = {
    "schema": "scenario/2",
    "name": "step",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "dgx-h100"},
    "plan": {"dp": 8},
    "training": {"recipe": "pretrain-bf16", "global_batch": 64, "sequence_tokens": 4096, "zero": 3},
}


def run_folder(folder: Path, draw: random.Random) -> Input:
    """The folder of a finished run, one file spoilt, compared with itself or explained."""
    from tests.fuzz.subjects import KEPT

    shutil.copytree(KEPT["run"], folder / "out")
    path = folder / "out" / draw.choice(("asked.json", "summary.json", "requests.parquet", ".simcore.json"))
    if path.suffix == ".json" and draw.random() < 0.8:
        raw = tree(KEPT["run"] / path.name)
        change = write_spoilt(path, raw, draw)
    else:
        data, change = spoilt_bytes(path.read_bytes(), draw)
        path.write_bytes(data)
    words = ("explain", str(folder / "out")) if path.name == ".simcore.json" else (
        "compare", str(folder / "out"), str(KEPT["run"]))  # fmt: skip
    return Input(replace(change, nonsense=False), (*words, "--json"))
