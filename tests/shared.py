"""Where the measured data lies; tests that need it skip, saying so, when it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SIMCORE_SHARED", ROOT.parent / "shared"))


def shared(path: str) -> Path:
    """A path below the shared folder, or a skip."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"measured data {path} is not at hand (set SIMCORE_SHARED)")
    return found
