"""The stack of a scenario: its documented defaults, what calibration says it adds, the cost models of its kernels."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from simcore.errors import InputError, suggest
from simcore.spec.hardware import Chip
from simcore.spec.stack import Stack
from simcore.step.served import NOTHING, Served

NAMED = ("vllm", "trtllm", "sglang")
"""servers, with tables of their own on some chips"""
PHYSICS = ("datasheet", "roofline")
STACKS = (*PHYSICS, *NAMED)
EXPERT_LOAD = "power_law_1.01"
"""real routing leaves experts of a small batch untouched and overloads some of a large one"""
MEASURED = Served(host_s=2.5e-4, mixed_host_s=5e-4, replaces_launch=True)
"""what every measured server has: host time per step, not fitted, with the launch of graphs in it"""


@dataclass(frozen=True)
class Release:
    """A stack by name with an optional release: `vllm@0.19`."""

    name: str
    version: str = ""


def release(text: str) -> Release:
    """Parse `NAME` or `NAME@RELEASE`. Raises InputError for an unknown stack.

    >>> release("vllm@0.19")
    Release(name='vllm', version='0.19')
    """
    name, _, version = text.partition("@")
    name = {"tensorrt-llm": "trtllm"}.get(name.lower(), name.lower())
    if name not in STACKS:
        fix = suggest(name, STACKS)
        raise InputError(f"unknown stack {name!r}", key="hardware.stack", fix=fix)
    return Release(name, version)


def default_stack(chip: Chip) -> str:
    """vllm where the chip has its tables, else datasheet."""
    from hardware_specs.calibrations import measured_stacks

    return "vllm" if "vllm" in measured_stacks(chip.name) else "datasheet"


def documented(name: str) -> Stack:
    """The stack's documented defaults; those of vllm for `datasheet` and `roofline`."""
    import hardware_specs

    return hardware_specs.stack(name)


@cache
def calibrated(name: str) -> dict[str, Any]:
    """hardware_specs/calibration/serving/<stack>.toml; InputError for a stack without one."""
    path = resources.files("hardware_specs") / "calibration" / "serving" / f"{name}.toml"
    if not path.is_file():
        raise InputError(f"no serving parameters for stack {name!r}", fix=f"known: {', '.join(NAMED)}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def served(name: str) -> Served:
    """What a server adds to its operators, fitted on all open rows; nothing for `datasheet` and `roofline`."""
    return replace(MEASURED, **calibrated(name)["parameters"]) if name in NAMED else NOTHING


def cost_model(chip: str | Chip, stack: str) -> Any:
    """The cost model of a (chip, stack), experts loaded as real routing loads them under a named stack.

    A shipped chip keeps its fits where a what-if changes its numbers: the cost model scales them. A chip of one's own
    has no tables and answers from its data sheet, with a note.
    """
    from hardware_specs.calibrations import cost_model as found

    made = found(chip, stack)
    return replace(made, distribution=EXPERT_LOAD) if stack in NAMED else made
