"""Whole compiled runs of the event engine, called without numba where a library is kept."""

from __future__ import annotations

from pathlib import Path

from simcore.cost.gate import Gate

GATES = str(Path(__file__).with_name("gates.py"))


def _compiled(name: str) -> int:
    from simcore.engine.gates import address

    return address(name)


open_loop, closed_loop = Gate(GATES, "open_loop", _compiled), Gate(GATES, "closed_loop", _compiled)
