"""Writers of one folder at the same time, one of them killed: each set whole, known as ours, and no litter."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reports.output import MANIFEST, STAGE, manifest, output_folder
from tests.shared import ROOT

COMMANDS = ("one", "one", "two", "three")
"""of the writers: two are the same command"""
SETS = 30
"""sets that each writer publishes, one after the other"""
WRITER = """
import random, sys
from pathlib import Path
from reports.output import output_folder
out, command, seed, sets = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
draw = random.Random(seed)
for number in range(sets):
    with output_folder(out, command) as stage:
        for file in range(draw.randrange(2, 6)):
            (stage / f"{command}-{file}").write_text(f"{seed} {number}")
"""


def writer(out: Path, command: str, seed: str) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", WRITER, str(out), command, seed, str(SETS)]
    return subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def tried(home: Path, draw: random.Random) -> list[str]:
    """What went wrong of writers of `home / "out"`, one killed on its way, and a run after them."""
    out = home / "out"
    writers = [writer(out, command, f"{draw.random()}") for command in COMMANDS]
    time.sleep(draw.uniform(0.1, 1.0))
    victim = draw.choice(writers)
    victim.kill()
    said = [(one is victim, one.communicate()[1], one.returncode) for one in writers]
    wrong = [f"a writer ended with {code}: {err.decode()[-200:]}" for dead, err, code in said if code and not dead]
    with output_folder(out, "last") as stage:
        (stage / "last").write_text("")
    sets = manifest(out)
    ours = {name for names in sets.values() for name in names} | {MANIFEST}
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    if found != ours:
        wrong.append(f"not known as ours, or not there: {sorted(found ^ ours)}")
    if list(home.rglob(f"{STAGE}*")) or len(list(home.iterdir())) > 1:
        wrong.append(f"left {sorted(path.name for path in home.rglob('*'))}")
    mixed = [name for name in sets if len({(out / file).read_text() for file in sets[name] if file in found}) > 1]
    return wrong + [f"of two sets: {mixed}"] * bool(mixed)


def campaign(times: int, seed: int, say: Callable[[str], None] = print) -> int:
    """Writers together `times` times; how many went wrong."""
    draw, total = random.Random(f"{seed}/together"), 0
    for number in range(times):
        with tempfile.TemporaryDirectory(prefix="simcore-together-") as home:
            wrong = tried(Path(home), draw)
        for line in wrong:
            say(f"    {number}: {line}")
        total += bool(wrong)
    say(f"writers of one folder: {times} times {len(COMMANDS)} together, one killed, {total} failures")
    return total
