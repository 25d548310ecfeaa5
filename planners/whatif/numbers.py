"""Numbers of a question's hardware and of the question itself, by key."""

from __future__ import annotations

from scenarios.fields import quantity, read
from scenarios.resolved import resolve
from simcore.errors import InputError
from simcore.spec.hardware import Chip, Cluster, Node
from simcore.spec.scenario import SPEC_PARTS, Scenario
from simcore.spec.system import System


def system_of(scenario: Scenario) -> System:
    """What a scenario's hardware stands for. Raises InputError."""
    if scenario.hardware is None or scenario.model is None:
        raise InputError("needs [model] and [hardware]", file=scenario.file, key="hardware")
    if scenario.training is not None:
        from scenarios.training import question_of

        return question_of(scenario).system
    return resolve(scenario).system


def parts_of(system: System) -> dict[str, Chip | Node | Cluster | None]:
    """Its specs by the word that keys begin with."""
    return {"chip": system.chip, "node": system.node, "cluster": system.cluster}


def worth(scenario: Scenario, system: System, key: str) -> float:
    """The number at a key now: of a spec, or of the scenario itself. Raises InputError for what is no number."""
    part = next((part for part in SPEC_PARTS if key.startswith(part)), None)
    if part is not None:
        spec = parts_of(system)[part.split(".")[1]]
        if spec is None:
            raise InputError(f"there is no {part.split('.')[1]}", key=key, fix="name a node or a cluster as the system")
        value = quantity(read(spec, key.removeprefix(part)))
    else:
        value = quantity(read(scenario, key))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{str(value)[:40]!r} is no number", key=key, fix="set a value in place of a factor")
    return float(value) if not isinstance(value, int) else value
