"""Every command that writes, killed at random moments: the old set or the new one, and no litter after the next run."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.spec.load import read_toml
from tests.fuzz.mutate import as_toml, places
from tests.fuzz.newer_verbs import TABLE
from tests.fuzz.spoil import operator_text
from tests.fuzz.subjects import NCCL, ROUTED, small
from tests.fuzz.verbs import CSV, FEW, SIZED
from tests.shared import ROOT, SHARED

Files = dict[str, str]
CHANGES = (".simcore.json", "unfinished")
"""files whose content says who wrote, not what"""
CLOCKED = ("cpu_s",)
"""what an answer took, which no two runs share; everything else of it is compared"""


@dataclass(frozen=True)
class Writer:
    """A command line for the old content and one for the new, `{out}` being what they write."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    timed: bool = False
    """what it writes are times, which no two runs share: files are compared by their kind, columns and rows alone"""


OTHER_WAY = "arrival=Arrived,input=Completion,output=Prompt Len"
RANDOM = ("--budget", "8", "--method", "random")
DAYS = ("--days", "0.1")
FOUR = ("--chips", "4")


def writers(folder: Path) -> list[Writer]:
    """The commands that write, over inputs made in `folder`."""
    one: dict[str, Any] = {
        "schema": "scenario/2",
        "name": "one",
        "model": {"name": "llama-3.1-8b"},
        "hardware": {"system": "h100-sxm", "stack": "datasheet"},
        "traffic": {"input_tokens": 512, "output_tokens": 64, "rate_per_s": 5.0, "requests": 200},
    }
    vary = one | {
        "traffic": {"input_tokens": 512, "output_tokens": 64, "batch": 4},
        "vary": {"plan.tp": [1, 2], "traffic.batch": [1, 4, 16, 64]},
        "objective": {"minimise": ["usd_per_million_tokens", "tpot_p50_s"]},
    }
    study = dict(read_toml((ROOT / "examples/studies/sarathi.toml").read_text(encoding="utf-8"), "sarathi"))
    study |= {"measure": "run", "vary": {}, "variants": study["variants"][:2], "scenario": small(study["scenario"])}
    study.pop("compare_to", None)
    old = {k: v for k, v in one.items() if k != "schema"} | {"schema": "scenario/1", "plan": {"tp": 1}}
    power = read_toml((ROOT / "examples/power-row.toml").read_text(encoding="utf-8"), "power") | {"scenarios": 60}
    for name, raw in {"one": one, "vary": vary, "study": study, "old": old, "power": power}.items():
        (folder / f"{name}.toml").write_text(as_toml(raw), encoding="utf-8")
    (folder / "all_reduce.txt").write_text(NCCL, encoding="utf-8")
    file = {name: str(folder / f"{name}.toml") for name in ("one", "vary", "study", "old", "power")}
    routed = folder / "routed.json"
    routed.write_text(json.dumps(ROUTED), encoding="utf-8")
    model = str(ROOT / "workloads/models/llama-3.1-8b.toml")
    found = [
        Writer("simulate", ("simulate", file["one"], "--out", "{out}", "-q"), ("--set", "seed=5")),
        Writer("sweep", ("sweep", file["vary"], "--out", "{out}", "-q"), ("--set", "traffic.input_tokens=700")),
        Writer("search", ("search", file["vary"], *RANDOM, "--out", "{out}", "-q"), ("--seed", "5")),
        Writer("study", ("study", file["study"], "--out", "{out}", "-q"), ()),
        Writer("plan power", ("plan", "power", file["power"], *DAYS, "--out", "{out}"), ("--seed", "5")),
        Writer("plan experts", ("plan", "experts", "--trace", str(routed), "--chips", "2", "--out", "{out}"), FOUR),
        Writer("import-model", ("import-model", model, "--out", "{out}.toml"), ("--name", "other")),
        Writer("migrate", ("migrate", file["old"], "--out", "{out}.toml"), ()),
    ]  # fmt: skip
    (folder / "own.csv").write_text(CSV, encoding="utf-8")
    sized = (*SIZED, *FEW, "--traffic", "300:20", "--ttft", "2 s", "--tpot", "80 ms")
    key = ("--key", "hardware.chip.memory.hbm.read_bandwidth")
    both = ("compare", file["one"], file["one"], "--by", "estimate")
    found += [
        Writer("size", (*(word for word in sized if word != "--json"), "--out", "{out}", "-q"), ("--rate", "3")),
        Writer("compare", (*both, "--out", "{out}", "-q"), ("--by", "simulate")),
        Writer("traffic", ("traffic", str(folder / "own.csv"), "--out", "{out}", "-q"), ("--columns", OTHER_WAY)),
        Writer("what-if", ("what-if", file["one"], *key, "--out", "{out}", "-q"), ("--of", "mfu_ratio")),
    ]  # fmt: skip
    train = str(ROOT / "examples/train-llama-8b.toml")
    space = dict(read_toml((ROOT / "examples/train-space.toml").read_text(encoding="utf-8"), "space"))
    space |= {"model": {"name": "llama-3.1-8b"}, "plan": {"chips": 8}}
    (folder / "space.toml").write_text(as_toml(space), encoding="utf-8")
    found += [
        Writer("train", ("train", train, "--timeline", "{out}.json", "-q"), ("--set", "training.global_batch=256")),
        Writer("plan training", ("plan", "training", str(folder / "space.toml"), "--out", "{out}.csv"), ("--top", "3")),
        Writer("profile", ("profile", "--size", "small", "--out", "{out}", "--quiet"), (), timed=True),
    ]
    (folder / "learnt.csv").write_text(TABLE, encoding="utf-8")
    learn = ("learn", str(folder / "learnt.csv"), "--target", "time_ms", "--out", "{out}.npz")
    queue = dict(read_toml((ROOT / "examples/plan-policy.toml").read_text(encoding="utf-8"), "queue"))
    (folder / "queue.toml").write_text(as_toml(small(queue)), encoding="utf-8")
    ordered = ("plan", "policy", str(folder / "queue.toml"), "--budget", "3", "--out", "{out}.toml", "-q")
    formats = ("plan", "precision", str(ROOT / "examples/plan-precision.toml"), "--out", "{out}.toml", "-q")
    bound = ("capacity", file["one"], "--set", "slo.ttft=2 s", "--most", "4")
    tasks = ("tasks", str(ROOT / "examples/stream-weights.toml"))
    found += [
        Writer("learn", (*learn, "--inputs", "size,tile"), ("--inputs", "size")),
        Writer("plan policy", ordered, ("--set", "traffic.rate_per_s=9.0")),
        Writer("capacity", (*bound, "--tolerance", "0.3", "--out", "{out}", "-q"), ("--set", "seed=5")),
        Writer("train --out", ("train", train, "--out", "{out}", "-q"), ("--set", "training.global_batch=256")),
        Writer("tasks", (*tasks, "--timeline", "{out}.json", "-q"), ("--set", "values.users=64")),
        Writer("plan precision", formats, ("--set", "traffic.batch=2")),
    ]
    tables = SHARED / "measured/operators/a100_sxm/gemm.parquet"
    if tables.exists():
        (folder / "tables").mkdir()
        (folder / "tables/gemm.csv").write_text(operator_text(tables), encoding="utf-8")
        table = str(folder / "tables/gemm.csv")
        judged = ("validate", "operators", "--table", table, "--chip", "a100-sxm", "--quiet")
        fitted = ("calibrate", "--tables", str(folder / "tables"), "--chip", "a100-sxm", "--out", "{out}", "--quiet")
        found += [
            Writer("calibrate", fitted, ("--source", "another")),
            Writer("validate --out", (*judged, "--out", "{out}.csv"), ("--stack", "datasheet")),
            Writer("validate --plot", (*judged, "--plot", "{out}.png"), ("--stack", "datasheet")),
        ]
    return found + measured(folder)


