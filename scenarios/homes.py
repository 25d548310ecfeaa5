"""Where a chip stands that is named without a node, when a plan needs more of them than its usual home holds."""

from __future__ import annotations

from typing import Any

import hardware_specs
from simcore.errors import InputError
from simcore.spec.hardware import Level, Link
from simcore.spec.plan_part import link_numbers
from simcore.spec.system import System

MOST = 8
"""chips in one host"""


def joined(chip: Any, gpus: int) -> System:
    """The chip's usual home, or one like it in which `gpus` of them share one level of the chip's own link."""
    return widened(hardware_specs.system(chip.name), gpus)


def widened(system: System, gpus: int) -> System:
    """The system, or one whose node holds `gpus` of its chips on one level of the chip's own link."""
    if system.node is None or gpus <= system.max_chips or not system.chip.links:
        return system
    name, link = next(iter(system.chip.links.items()))
    if system.node.levels and system.node.levels[0].link.kind == "host":  # that of `hardware.link`
        name, link = system.node.levels[0].name, system.node.levels[0].link
    level = Level(name=name, size=gpus, link=link)
    return system.replace(node=system.node.replace(chips=gpus, levels=(level,)))


def stands_alone(system: System) -> bool:
    """Whether it is a chip in a host of its own."""
    return system.cluster is None and system.max_chips == 1


def several(system: System, gpus: int) -> tuple[System, tuple[str, ...]]:
    """(a home for so many chips, what to tell): of a chip whose usual home is a host with one, up to eight of them."""
    if not stands_alone(system) or not 1 < gpus <= MOST:
        return system, ()
    wider = widened(system, gpus)
    if wider is system:
        return system, ()
    told = f"{gpus} {system.chip.name} share one host over {wider.levels[0].name}: name a node for another home"
    return wider, (told,)


def host_link(text: str, file: str = "", key: str = "hardware.link") -> Link:
    """The link of "16 GB/s, 20 us": bandwidth per chip and direction, time of one message. Raises InputError.

    >>> host_link("16 GB/s, 20 us").bytes_per_s
    16000000000.0
    """
    try:
        bytes_per_s, seconds = link_numbers(text)
    except ValueError as error:
        raise InputError(str(error), file=file, key=key) from None
    return Link(kind="host", bytes_per_s=bytes_per_s, latency_s=seconds)


def linked(system: System, link: Link, gpus: int) -> System:
    """The system with all chips of its node joined by one link, through the host; a home is made where it has none."""
    system = widened(system, gpus)
    if system.node is None:
        return system
    level = Level(name="host", size=system.node.chips, link=link)
    return system.replace(node=system.node.replace(levels=(level,)))
