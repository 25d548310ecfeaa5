"""Several models and jobs, formats by layer, overlap, launch commands, calibrations of one's own, and what `learn`,
`plan policy` and `serve` read, spoilt."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fuzz.kernel_verbs import LAYER, LOAD, ONE
from tests.fuzz.mutate import Change, as_toml, spoilt_bytes
from tests.fuzz.spoil import Input, files, tree, write_rows, write_spoilt
from tests.shared import ROOT

DRAFT = {"name": "main", "draft": {"model": {"name": "llama-3.2-1b"}, "plan": {"tp": 1}}}
LAYERS = [{"layers": "0-3, 28-31", "weights": "fp8"}, {"layers": "4-27", "ffn": "int4-marlin", "kv": "int4"}]
BESIDE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("examples/composition.toml", {}),
    ("examples/co-serving.toml", {}),
    ("", ONE | {"models": [{"name": "a", "share": 0.2, "policy": {"max_running": 8}}, {"name": "b", "replicas": [0]}]}),
    ("", ONE | {"models": [{"name": "a", "adapters": 10, "adapter_rank": 16}]}),
    ("", ONE | {"models": [DRAFT], "policy": {"draft_tokens": 3, "acceptance_ratio": 0.7}}),
    ("", ONE | {"plan": {"tp": 1, "layers": LAYERS}}),
    ("", ONE | {"policy": {"overlap": {"micro_batches": 2}}}),
    (
        "",
        LAYER | {"hardware": {"system": "8x-l40s-pcie", "link": "16 GB/s, 20 us"}, "plan": {"tp": 2}, "traffic": LOAD},
    ),
)


def beside(folder: Path, draw: random.Random) -> Input:
    """What stands beside a model or within its layers and steps."""
    name, raw = draw.choice(BESIDE)
    raw = tree(ROOT / name) if name else raw
    raw = raw | {"traffic": raw["traffic"] | {"requests": 8}, "slo": {"ttft": "2 s"}}
    change = write_spoilt(folder / "s.toml", raw, draw)
    verb = draw.choice(("simulate", "simulate", "simulate", "estimate", "capacity", "explain"))
    more = {"simulate": ("--check",), "capacity": ("--tolerance", "0.3", "--most", "4")}.get(verb, ())
    change = replace(change, nonsense=change.nonsense and verb != "explain")
    return Input(change, (verb, str(folder / "s.toml"), "--json", *more))


FLAGS: dict[str, str] = {
    "vllm serve llama-3.1-8b": "-tp 1 --max-num-seqs 64 --max-num-batched-tokens 4096 --gpu-memory-utilization 0.9 "
    "--kv-cache-dtype fp8 --block-size 16 --cuda-graph-sizes 8 --data-parallel-size 1 --quantization fp8 "
    "--max-model-len 8192 --speculative-config '{\"num_speculative_tokens\":3}'",
    "python -m sglang.launch_server --model-path llama-3.1-8b": "--tp-size 1 --mem-fraction-static 0.9 --dp 1 "
    "--max-running-requests 64 --chunked-prefill-size 4096 --page-size 16 --schedule-policy lpm",
    "trtllm-serve llama-3.1-8b": "--tp_size 1 --max_batch_size 64 --max_num_tokens 4096 --ep_size 1 "
    "--kv_cache_free_gpu_memory_fraction 0.9 --max_seq_len 8192",
}
COUNTS = ("1", "2", "64", "1000000", "9" * 30, "1.5", "0")
NONSENSE = ("-1", "nan", "inf", "1e999")
BAD_WORDS = (*COUNTS, *NONSENSE, "x", "", "''", "'", "{}", "'[1'", "é", "--", "-tp", "auto")


def launch(folder: Path, draw: random.Random) -> Input:
    """A server's own command with one flag's value spoilt; and the link of a host."""
    from scenarios.launch.command import SERVERS

    (folder / "s.toml").write_text(as_toml(ONE | {"hardware": {"system": "h100-sxm"}}), encoding="utf-8")
    start = draw.choice(sorted(FLAGS))
    told = FLAGS[start].split()
    flags = dict(zip(told[::2], told[1::2], strict=True))
    spoilt, word = draw.choice(sorted(flags)), draw.choice(BAD_WORDS)
    flags = {name: value for name, value in flags.items() if name == spoilt or draw.random() < 0.3}
    flags[spoilt] = word
    text = " ".join([start, *(f"{name} {value}" for name, value in flags.items())])
    words = (draw.choice(("simulate", "estimate")), str(folder / "s.toml"), "--json", "--launch", text)
    if draw.random() < 0.8:
        bad = word in NONSENSE and any(spoilt in SERVERS(name) for name in SERVERS)
        return Input(Change("option", f"--launch {spoilt}", "", word, bad), words)
    speed, wait = draw.choice((*NONSENSE, "0", "16")), draw.choice(("20 us", "x", "-1 s", "nan s", ""))
    bad = speed in NONSENSE or wait in ("-1 s", "nan s")
    link = f"{speed} GB/s, {wait}"
    words = ("estimate", "--model", "llama-3.1-8b", "--chip", "l40s", "--tp", "2", "--batch", "4", "--json")
    return Input(Change("option", "--link", "", link, bad), (*words, "--link", link))


def shelf(folder: Path, draw: random.Random) -> Input:
    """A folder of calibrations of one's own, a file of it spoilt."""
    chip, file = draw.choice((("l40s", "vllm"), ("h100-sxm", "nccl"), ("h100-sxm", "vllm"), ("b200-sxm", "power")))
    base = ROOT / "hardware_specs/calibration"
    mine = folder / "mine" / chip
    mine.mkdir(parents=True)
    for suffix in (".npz", ".toml"):
        shutil.copy(base / chip / f"{file}{suffix}", mine)
        shutil.copy(base / f"datasheet{suffix}", folder / "mine")
    (folder / "mine/without.toml").write_text('chips = ["a100-sxm-80gb"]\nmodels = [[1, 2, 3, 4]]\n', encoding="utf-8")
    path = draw.choice((mine / f"{file}.npz", mine / f"{file}.toml", folder / "mine/datasheet.npz",
                        folder / "mine/datasheet.toml", folder / "mine/without.toml"))  # fmt: skip
    if path.suffix == ".toml":
        change = write_spoilt(path, tree(path), draw)
    elif draw.random() < 0.6:
        change = spoilt_arrays(path, draw)
    else:
        data, change = spoilt_bytes(path.read_bytes(), draw)
        path.write_bytes(data)
    stack = draw.choice(("datasheet", "vllm"))
    words = ("estimate", "--model", "llama-3.1-8b", "--chip", chip, "--stack", stack, "--tp", "1", "--batch", "4")
    # facts and errors told beside fits are read by people
    return Input(replace(change, nonsense=False), (*words, "--json", "--calibration", str(folder / "mine")))