def measured(folder: Path) -> list[Writer]:
    """The proofs that write, over the first rows of measured tables; none where the tables are not at hand."""
    home = SHARED / "measured"
    tables = {"serving": "serving/silicon_serving.csv", "stages": "serving/vllm_h100_stages.csv",
              "energy": "serving/power_and_itl.csv", "training": "training/torchtitan.csv"}  # fmt: skip
    if not home.is_dir():
        return []
    found = []
    for name, file in tables.items():
        lines = (home / file).read_text(encoding="utf-8").splitlines()
        for rows, part in ((3, "old"), (4, "new")):
            (folder / f"{name}-{part}.csv").write_text("\n".join(lines[:rows]) + "\n", encoding="utf-8")
        old, new = (("validate", name, "--table", str(folder / f"{name}-{part}.csv")) for part in ("old", "new"))
        found.append(Writer(f"validate {name}", (*old, "--out", "{out}.csv"), (*new[2:],)))
    pages = ("validate", "serving", "--table", str(folder / "serving-old.csv"))
    told = ("--page", "{out}.md", "--plot", "{out}.png", "--write-scenarios", "{out}")
    found.append(Writer("validate serving, pages", (*pages, *told), ("--table", str(folder / "serving-new.csv"))))
    run = sorted((home / "serving/vllm_runs").iterdir())[0]
    cut = folder / "run"
    cut.mkdir()
    shutil.copy(run / "meta.json", cut)
    for name in ("requests.jsonl", "timeseries.csv"):
        lines = (run / name).read_text(encoding="utf-8").splitlines()[:30]
        (cut / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    replay = ("validate", "requests", "--run", str(cut), "--profile", "operators", "--chip", "rtx-4090")
    return [*found, Writer("validate requests", (*replay, "--out", "{out}.csv"), ("--chip", "h100-sxm"))]


def started(words: tuple[str, ...], out: Path) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "cli", *(word.format(out=out) for word in words)]
    return subprocess.Popen(line, cwd=out.parent, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(words: tuple[str, ...], out: Path) -> float:
    """Run to the end; its seconds. Raises RuntimeError where it fails."""
    began = time.monotonic()
    process = started(words, out)
    _, err = process.communicate()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{words}: {process.returncode}: {err.decode()[-300:]}")
    return time.monotonic() - began


def content(home: Path, timed: bool = False) -> Files:
    """Name -> digest of every file below a folder, hidden ones too, a store's aside: see `rows`."""
    found = {}
    for path in sorted(home.rglob("*")):
        if path.is_file() and not any(word in path.name for word in CHANGES) and path.parent.name != "store":
            found[path.relative_to(home).as_posix()] = hashlib.sha256(
                form(path) if timed else unclocked(path)
            ).hexdigest()
    return found


def form(path: Path) -> bytes:
    """What kind of table or tree a file holds, whatever its numbers; bytes that are neither as they are."""
    from pyarrow.parquet import read_table

    if path.suffix == ".parquet":
        table = read_table(path)
        return f"{table.schema.names} {table.num_rows}".encode()
    if path.suffix == ".csv":
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        return f"{head} {[line.count(',') for line in lines]}".encode()
    if path.suffix == ".toml":
        return repr(list(places(read_toml(path.read_text(encoding="utf-8"), str(path))))).encode()
    return path.read_bytes()


def unclocked(path: Path) -> bytes:
    """What a file says, without how long it took to say it; bytes that are no JSON as they are."""
    data = path.read_bytes()
    if path.suffix != ".json":
        return data
    try:
        told = json.loads(data)
    except ValueError:
        return data
    for way in list(places(told)):
        if way[-1] in CLOCKED:
            here = told
            for key in way[:-1]:
                here = here[key]
            here[way[-1]] = None
    return json.dumps(told).encode()


def rows(home: Path) -> set[str]:
    """The answers in all stores below a folder, each with its key, point, seed and outputs. Raises where a shard is
    not whole."""
    from pyarrow.parquet import read_table

    shards = [path for path in home.rglob("store/*.parquet") if not path.name.startswith(".")]
    return {json.dumps(row, sort_keys=True) for path in shards for row in read_table(path).to_pylist()}


def litter(home: Path) -> list[str]:
    """What no finished run leaves behind."""
    names = (".simcore-stage-", ".simcore-part", ".tmp", "partial")
    return [str(path.relative_to(home)) for path in home.rglob("*") if any(word in path.name for word in names)]


def overruled(old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """A command line with options added; one that is stated already has its new value, but for those that add up.

    >>> overruled(("size", "--rate", "5", "--set", "seed=1"), ("--rate", "3", "--set", "name='x'"))
    ('size', '--set', 'seed=1', '--rate', '3', '--set', "name='x'")
    """
    again = {word for word in new if word.startswith("--") and word != "--set"}
    kept = [word for at, word in enumerate(old) if word not in again and (at == 0 or old[at - 1] not in again)]
    return (*kept, *new)


def kill_at_random(writer: Writer, home: Path, times: int, draw: random.Random) -> list[str]:
    """What went wrong of `times` kills of a writer of the new set over the old one."""
    wrong, base, new = [], home / "base", overruled(writer.old, writer.new)
    for name in ("base", "goal", "try"):
        shutil.rmtree(home / name, ignore_errors=True)
        (home / name).mkdir()
    finished(writer.old, base / "out")
    old_set = content(base, writer.timed)
    shutil.copytree(base, home / "goal", dirs_exist_ok=True)
    longest = finished(new, home / "goal" / "out")
    new_set, answers = content(home / "goal", writer.timed), rows(home / "goal")
    for number in range(times):
        here = home / "try"
        shutil.rmtree(here)
        shutil.copytree(base, here)
        process = started(new, here / "out")
        late = draw.random() < 0.7
        time.sleep(longest * (draw.uniform(0.6, 1.05) if late else draw.uniform(0.0, 1.0)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wrong += [f"{writer.name} kill {number}: {what}" for what in judged(here, old_set, new_set, writer.timed)]
        if not rows(base) <= rows(here) <= answers:
            wrong.append(f"{writer.name} kill {number}: the store lost answers, or holds others")
        resumed = ("--resume",) if list(here.rglob("unfinished*")) else ()
        finished((*new, *resumed), here / "out")
        left = litter(here)
        if left:
            wrong.append(f"{writer.name} kill {number}: left {left}")
        after = content(here, writer.timed)
        if after != new_set or rows(here) != answers:
            wrong.append(f"{writer.name} kill {number}: the next run gave {differing(after, new_set)}")
    return wrong


def judged(here: Path, old: Files, new: Files, timed: bool = False) -> list[str]:
    """Right after a kill: every file is whole, and all are of one set."""
    found = {name: digest for name, digest in content(here, timed).items() if not is_hidden(name)}
    kinds = {
        name: ("old" * (old.get(name) == digest) + "new" * (new.get(name) == digest)) for name, digest in found.items()
    }
    if not all(kinds.values()):
        return [f"neither old nor new: {[name for name, kind in kinds.items() if not kind]}"]
    plain = set(kinds.values()) - {"oldnew"}
    return [f"of both sets: {kinds}"] if len(plain) > 1 else []


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def differing(a: Files, b: Files) -> list[str]:
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def campaign(times: int, seed: int, say: Callable[[str], None] = print, only: str = "") -> int:
    """Kill every writer `times` times; how many failures there were."""
    total = 0
    with tempfile.TemporaryDirectory(prefix="simcore-kill-") as place:
        home = Path(place)
        for writer in writers(home):
            if only and only != writer.name:
                continue
            draw = random.Random(f"{seed}/{writer.name}")
            try:
                wrong = kill_at_random(writer, home, times, draw)
            except RuntimeError as error:  # a run that was not killed failed: the others are tried all the same
                wrong = [str(error)]
            say(f"{writer.name}: {times} kills, {len(wrong)} failures")
            for line in wrong[:5]:
                say(f"    {line[:400]}")
            total += len(wrong)
    return total
