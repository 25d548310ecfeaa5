"""`python -m tests.fuzz inputs|laws|kill|places N SEED`: exit code 1 where anything failed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz import cluster, environments, kill, laws, together, workers
from tests.fuzz.campaign import campaign, told


def main(what: str, count: int, seed: int) -> int:
    if what == "inputs":
        keep = Path(f"out/fuzz-{seed}").absolute()
        tally = campaign(count, seed, keep)
        print(told(tally))
        return int(bool(tally.failures))
    if what == "laws":
        broken = 0
        for engine in laws.ENGINES:
            tried, found = laws.campaign(engine, count, seed)
            print(f"{engine}: {tried} questions, {found} with broken laws", flush=True)
            broken += found
        return int(bool(broken))
    if what == "places":
        return int(bool(environments.campaign()))
    if what == "kill":
        failed = kill.campaign(count, seed) + together.campaign(count, seed)
        failed += workers.campaign(max(count // 2, 1), seed)
        failed += cluster.campaign(max(count // 8, 1), seed)
        return int(bool(failed))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
