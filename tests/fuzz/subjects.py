"""What is spoilt and what then reads it: one function per kind of file, each a (folder, draw) -> `Input`."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import hardware_specs
import workloads
from simcore.spec.load import read_text
from tests.fuzz import kernel_verbs, mixed, newer_verbs, verbs
from tests.fuzz.mutate import Change, as_toml, spoilt_bytes, spoilt_tree
from tests.fuzz.spoil import Input, Subject, files, operator_text, tree, write_rows, write_spoilt
from tests.shared import ROOT, SHARED

SMALL = {"requests": 12, "rate_per_s": 5.0}
VERBS = ("simulate", "simulate", "estimate", "sweep", "capacity", "search", "train", "migrate")


def small(raw: dict[str, Any]) -> dict[str, Any]:
    """A scenario with few requests, so that a run takes milliseconds."""
    traffic = raw.get("traffic")
    if isinstance(traffic, dict) and "batch" not in traffic:
        return raw | {"traffic": traffic | {"requests": 12}}
    return raw


def scenario(folder: Path, draw: random.Random) -> Input:
    path = draw.choice(files("examples/*.toml", "examples/search/*.toml"))
    raw = small(tree(path))
    verb = draw.choice(VERBS)
    if "vary" in raw and draw.random() < 0.8:
        verb = draw.choice(("sweep", "search"))
    elif verb in ("sweep", "search", "train", "migrate") and draw.random() < 0.8:
        verb = "simulate"
    if raw.get("schema", "scenario/2") != "scenario/2":
        verb = "search"
    change = write_spoilt(folder / "s.toml", raw, draw)
    return Input(change, words_of(verb, folder))


def words_of(verb: str, folder: Path) -> tuple[str, ...]:
    """A verb over `s.toml` with few evaluations."""
    file = str(folder / "s.toml")
    more = {
        "simulate": ("--check", "--json"),
        "sweep": ("--json", "--out", str(folder / "out")),
        "search": ("--budget", "6", "--method", "random", "--json", "--out", str(folder / "out")),
        "capacity": ("--tolerance", "0.3", "--most", "4", "--json"),
        "migrate": (),
    }
    return (verb, file, *more.get(verb, ("--json",)))


def option(folder: Path, draw: random.Random) -> Input:
    """A sound scenario with spoilt `--set` and options."""
    path = draw.choice(files("examples/chat-70b.toml", "examples/simulate-llama-70b.toml", "examples/sessions.toml"))
    raw = small(tree(path))
    (folder / "s.toml").write_text(as_toml(raw), encoding="utf-8")
    bad, change = spoilt_tree({k: v for k, v in raw.items() if isinstance(v, dict)}, draw)
    sets = [
        f"{k}.{i}={as_toml({'x': w})[6:].strip()}" for k, v in bad.items() if isinstance(v, dict) for i, w in v.items()
    ]
    words = [word for text in sets for word in ("--set", text.replace("\0", ""))]
    return Input(change, (*words_of(draw.choice(("simulate", "estimate")), folder), *words))


def spec(kind: str, pattern: str, flag: str | None = None) -> Subject:
    """A spec by path (`flag`), and by name in a folder of one's own."""

    def made(folder: Path, draw: random.Random) -> Input:
        raw = tree(draw.choice(files(pattern)))
        name = raw.get("name", "x")
        change = write_spoilt(folder / f"{name}.toml", raw, draw)
        if flag and draw.random() < 0.7:
            words = ["estimate", "--model", "llama-3.1-8b", "--chip", "dgx-h200", "--json", "--batch", "4"]
            words += ["--tp", "8"] if flag == "--model" else []
            words[words.index(flag) + 1] = str(folder / f"{name}.toml")
            return Input(change, tuple(words))
        if kind not in USES or draw.random() < 0.4:
            path = folder / f"{name}.toml"
            return Input(change, loader=lambda: PARSERS[kind](read_text(path), str(path)))
        asked = {k: v | USES[kind].get(k, {}) if isinstance(v, dict) else v for k, v in QUESTION.items()}
        if kind == "traffic":
            asked |= {"traffic": {"name": "NAME", "rate_per_s": 2.0}}
        (folder / "s.toml").write_text(as_toml(asked | {"name": "t"}).replace("NAME", name), encoding="utf-8")
        return Input(change, words_of("estimate", folder), environment={"SIMCORE_PATH": str(folder)})

    made.__name__ = kind
    return made


