"""How wrong answers of a named stack were on measured serving: 80 % intervals, carried to every such answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.resolved import Resolved
from scenarios.stacks import calibrated
from simcore.cost.facts import chip_facts

METRICS = {"tpot": "tpot_mean_s", "ttft": "ttft_mean_s"}


def intervals_of(found: Resolved | None, values: Mapping[str, Any]) -> dict[str, list[float]]:
    """80 % intervals in seconds of the answer's means, learnt from measurements whose curve the fit had not seen.

    Only under a stack with measured runs, on a chip with its tables or of a generation with measured runs; they say
    nothing of a load or a chip of another kind.
    """
    if found is None or not found.stack.effects or not (measured(found) or has_sibling(found)):
        return {}
    bands = bands_of(found)
    known = {name: key for name, key in METRICS.items() if values.get(key) is not None and name in bands}
    return {key: [values[key] * bands[name][0], values[key] * bands[name][1]] for name, key in known.items()}


def bands_of(found: Resolved) -> dict[str, list[float]]:
    """[low, high] of measured / predicted by metric, for models of this kind.

    Learnt from curves that were left out; for a model or a chip that was never measured under the stack from whole
    models or systems left out, the wider where both are strange.
    """
    kind, known = kind_of(found), calibrated(found.stack.effects)
    bands: dict[str, list[float]] = known.get("interval", {}).get(kind, {})
    for left_out in strange(found):
        other = known.get("stranger", {}).get(left_out, {}).get(kind, {})
        bands = {
            m: [min(low, other[m][0]), max(high, other[m][1])] if m in other else [low, high]
            for m, (low, high) in bands.items()
        }
    return bands


WORDS = {"dense": "dense models", "experts": "models with experts", "pools": "prefill and decode pools"}


def kind_of(found: Resolved) -> str:
    """What an interval is learnt for: dense or expert models on one replica, or separate pools."""
    fleet = found.scenario.fleet
    if fleet is not None and any(pool.role == "prefill" for pool in fleet.pools):
        return "pools"
    return "experts" if found.model.is_moe else "dense"


def strange(found: Resolved) -> tuple[str, ...]:
    """Which of model and system no measured run of the stack has; nothing where the calibration does not say."""
    known = calibrated(found.stack.effects).get("measured", {})
    mine = {"model": found.model.architecture, "system": found.system.chip.name if measured(found) else ""}
    return tuple(name for name, value in mine.items() if name in known and value not in known[name])


def has_sibling(found: Resolved) -> bool:
    """Whether a chip of the same generation has measured runs of the stack."""
    import hardware_specs

    runs = calibrated(found.stack.effects).get("measured", {}).get("system", [])
    mine = chip_facts(found.system.chip).generation
    return any(chip_facts(hardware_specs.chip(name)).generation == mine for name in runs)


def measured(found: Resolved) -> bool:
    """Whether the chip has operator tables of the stack."""
    from hardware_specs.calibrations import measured_stacks

    return found.stack.kernels in measured_stacks(found.system.chip.name)


def in_words(found: Resolved | None) -> tuple[str, ...]:
    """One sentence about how wrong such numbers were."""
    if found is None or not found.stack.effects:
        return ()
    name, chip = found.release.name, found.system.chip.name
    if not measured(found) and not has_sibling(found):
        return (f"{name} on {chip} was never measured: how wrong these numbers are is not known",)
    bands = bands_of(found)
    if not bands:
        return ()
    told = ", ".join(
        f"{metric.upper()} {100 * (bands[metric][0] - 1):+.0f} to {100 * (bands[metric][1] - 1):+.0f} %"
        for metric in ("tpot", "ttft")
    )
    what = WORDS[kind_of(found)]
    names = {"model": found.model.name, "system": chip}
    new = [names[part] for part in strange(found)]
    if new:
        never = f"{' and '.join(new)} {'were' if len(new) > 1 else 'was'} never measured under {name}"
        return (f"{never}: of {what} left out as strangers, four of five lay within {told} of such predictions",)
    return (f"on measured runs of {what} under {name}, four of five lay within {told} of such predictions",)
