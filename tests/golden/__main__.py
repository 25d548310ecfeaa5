"""Record the golden answers again: `python -m tests.golden`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.golden import answers

if __name__ == "__main__":
    for kind in ("estimates", "simulations", "examples"):
        found = getattr(answers, f"of_{kind}")()
        text = json.dumps(found, indent=None, separators=(",", ":")).replace("},", "},\n")
        (Path(__file__).resolve().parent / f"{kind}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{kind}: {len(found)}")