QUESTION: dict[str, Any] = {
    "schema": "scenario/2",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "dgx-h100", "stack": "datasheet"},
    "plan": {"tp": 2},
    "traffic": {"input_tokens": 100, "output_tokens": 10, "batch": 4},
    "economics": {"basis": "rental"},
}
USES: dict[str, dict[str, Any]] = {
    "chip": {"hardware": {"system": "NAME"}, "plan": {"tp": 1}},
    "node": {"hardware": {"system": "NAME"}, "plan": {"tp": 1}},
    "cluster": {"hardware": {"system": "NAME"}, "plan": {"tp": 1}},
    "model": {"model": {"name": "NAME"}},
    "stack": {"hardware": {"stack": "NAME"}},
    "traffic": {},
}
PARSERS: dict[str, Callable[[str, str], object]] = {
    "chip": hardware_specs._parse_chip,
    "node": hardware_specs._parse_node,
    "cluster": hardware_specs._parse_cluster,
    "link": hardware_specs._parse_link,
    "stack": hardware_specs._parse_stack,
    "economics": hardware_specs._parse_economics,
    "model": workloads._parse_model,
    "traffic": workloads._parse_demand,
}


def config(folder: Path, draw: random.Random) -> Input:
    """A Hugging Face config.json."""
    path = draw.choice(files("models/*.json", root=SHARED))
    change = write_spoilt(folder / "config.json", tree(path), draw)
    where = str(folder / "config.json")
    words = ("estimate", "--model", where, "--chip", "dgx-h100", "--tp", "8", "--json", "--stack", "roofline")
    return Input(change, words if draw.random() < 0.4 else ("import-model", where, "--json"))


TRACE_SCENARIO = {
    "schema": "scenario/2",
    "name": "t",
    "steps": {"profile": "table", "step": "5 ms", "token": "10 us", "kv_blocks": 4000},
}  # fmt: skip
OWN_TRACES: dict[str, str] = {
    "own.csv": "arrival_s,input_tokens,output_tokens,session,turn,class\n"
    + "".join(f"{i * 0.1},{10 + i},{2 + i % 3},s{i // 2},{i % 2},chat\n" for i in range(8)),
    "dates.csv": "Timestamp,ISL,OSL\n" + "".join(f"2025-06-03T09:00:0{i}.5Z,{9 + i},{2 + i}\n" for i in range(8)),
    "own.jsonl": "".join(
        json.dumps({"timestamp": 500 * i, "input_length": 600 + i, "output_length": 5, "hash_ids": [1, 2 + i]}) + "\n"
        for i in range(8)
    ),
    "bench.json": json.dumps({
        "request_rate": 2.0, "input_lens": [5, 6, 7], "output_lens": [2, 3, 4], "ttfts": [0.1, 0.1, 0.2],
        "start_times": [0.0, 0.5, 1.0], "itls": [[0.1], [0.1, 0.1], [0.1, 0.1, 0.1]],
    }),
}  # fmt: skip


@cache
def trace_texts() -> dict[str, str]:
    heads = {path.name: path.read_text(encoding="utf-8").splitlines()[:12] for path in files("traces/*", root=SHARED)}
    return OWN_TRACES | {name: "\n".join(lines) + "\n" for name, lines in heads.items()}


def trace(folder: Path, draw: random.Random) -> Input:
    """A trace of requests, under a scenario of fixed step times."""
    name = draw.choice(sorted(trace_texts()))
    text = trace_texts()[name]
    if name.endswith("csv"):
        change = write_rows(folder / name, text, draw)
    elif draw.random() < 0.2:
        data, change = spoilt_bytes(text.encode(), draw)
        (folder / name).write_bytes(data)
    else:
        rows, change = spoilt_tree([json.loads(line) for line in text.splitlines()], draw)
        lines = rows if isinstance(rows, list) else [rows]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in lines), encoding="utf-8")
    (folder / "s.toml").write_text(as_toml(TRACE_SCENARIO | {"traffic": {"trace": f"./{name}"}}), encoding="utf-8")
    skip = draw.random() < 0.3
    change = Change(
        change.how,
        change.place,
        change.old,
        change.new,
        change.nonsense and not skip and "hash_ids" not in change.place,
    )
    return Input(change, (*words_of("simulate", folder), *(["--skip-bad"] if skip else [])))


