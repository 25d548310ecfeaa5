"""A process that searches on a Ray cluster of its own whose head is killed on the way: `lost: WHY`, or `whole`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.fuzz import workers

HERE = "127.0.0.1"
WAIT_S = 60.0


def main(store: Path, moment_s: float) -> None:
    """Search with the answers in `store`; everything of the head dies `moment_s` after the search began."""
    from planners.search.backend import backend
    from planners.search.backends.ray import answers
    from planners.search.method import method
    from planners.search.run import Setting, open_store, search
    from simcore.errors import InputError

    os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as free:
        free.bind((HERE, 0))
        port = free.getsockname()[1]
    words = [f"--port={port}", f"--node-ip-address={HERE}", "--num-cpus=2", "--include-dashboard=false", "--block"]
    program = str(Path(sys.executable).with_name("ray"))
    quiet = subprocess.DEVNULL
    head = subprocess.Popen([program, "start", "--head", *words], stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        until_s = time.monotonic() + WAIT_S
        while not answers(f"{HERE}:{port}") and time.monotonic() < until_s:
            time.sleep(0.2)
        where = backend("ray", address=f"{HERE}:{port}")
        with open_store(store, workers.problem()) as kept:
            threading.Timer(moment_s, os.killpg, (head.pid, signal.SIGKILL)).start()
            try:
                setting = Setting(budget=workers.BUDGET, seed=3, batch=40)
                search(workers.problem(), method("random"), setting, kept, backend=where)
                print("whole")
            except InputError as error:
                print(f"lost: {error}")
    finally:
        if head.poll() is None:
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
