"""`python -m tests.lowest EXTRA ...`: the lowest versions that pyproject.toml allows, one requirement a line.

Without extras: what the project itself needs, and what runs tests.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

TESTS = ("pytest", "hypothesis")


def lowest(extras: list[str], file: Path = Path("pyproject.toml")) -> list[str]:
    """`numpy==1.26` for `numpy>=1.26`, of the project and of its extras."""
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    more: dict[str, list[str]] = project["optional-dependencies"]
    named = [*project["dependencies"], *(one for one in more["dev"] if one.startswith(TESTS))]
    named += [one for extra in extras for one in more[extra]]
    return sorted({text.partition(",")[0].replace(">=", "==") for text in named})


if __name__ == "__main__":
    print("\n".join(lowest(sys.argv[1:])))