def spoilt_arrays(path: Path, draw: random.Random) -> Change:
    """One array of an archive with a number replaced, of another shape or type, or left out."""
    import numpy as np

    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    name, how = draw.choice(sorted(arrays)), draw.random()
    old = arrays[name]
    if how < 0.1:
        del arrays[name]
    elif how < 0.3:
        ways = (old[:-1], old[:0], old.reshape(-1), old[None], np.append(old, old)) if old.ndim else (old[None], old)
        arrays[name] = draw.choice(ways)
    elif how < 0.4:
        types = ("U2", "S8") if old.dtype.kind == "U" else ("U8", "i4", "f4", "complex128", "bool")
        arrays[name] = old.astype(draw.choice(types))
    elif old.size:
        new = old.astype(float) if old.dtype.kind in "iuf" else old.copy()
        if new.dtype.kind == "f":
            value = draw.choice((np.nan, np.inf, -np.inf, -1, 0, 1e300, 1e-300, 2**31))
            new.flat[draw.randrange(new.size) if draw.random() < 0.7 else slice(None)] = value
        else:
            new.flat[draw.randrange(new.size)] = new.flat[0]
        with np.errstate(all="ignore"):
            arrays[name] = new.astype(old.dtype) if draw.random() < 0.5 else new
    np.savez(path, **arrays)
    return Change("array", name)


TABLE = "device,size,tile,time_ms\n" + "".join(
    f"{'ab'[i % 2]},{64 * (1 + i % 8)},{16 << (i % 3)},{0.01 * (1 + i % 8) * (1 + i % 3):.3f}\n" for i in range(48)
)


