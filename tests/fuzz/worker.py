"""A process that tries spoilt inputs one after the other and says on standard output, a line each, how they went."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simcore.errors import SimcoreError
from tests.fuzz.judge import Outcome, verdict
from tests.fuzz.mutate import Change, as_toml
from tests.fuzz.spoil import Input
from tests.fuzz.subjects import KEPT, MEASURED, SUBJECTS
from tests.shared import SHARED

MOST_BYTES = 4 << 30
"""of data of the process: what asks for more fails"""
MOST_S = 20.0


def kinds() -> list[str]:
    """Kinds of files that can be spoilt here: without the measured tables some cannot."""
    here = (SHARED / "measured").is_dir()
    return [kind for kind in SUBJECTS if here or kind not in MEASURED]


def made(seed: int, number: int, folder: Path) -> tuple[str, Input]:
    """The input of that number, the same for the same seed; its files are in `folder`."""
    draw = random.Random(f"{seed}/{number}")
    known = kinds()
    kind = draw.choices(known, [SUBJECTS[k][0] for k in known])[0]
    return kind, SUBJECTS[kind][1](folder, draw)


def run(asked: Input) -> Outcome:
    """The outcome of one input in this process."""
    out, err = io.StringIO(), io.StringIO()
    began = time.process_time()
    code: int | None = None
    trace = ""
    with changed(asked.environment), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if asked.loader:
                asked.loader()
                code = 0
            else:
                command(asked.words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        except SimcoreError as error:
            code = 2
            print(f"simcore: {error}", file=err)
        except BaseException:
            trace = traceback.format_exc()
    return Outcome(code, out.getvalue(), err.getvalue(), trace, time.process_time() - began)


def command(words: tuple[str, ...]) -> None:
    """`simcore WORDS` in this process."""
    import cli

    cli.mount()
    cli.mount_one = lambda name: cli.mount()
    sys.argv = ["simcore", *words]
    cli.main()


@contextlib.contextmanager
def changed(environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def keep_finished(folder: Path) -> None:
    """A finished sweep and a finished search, to spoil copies of."""
    plain: dict[str, Any] = {
        "schema": "scenario/2",
        "name": "kept",
        "model": {"name": "llama-3.1-8b"},
        "hardware": {"system": "h100-sxm", "stack": "datasheet"},
        "traffic": {"input_tokens": 512, "output_tokens": 64, "batch": 4},
        "vary": {"plan.tp": [1, 2], "traffic.batch": [1, 4, 16]},
        "objective": {"minimise": ["usd_per_million_tokens", "tpot_p50_s"]},
    }
    question = folder / "kept.toml"
    question.write_text(as_toml(plain), encoding="utf-8")
    KEPT.update(sweep=folder / "sweep", search=folder / "search", run=folder / "run", question=question)
    out = {"sweep": "sweep", "search": "search", "simulate": "run"}
    for words in (("sweep",), ("search", "--budget", "6", "--method", "random"), ("simulate", "--check")):
        asked = (words[0], str(question), *words[1:], "--out", str(folder / out[words[0]]), "-q")
        done = run(Input(Change("none"), asked))
        if done.code != 0:
            raise RuntimeError(done.err + done.trace)


def tell(line: dict[str, Any]) -> None:
    os.write(TOLD, (json.dumps(line) + "\n").encode())


TOLD = 1


def timers(most_s: float) -> None:
    """Stop what takes so many seconds of the processor, or waits for long: other work on the machine is no hang."""
    signal.setitimer(signal.ITIMER_PROF, most_s)
    signal.setitimer(signal.ITIMER_REAL, 4 * most_s)


def alarm(*_: object) -> None:
    raise TimeoutError(f"more than {MOST_S:g} s")


def main(seed: int, first: int, stop: int, step: int, keep: Path | None) -> None:
    """Try inputs first, first + step, ... below stop; the input of each failure is left in `keep`."""
    global TOLD
    TOLD = os.dup(1)
    home = Path(tempfile.mkdtemp(prefix="simcore-fuzz-"))
    os.chdir(home)
    try:
        keep_finished(home)
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
        for ended in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(ended, alarm)
        for number in range(first, stop, step):
            folder = home / f"i{number}"
            folder.mkdir()
            tell({"begins": number})
            kind, asked = made(seed, number, folder)
            tell({"asks": number, "kind": kind, "words": " ".join(asked.words)[:200], "change": repr(asked.change)})
            timers(MOST_S)
            done = run(asked)
            timers(0)
            said, group = verdict(asked, done, MOST_S)
            tell({"ends": number, "code": done.code, "cpu_s": round(done.cpu_s, 3), "said": said, "group": group})
            if said and keep is not None:
                shutil.copytree(folder, keep / str(number), dirs_exist_ok=True)
                (keep / str(number) / "WHAT").write_text(
                    f"{asked.words}\n{asked.change}\n{said}\n{done.trace}\n{done.err}"
                )
            shutil.rmtree(folder, ignore_errors=True)
        tell({"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
    finally:
        os.chdir("/")
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:5]]
    main(*numbers, keep=Path(sys.argv[5]) if len(sys.argv) > 5 else None)  # type: ignore[misc,arg-type]