OLD = (
    "rel_03*.toml", "rel_08*.toml", "rel_15*.toml", "rel_09*.toml", "ux_deepseek*.toml", "bug_18*.toml", "bug_04*.toml",
)  # fmt: skip


def old(folder: Path, draw: random.Random) -> Input:
    """Files of the schemas before scenario/2, and the cases of earlier failures."""
    raw = small(tree(draw.choice(files(*(f"cases/{name}" for name in OLD), root=SHARED))))
    change = write_spoilt(folder / "s.toml", raw, draw)
    return Input(change, words_of(draw.choice(("migrate", "simulate", "estimate")), folder))


def study(folder: Path, draw: random.Random) -> Input:
    raw = dict(tree(draw.choice(files("examples/studies/*.toml"))))
    raw["measure"] = draw.choice(("run", "run", "run", "capacity"))
    raw["scenario"] = small(raw["scenario"])
    raw["vary"] = {key: list(values)[:1] for key, values in raw.get("vary", {}).items()}
    raw["variants"] = list(raw["variants"])[:2]
    return Input(
        write_spoilt(folder / "s.toml", raw, draw),
        ("study", str(folder / "s.toml"), "--json"),
        environment={"SIMCORE_SHARED": str(SHARED)},
    )


LOADS = {"chips": 2, "slots": 4, "load_cap_ratio": 2.0, "loads": [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]}


ROUTED = [[[(t + k + layer) % 8 for k in range(2)] for layer in range(2)] for t in range(20)]


def experts(folder: Path, draw: random.Random) -> Input:
    """A placement problem, or a routing trace."""
    if draw.random() < 0.4:
        change = write_spoilt(folder / "t.json", ROUTED, draw)
        return Input(
            change,
            ("plan", "experts", "--trace", str(folder / "t.json"), "--chips", "2", "--json", "--time-limit", "1"),
        )
    synthetic = {
        "chips": 2,
        "synthetic": {"layers": 2, "experts": 8, "topk": 2, "skew": 0.9, "affinity": 1.3, "tokens": 200},
    }
    change = write_spoilt(folder / "s.toml", draw.choice((LOADS, synthetic)), draw)
    return Input(change, ("plan", "experts", str(folder / "s.toml"), "--json", "--time-limit", "1"))


def power(folder: Path, draw: random.Random) -> Input:
    raw = tree(ROOT / "examples/power-row.toml") | {"scenarios": 60}
    change = write_spoilt(folder / "s.toml", raw, draw)
    return Input(change, ("plan", "power", str(folder / "s.toml"), "--days", "0.02", "--json", "--time-limit", "1"))


def operators(folder: Path, draw: random.Random) -> Input:
    """A measured operator table: judged against a calibration, or fitted."""
    path = draw.choice(files("measured/operators/*/*.parquet", root=SHARED))
    chip = path.parent.name
    if draw.random() < 0.15:
        data, change = spoilt_bytes(path.read_bytes()[:60_000], draw)
        table = folder / path.name
        table.write_bytes(data)
    else:
        table = folder / f"{path.stem}.csv"
        change = write_rows(table, operator_text(path), draw)
    if draw.random() < 0.8:
        return Input(change, ("validate", "operators", "--table", str(table), "--chip", chip, "--json"))
    words = ("calibrate", "--tables", str(folder), "--chip", chip, "--out", str(folder / "out"), "--quiet")
    return Input(change, words if draw.random() < 0.5 else (*words, "--power"))


