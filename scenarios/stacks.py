"""The stack of a scenario: its documented defaults, what calibration says it adds, the cost models of its kernels."""

from __future__ import annotations

import math
import tomllib
from dataclasses import fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import hardware_specs
from hardware_specs.shelves import own
from scenarios.names import is_path, resolve
from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.spec.hardware import Chip
from simcore.spec.stack import Stack
from simcore.step.served import NOTHING, Served

EXPERT_LOAD = "power_law_1.01"
"""real routing leaves experts of a small batch untouched and overloads some of a large one"""
MEASURED = Served(host_s=2.5e-4, mixed_host_s=5e-4, replaces_launch=True)
"""what every measured server has: host time per step, not fitted, with the launch of graphs in it"""


@dataclass(frozen=True)
class Release:
    """A stack by name with an optional release: `vllm@0.19`."""

    name: str
    version: str = ""
    own: Stack | None = None
    """where it is not a shipped one"""

    @property
    def stack(self) -> str | Stack:
        """What a `Case` holds of it."""
        return self.name if self.own is None else self.own


def release(value: Any, folder: str | Path = ".", file: str | None = None) -> tuple[Release, tuple[str, ...]]:
    """(`NAME`, `NAME@RELEASE`, a path, a table or a cost model's name, looked up; notes). Raises InputError.

    >>> release("vllm@0.19")[0]
    Release(name='vllm', version='0.19', own=None)
    """
    found = resolve("stack", value, folder, file, "hardware.stack")
    version = "" if not isinstance(value, str) or is_path(value) else value.partition("@")[2]
    shipped = hardware_specs.stack.files
    same = found.value.name in shipped and found.value is hardware_specs.stack(found.value.name)
    return Release(found.value.name, version, None if same else found.value), found.notes


def default_stack(chip: Chip) -> str:
    """vllm where the chip has its tables, else datasheet."""
    from hardware_specs.calibrations import measured_stacks

    return "vllm" if "vllm" in measured_stacks(chip.name) else "datasheet"


def documented(stack: str | Stack) -> Stack:
    """The documented defaults of a stack; those of vllm for `datasheet` and `roofline`. Raises UnknownName."""
    if isinstance(stack, Stack):
        return stack
    return hardware_specs.stack(stack) if stack in hardware_specs.stack.files else resolve("stack", stack).value


def calibrated(name: str) -> dict[str, Any]:
    """The fitted effects of a stack's servers: `serving/<stack>.toml` of a folder of one's own, else the package's.

    Raises InputError for a stack without one, and for a file that is none.
    """
    return fitted_effects(name, own())


@cache
def fitted_effects(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """The first that there is, of folders of one's own and the package. Raises as `calibrated`."""
    for folder in folders:
        if (mine := folder / "serving" / f"{name}.toml").is_file():
            return read_effects(mine)
    path = resources.files("hardware_specs") / "calibration" / "serving" / f"{name}.toml"
    if not path.is_file():
        raise InputError(f"no serving parameters for stack {name!r}", fix="see hardware_specs/calibration/serving")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read_effects(path: Path) -> dict[str, Any]:
    """A file of `validate fit-serving`. Raises InputError for what is none."""
    fix, known = "fit it again with simcore validate fit-serving", {field.name for field in fields(Served)}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path), fix=fix) from error
    numbers = found.get("parameters")
    if not isinstance(numbers, dict) or not numbers:
        raise InputError("has no parameters", file=str(path), key="parameters", fix=fix)
    for key, value in numbers.items():
        if (
            key not in known
            or isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise InputError(f"{value!r} is no parameter of a server", file=str(path), key=f"parameters.{key}", fix=fix)
    return found


def served(stack: str | Stack) -> Served:
    """What a server adds to its operators: fitted on all open rows, then as its file states; nothing for stacks
    without either."""
    spec = documented(stack)
    fitted = replace(MEASURED, **calibrated(spec.effects)["parameters"]) if spec.effects else NOTHING
    stated: dict[str, Any] = spec.adds.stated
    return replace(fitted, **stated)


def cost_model(chip: str | Chip, stack: str | Stack) -> Any:
    """The cost model of a (chip, stack), experts loaded as real routing loads them under a stack with fitted effects.

    A shipped chip keeps its fits where a what-if changes its numbers: the cost model scales them. A chip of one's own
    has no tables and answers from its data sheet, with a note.
    """
    from hardware_specs.calibrations import cost_model as found

    spec = documented(stack)
    made = found(chip, spec.kernels)
    loaded = spec.effects and any(f.name == "distribution" for f in fields(made))
    return replace(made, distribution=EXPERT_LOAD) if loaded else made
