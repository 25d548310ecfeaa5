"""Finding calibration artefacts: `calibration("h200-sxm", "vllm")` gives the operator times of that chip and stack."""

from __future__ import annotations

import io
from functools import cache, cached_property
from importlib import resources
from typing import Any

from hardware_specs import shelves
from hardware_specs.shelves import Place
from simcore.cost.artefact_io import from_arrays, power_from_arrays
from simcore.cost.board_power import BoardPower, board_power
from simcore.cost.built_on import whole
from simcore.cost.calibrated import Artefact, OperatorModel
from simcore.cost.facts import chip_facts
from simcore.cost.kernel_power import PowerFit, PowerModel
from simcore.errors import InputError, UnknownName
from simcore.registry import normal
from simcore.spec.hardware import Chip
from simcore.spec.load import arrays_of, read_toml

STACKS = ("vllm", "trtllm", "sglang", "datasheet")
SHARED = ("nccl",)
"""artefacts that belong to every stack"""


def _place(folder: str, name: str) -> Place | None:
    """The first shelf that holds `<folder>/<name>.npz`; None when none does."""
    return next((place for place in shelves.place(folder) if (place / f"{name}.npz").is_file()), None)


@cache
def _loaded(place: Place, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arrays, provenance) of two files. Raises InputError for files that are none of ours."""
    file = str(place / f"{name}.npz")
    told = place / f"{name}.toml"
    try:
        text, data = told.read_text(encoding="utf-8"), (place / f"{name}.npz").read_bytes()
    except (OSError, ValueError) as error:
        raise InputError("is no calibration", file=file, fix="calibrate again") from error
    return arrays_of(io.BytesIO(data), file), read_toml(text, str(told))


def artefact(folder: str, name: str) -> Artefact | None:
    """The operator fits of one file; None when there is none."""
    place = _place(folder, name)
    return None if place is None else _artefact(place, folder, name)


@cache
def _artefact(place: Place, folder: str, name: str) -> Artefact:
    """The fits with those that they stand on, which lie beside them or on the next shelf."""
    file = str(place / f"{name}.npz")

    def parts(stack: str) -> Artefact | None:
        there = place if (place / f"{stack}.npz").is_file() else _place(folder, stack)
        return None if there is None else _made(from_arrays, there, stack)

    return whole(_made(from_arrays, place, name), parts, file)


def _made(make: Any, place: Place, name: str) -> Any:
    """What `make` makes of two files. Raises InputError where they hold something else, or numbers that are none."""
    file = str(place / f"{name}.npz")
    arrays, provenance = _loaded(place, name)
    try:
        return make(arrays, provenance, file)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError("is no calibration", file=file, fix="calibrate again") from error


def _power_fits(folder: str) -> tuple[PowerFit, ...]:
    place = _place(folder, "power")
    return () if place is None else _power(place, folder)


@cache
def _power(place: Place, folder: str) -> tuple[PowerFit, ...]:
    found: tuple[PowerFit, ...] = _made(power_from_arrays, place, "power")
    return found


def power_model(chip: str | Chip) -> PowerModel:
    """Power of operations on a chip: its own fits where power was measured, else those common to all chips."""
    from hardware_specs import chip as chips

    spec = chips(chip) if isinstance(chip, str) else chip
    return PowerModel(chip_facts(spec), _power_fits(spec.name), _power_fits(""))


@cache
def board_laws() -> dict[str, Any]:
    """The fitted law of board power, with those that left an architecture out."""
    import tomllib

    path = resources.files("hardware_specs") / "calibration" / "board_power.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def board_law(chip: str | Chip) -> BoardPower:
    """Power of whole steps on a chip."""
    from hardware_specs import chip as chips

    laws = board_laws()
    return board_power(chip_facts(chips(chip) if isinstance(chip, str) else chip), laws["parameters"], laws["awake"])


def measured_stacks(chip_name: str) -> list[str]:
    """Stacks with an artefact for a chip (its spec name)."""
    files = (p.name for place in shelves.place(chip_name) if place.is_dir() for p in place.iterdir())
    return sorted({name.removesuffix(".npz") for name in files if name.endswith(".npz") and name != "power.npz"})


def shipped(chip: str | Chip) -> Chip:
    """The chip whose tables and laws answer for `chip`: the shipped one of its name where there is one.

    A chip of that name with other numbers is a what-if of it, and scales its times by the data-sheet laws of both; a
    chip of another name has no tables, whatever it extends.
    """
    from hardware_specs import chip as chips

    if isinstance(chip, str):
        return chips(chip)
    return chips(chip.name) if normal(chip.name) in chips.files else chip


def cost_model(chip: str | Chip, name: str) -> Any:
    """The cost model of that name for a chip. Raises InputError for an unknown model, UnknownName for a chip."""
    from hardware_specs.cost_models import cost_models

    return cost_models(name)(chip)


class _Datasheet(Artefact):
    """The laws of all chips, read when something asks for a fit of them: step tables kept on disk do not."""

    def __init__(self, place: Place) -> None:
        for name, value in (("chip", "any"), ("stack", "datasheet"), ("facts", None), ("_place", place)):
            object.__setattr__(self, name, value)

    @cached_property
    def _read(self) -> Artefact:
        place: Place = self.__dict__["_place"]
        return _artefact(place, "", "datasheet")

    def __getattr__(self, name: str) -> Any:
        if name in ("fits", "provenance"):
            return getattr(self._read, name)
        raise AttributeError(name)


@cache
def _datasheet(place: Place) -> Artefact:
    return _Datasheet(place)


def calibration(chip: str | Chip, stack: str = "datasheet") -> OperatorModel:
    """Operator times of a chip (a name, an alias or a `Chip`) under a stack.

    Without an artefact for the pair, and always for stack `datasheet`, the data-sheet laws answer. Raises UnknownName
    for a stack outside STACKS or a chip without a spec.
    """
    from hardware_specs import chip as chips

    if stack not in STACKS:
        raise UnknownName("stack", stack, STACKS)
    spec = chips(chip) if isinstance(chip, str) else chip
    found = [] if stack == "datasheet" else [artefact(spec.name, name) for name in (stack, *SHARED)]
    laws = _place("", "datasheet")
    assert laws is not None, "hardware_specs/calibration/datasheet.npz is part of the package"
    return OperatorModel(chip_facts(spec), stack, tuple(a for a in found if a is not None), _datasheet(laws))