NCCL = """# all_reduce_perf
# nThread 1 nGpus 8
# Rank  0 Group 0 Pid 1 on h device 0
# Rank  1 Group 0 Pid 1 on h device 1
        1024           256     float     sum      -1    45.0    0.08    0.15      0
     1048576        262144     float     sum      -1    45.67   22.96   40.18      0
"""


GENERIC = "operation,latency_ms,m,n,k,gemm_dtype,op,message_bytes,ranks\n" + "".join(
    f"gemm,{0.1 * m},{m},4096,4096,bfloat16,,,\ncollective,{0.01 * m},,,,,all_reduce,{1000 * m},4\n"
    for m in (1, 2, 4, 8)
)


def importer(folder: Path, draw: random.Random) -> Input:
    """Profiles of other tools: layer profiles, NCCL tests, generic tables."""
    from simcore.calibration.importers import importers

    kind = draw.choice(("llmservingsim-layers", "nccl-tests", "generic-table", "aiconfigurator"))
    if kind == "llmservingsim-layers":
        source = draw.choice(files("measured/layers/*/*/*/*/tp*", root=SHARED))
        for name in ("dense.csv", "attention.csv", "moe.csv", "per_sequence.csv"):
            if (source / name).exists():
                lines = (source / name).read_text(encoding="utf-8").splitlines()
                (folder / name).write_text("\n".join([lines[0], *lines[1::40]]) + "\n", encoding="utf-8")
        shutil.copy(source.parent / "meta.yaml", folder / "meta.yaml")
        spoilt = draw.choice([path for path in sorted(folder.iterdir()) if path.stem in ("dense", "attention", "meta")])
        text = spoilt.read_text(encoding="utf-8")
        change = write_rows(spoilt, text, draw, ":" if spoilt.suffix == ".yaml" else ",")
        if spoilt.suffix == ".yaml":  # beside the model's sizes it tells of fits that nobody reads
            change = replace(change, nonsense=False)
        return Input(change, loader=lambda: importers(kind)(folder))
    if kind == "nccl-tests":
        data, change = spoilt_bytes(NCCL.encode(), draw)
        if draw.random() < 0.7:
            words = NCCL.split(" ")
            words[draw.randrange(len(words))] = draw.choice(("-1", "nan", "inf", "x", "1e999", "0"))
            data, change = " ".join(words).encode(), Change("word")
        (folder / "all_reduce.txt").write_bytes(data)
        return Input(change, loader=lambda: importers(kind)(folder / "all_reduce.txt"))
    if kind == "aiconfigurator":
        path = draw.choice(files("measured/operators/*/*.parquet", root=SHARED))
        change = write_rows(folder / f"{path.stem}.csv", operator_text(path), draw)
        return Input(change, loader=lambda: importers(kind)(folder))
    change = write_rows(folder / "t.csv", GENERIC, draw)
    return Input(change, loader=lambda: importers(kind)(folder / "t.csv"))


def recorded(folder: Path, draw: random.Random) -> Input:
    """A recorded serving run."""
    source = draw.choice(files("measured/serving/vllm_runs/*", root=SHARED))
    shutil.copy(source / "meta.json", folder)
    for name in ("requests.jsonl", "timeseries.csv"):
        lines = (source / name).read_text(encoding="utf-8").splitlines()[:13]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    name = draw.choice(("meta.json", "requests.jsonl", "requests.jsonl", "timeseries.csv"))
    if name == "meta.json":
        change = write_spoilt(folder / name, tree(source / name), draw)
    elif name == "timeseries.csv":
        change = write_rows(folder / name, (folder / name).read_text(encoding="utf-8"), draw)
    else:
        rows = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        rows, change = spoilt_tree(rows, draw)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Input(
        change, ("validate", "requests", "--run", str(folder), "--profile", "operators", "--chip", "rtx-4090", "--json")
    )


@cache
def serving_lines() -> list[str]:
    return (SHARED / "measured/serving/silicon_serving.csv").read_text(encoding="utf-8").splitlines()


def serving(folder: Path, draw: random.Random) -> Input:
    """Rows of serving measurements."""
    lines = serving_lines()
    change = write_rows(folder / "t.csv", "\n".join([lines[0], draw.choice(lines[1:])]) + "\n", draw)
    return Input(change, ("validate", "serving", "--table", str(folder / "t.csv"), "--json"))


