"""Training frameworks: `framework("megatron-bridge", "h100-sxm")` gives documented defaults and fitted constants.

`hardware_specs/calibration/training/NAME.toml` holds them: `[documented]` what the framework's documentation says it
does, `[chips.CHIP]` constants fitted on measured steps of that chip, `[any]` those of every other chip. `datasheet`
is the physics without a fit.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from simcore.errors import UnknownName
from simcore.registry import normal

FOLDER = "hardware_specs/calibration/training"


def names() -> list[str]:
    """Frameworks that have a file, and `datasheet`."""
    folder = resources.files("hardware_specs") / "calibration" / "training"
    return sorted({"datasheet", *(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))})


@cache
def written(name: str) -> dict[str, Any]:
    """The tables of a framework's file. Raises UnknownName."""
    key = normal(name)
    if key == "datasheet":
        return {}
    path = resources.files("hardware_specs") / "calibration" / "training" / f"{key}.toml"
    if key not in names():
        raise UnknownName("training framework", name, names(), key="training.framework")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def merged(name: str) -> dict[str, Any]:
    """A framework's tables over those of the one that it extends."""
    own = written(name)
    if "extends" not in own:
        return own
    base = merged(own["extends"])
    found = {**base, **own}
    for table in ("documented", "any"):
        found[table] = {**base.get(table, {}), **own.get(table, {})}
    chips = {*base.get("chips", {}), *own.get("chips", {})}
    found["chips"] = {c: {**base.get("chips", {}).get(c, {}), **own.get("chips", {}).get(c, {})} for c in chips}
    return found


def framework(name: str, chip: str) -> tuple[dict[str, Any], str]:
    """(constants of `simcore.step.framework.Framework`, what to tell). Raises UnknownName."""
    tables = merged(name)
    fitted = tables.get("chips", {})
    if not tables:
        return {}, "no training framework: operators without a host, collectives at assumed shares of their links"
    common = {**tables.get("documented", {}), **tables.get("any", {})}
    if chip in fitted:
        return {**common, **fitted[chip]}, ""
    known = ", ".join(sorted(fitted)) or "no chip"
    return common, f"{name} was fitted on {known}: its constants for {chip} are assumed"


def unfitted(name: str, chip: str) -> dict[str, Any]:
    """What a framework's constants are before its own fit: those of the one that it extends, and what is documented."""
    own = written(name)
    base = framework(own["extends"], chip)[0] if "extends" in own else {}
    kept = {key: value for key, value in base.items() if key not in ("spread", "expert_spread")}
    return {**kept, **own.get("documented", {})}
