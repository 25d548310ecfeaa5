"""Commands where things are missing or odd: no home, no name, no room, no output, other letters. Answered, or one line
and exit code 2."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import site
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.kill import litter
from tests.fuzz.mutate import as_toml
from tests.fuzz.verbs import CSV, FEW, SIZED
from tests.shared import ROOT

NOBODY = 54_321
"""a user that no passwd file names"""
ODD = "Ünïcode mit Leerzeichen 漢字"
SCENARIO = {
    "schema": "scenario/2",
    "name": "here",
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "h100-sxm", "stack": "datasheet"},
    "traffic": {"input_tokens": 512, "output_tokens": 64, "batch": 4, "requests": 20},
    "vary": {"traffic.batch": [1, 4]},
}
SIZED_HERE = (*(word for word in SIZED if word != "--json"), *FEW, "--ttft", "2 s", "--tpot", "80 ms")
COMMANDS = (
    ("list", "chips"),
    ("estimate", "{file}", "--json"),
    ("simulate", "{file}", "--out", "{out}/run"),
    ("sweep", "{file}", "--out", "{out}/sweep"),
    ("search", "{file}", "--budget", "2", "--method", "random", "--out", "{out}/search"),
    ("explain", "{file}"),
    ("schema", "chip"),
    ("traffic", "{home}/own.csv", "--out", "{out}/traffic"),
    ("compare", "{file}", "{file}", "--by", "estimate", "--out", "{out}/compare"),
    ("what-if", "{file}", "--key", "hardware.chip.memory.hbm.read_bandwidth", "--out", "{out}/what-if"),
    ("plan", "tiers", "{file}"),
    (*SIZED_HERE, "--traffic", "{home}/own.csv", "--out", "{out}/size"),
)


@dataclass(frozen=True)
class Place:
    """Where commands run: what is changed of the environment, the interpreter, and the process before it starts."""

    name: str
    environment: dict[str, str | None] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    before: Callable[[], None] | None = None
    odd_folder: bool = False
    output: str = ""
    """redirection of the shell"""
    refused: bool = False
    """whether what writes may be refused"""


def nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def full() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


PLACES = (
    Place("as it is"),
    Place("no HOME", {"HOME": None}),
    Place("HOME is not there", {"HOME": "/nowhere", "XDG_CACHE_HOME": None}),
    Place("HOME cannot be written", {"HOME": "/proc", "XDG_CACHE_HOME": "/proc"}),
    Place("LC_ALL=C", {"LC_ALL": "C", "LANG": None}, odd_folder=True),
    Place("LC_ALL=C without UTF-8", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    Place("LC_ALL=POSIX, ASCII output", {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}, odd_folder=True),
    Place("spaces and letters in paths", odd_folder=True),
    Place("-OO", flags=("-OO",)),
    Place("-s -B", flags=("-s", "-B")),
    Place("no passwd entry, read-only installation", {"HOME": None}, before=nobody),
    Place("a full disk", before=full, refused=True),
    Place("TMPDIR is not there", {"TMPDIR": "/nowhere", "TEMP": None, "TMP": None}),
    Place("output to /dev/full", output="> /dev/full", refused=True),
    Place("closed output", output=">&-", refused=True),
    Place("closed errors", output="2>&-"),
    Place("closed input", output="<&-"),
    Place("everything closed", output="<&- >&- 2>&-", refused=True),
    Place("40 columns, no colour", {"COLUMNS": "40", "NO_COLOR": "1", "TERM": "dumb"}),
)


def interpreter(place: Place) -> tuple[str, dict[str, str]]:
    """Python for a place, and what it needs to find the packages: another one where the user may not run ours."""
    packages = [path for path in (*site.getsitepackages(), str(ROOT)) if Path(path).is_dir()]
    found = {"PYTHONPATH": os.pathsep.join([str(ROOT), *packages])}
    if place.before is not nobody:
        return sys.executable, found
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return shutil.which(here, path="/usr/bin:/usr/local/bin") or sys.executable, found


def tried(place: Place, folder: Path) -> list[str]:
    """What went wrong of all commands in a place."""
    home = folder / (ODD if place.odd_folder else "plain")
    shutil.rmtree(home, ignore_errors=True)
    (home / "llama-3.1-8b").mkdir(parents=True)
    (home / "h100-sxm").mkdir()
    (home / "s.toml").write_text(as_toml(SCENARIO), encoding="utf-8")
    (home / "own.csv").write_text(CSV, encoding="utf-8")
    home.chmod(0o777)
    python, paths = interpreter(place)
    changes = paths | {"OPENBLAS_NUM_THREADS": "1"} | place.environment
    env = {k: v for k, v in (os.environ | changes).items() if v is not None}
    wrong = []
    for words in COMMANDS:
        places = {"file": str(home / "s.toml"), "out": str(home / "out"), "home": str(home)}
        line = [word.format(**places) for word in words]
        shell = ["bash", "-c", f'exec "$@" {place.output}', "bash", python, *place.flags, "-m", "cli", *line]
        done = subprocess.run(shell, cwd=home, env=env, capture_output=True, preexec_fn=place.before, check=False)
        said = done.stderr.decode(errors="replace")
        refused = done.returncode == 2 and said.count("\n") <= 1 and place.refused
        if "Traceback" in said or not (done.returncode == 0 or refused):
            wrong.append(f"{place.name}: {words[0]}: {done.returncode}: {said.strip()[-300:]}")
        if done.returncode == 2 and not said and "2>&-" not in place.output:
            wrong.append(f"{place.name}: {words[0]}: refused without a word")
    return wrong + [f"{place.name}: left {name}" for name in litter(home)]


def campaign(say: Callable[[str], None] = print) -> int:
    """All places; how many commands went wrong."""
    total = 0
    with tempfile.TemporaryDirectory(prefix="simcore-places-") as folder:
        Path(folder).chmod(0o755)
        for place in PLACES:
            if place.before is nobody and os.getuid() != 0:
                say(f"{place.name}: not tried, needs root")
                continue
            wrong = tried(place, Path(folder))
            say(f"{place.name}: {len(COMMANDS)} commands, {len(wrong)} failures")
            for line in wrong:
                say(f"    {line}")
            total += len(wrong)
    return total