KEPT: dict[str, Path] = {}
"""folders of finished runs, made once by the worker"""


def finished(folder: Path, draw: random.Random) -> Input:
    """The folder of a finished sweep or search, read again."""
    kind = draw.choice(("sweep", "search"))
    shutil.copytree(KEPT[kind], folder / "out")
    inside = [
        path for path in sorted((folder / "out").rglob("*")) if path.is_file() and path.suffix not in (".png", ".svg")
    ]
    path = draw.choice(inside)
    if path.suffix in (".json", ".toml") and draw.random() < 0.7:
        change = write_spoilt(path, tree(path.rename(path.with_suffix(".old" + path.suffix))), draw)
        path.with_suffix(".old" + path.suffix).unlink()
    else:
        data, change = spoilt_bytes(path.read_bytes(), draw)
        path.write_bytes(data)
    if kind == "sweep":
        return Input(change, ("report", str(folder / "out")))
    again = (
        "search",
        str(KEPT["question"]),
        "--budget",
        "6",
        "--method",
        "random",
        "--json",
        "--out",
        str(folder / "out"),
    )
    change = replace(change, nonsense=False)  # what a search tells of its space is written again, and never read
    return Input(change, again if draw.random() < 0.7 else ("search", "merge", str(folder / "out/store"), "--compact"))


def artefact(folder: Path, draw: random.Random) -> Input:
    """Fitted arrays and what is told of them."""
    from simcore.calibration.host import host_model

    path = draw.choice(files("hardware_specs/calibration/*/*.npz"))
    (folder / "host").mkdir()
    for suffix in (".npz", ".toml"):
        shutil.copy(path.with_suffix(suffix), folder / "host" / f"host{suffix}")
    spoilt = draw.choice(sorted((folder / "host").iterdir()))
    data, change = spoilt_bytes(spoilt.read_bytes(), draw)
    spoilt.write_bytes(data)
    return Input(change, loader=lambda: host_model(folder))


SUBJECTS: dict[str, tuple[int, Subject]] = {
    "scenario": (26, scenario),
    "option": (5, option),
    "chip": (6, spec("chip", "hardware_specs/chips/*.toml", "--chip")),
    "node": (4, spec("node", "hardware_specs/nodes/*.toml", "--chip")),
    "cluster": (3, spec("cluster", "hardware_specs/clusters/*.toml", "--chip")),
    "link": (2, spec("link", "hardware_specs/links/*.toml")),
    "stack": (2, spec("stack", "hardware_specs/stacks/*.toml")),
    "economics": (2, spec("economics", "hardware_specs/economics/*.toml")),
    "model": (7, spec("model", "workloads/models/*.toml", "--model")),
    "traffic": (2, spec("traffic", "workloads/traffic/*.toml")),
    "config": (7, config),
    "trace": (8, trace),
    "old": (4, old),
    "study": (4, study),
    "experts": (4, experts),
    "power": (4, power),
    "operators": (4, operators),
    "importer": (4, importer),
    "recorded": (3, recorded),
    "serving": (2, serving),
    "finished": (4, finished),
    "artefact": (2, artefact),
    "size": (10, verbs.size),
    "tiers": (5, verbs.tiers),
    "bench": (5, verbs.bench),
    "tables": (5, verbs.tables),
    "sizes": (2, verbs.sizes),
    "across": (2, verbs.across),
    "around": (8, verbs.around),
    "run_folder": (3, verbs.run_folder),
    "step": (4, kernel_verbs.step),
    "precision": (3, kernel_verbs.precision),
    "schedule": (3, kernel_verbs.schedule),
    "format": (4, kernel_verbs.number_format),
    **newer_verbs.NEWER,
    **mixed.MIXED,
}
"""kind -> (its share, what spoils it)"""
MEASURED = (
    "config",
    "columns",
    "plausible",
    "old",
    "operators",
    "importer",
    "recorded",
    "serving",
    "tables",
    "sizes",
    "across",
)
"""kinds that need the measured tables beside the checkout"""