def learn(folder: Path, draw: random.Random) -> Input:
    """Measurements to learn from, or the names of their columns."""
    asked = {"--target": "time_ms", "--inputs": "size,tile"}
    if draw.random() < 0.4:
        asked["--groups"] = "device"
    if draw.random() < 0.3:
        asked["--where"] = "device=a"
    if draw.random() < 0.7:
        change = write_rows(folder / "t.csv", TABLE, draw)
        used = change.place.partition(":")[2] == asked["--target"]
        change = replace(change, nonsense=change.nonsense and used)
    else:
        (folder / "t.csv").write_text(TABLE, encoding="utf-8")
        key = draw.choice(sorted(asked))
        asked[key] = draw.choice(("", ",", "x", "device", "time_ms", "size,size", "=", "device=c", "é", "a\nb"))
        change = Change("option", key, "", asked[key])
    if draw.random() < 0.3:
        asked |= {"--predict": str(folder / "t.csv"), "--to": str(folder / "to.csv")}
    words = ("learn", str(folder / "t.csv"), "--json", "--out", str(folder / "out.npz"))
    return Input(change, (*words, *(word for pair in asked.items() for word in pair)))


def policy(folder: Path, draw: random.Random) -> Input:
    """The scenario whose queue is to be ordered, and one with a program in it."""
    raw = tree(ROOT / "examples/plan-policy.toml")
    raw = raw | {"traffic": raw["traffic"] | {"requests": 12}}
    words = ("plan", "policy", str(folder / "s.toml"), "--budget", "3", "--json")
    if draw.random() < 0.5:
        raw = raw | {"policy": {"scheduler": "ranked", "rank": "input_tokens + 0.5 * arrival_s"}}
        words = ("simulate", str(folder / "s.toml"), "--check", "--json")
    return Input(write_spoilt(folder / "s.toml", raw, draw), words)


def serve(folder: Path, draw: random.Random) -> Input:
    """A folder of finished runs and of a search under way, as the live view shows it."""
    from planners.search.live import MARKS
    from tests.fuzz.subjects import KEPT

    kind = draw.choice(("sweep", "search", "live"))
    shutil.copytree(KEPT["search" if kind == "live" else kind], folder / "out")
    if kind == "live":
        mark = folder / "out" / MARKS.replace("*", "1")
        shards = sorted((folder / "out" / "store").glob("*.parquet"))
        raw = {"schema": "unfinished/1", "title": "t", "method": "random", "seed": 1, "budget": 40.0, "constraints": [],
               "objectives": [{"name": "usd", "output": "usd_per_million_tokens", "maximise": False}],
               "corner": None, "full_level": 0, "prefix": shards[0].name[:16] if shards else None}  # fmt: skip
        (folder / "mark.json").write_text("")
        change = write_spoilt(folder / "mark.json", raw, draw)
        mark.write_bytes((folder / "mark.json").read_bytes())
        inside = [path for path in shards if draw.random() < 0.3]
    else:
        change = Change("nothing")
        inside = [path for path in sorted((folder / "out").rglob("*")) if path.suffix in (".html", ".json", ".parquet")]
        inside = [draw.choice(inside), folder / "out/.simcore.json"][: draw.choice((1, 2))]
    for path in inside:
        data, change = spoilt_bytes(path.read_bytes(), draw)
        path.write_bytes(data)
    return Input(replace(change, nonsense=False), loader=lambda: shown(folder))


def shown(folder: Path) -> None:
    """Every page that the live view of a folder links to."""
    import re

    from reports.server import found

    home = found(folder, "/", "token")
    assert home is not None
    for path in re.findall(r'href="(/(?:page|search)/[^"]+)"', home.decode("utf-8")):
        found(folder, path, "token")


def launches(folder: Path, draw: random.Random) -> Input:
    """Flags of servers by model and chip."""
    from simcore.spec.load import read_text
    from validation.serving.launches import parsed

    path = files("hardware_specs/calibration/serving/launches.toml")[0]
    change = write_spoilt(folder / path.name, tree(path), draw)
    return Input(change, loader=lambda: parsed(read_text(folder / path.name), path.name))


NEWER: dict[str, tuple[int, Callable[[Path, random.Random], Input]]] = {
    "beside": (10, beside),
    "launch": (4, launch),
    "shelf": (5, shelf),
    "learn": (4, learn),
    "policy": (3, policy),
    "serve": (3, serve),
    "launches": (1, launches),
}
"""kind -> (its share, what spoils it)"""
