"""The proof of throughput and power: fitted numbers written, rows answered, errors by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scenarios.stacks import MEASURED, calibrated
from simcore.cost.board_power import BoardPower, board_power
from simcore.cost.facts import chip_facts
from simcore.step.served import Served
from simcore.step.times import Floats
from validation.energy.fit import (
    EFFECTS,
    FITTED_GROUPS,
    POWER_GROUPS,
    Fit,
    effects,
    fit_effects,
    fit_power,
    power_parameters,
)
from validation.energy.replay import Answer, Replayer
from validation.energy.rows import EnergyRow

NEWEST, RELEASE = "vllm", "vllm-0.11"
QUARTILES = 4


def base_effects() -> Served:
    """What the newest release's servers add: where the fit starts."""
    return replace(MEASURED, **calibrated(NEWEST)["parameters"])


def generation(row: EnergyRow) -> str:
    """Of the row's chip."""
    import hardware_specs

    return chip_facts(hardware_specs.system(row.chip).chip).generation


def fitted(rows: Sequence[EnergyRow], frame: Any, source: str, say: Callable[[str], None]) -> dict[str, str]:
    """Fit on the table: path below the folder of calibrations -> text of the file."""
    replayer, base = Replayer(), base_effects()
    runs = [not replayer.answer(row).reason for row in rows]
    chosen = [at for at, row in enumerate(rows) if runs[at] and row.group in FITTED_GROUPS]
    speeds = frame["output_tokens_per_s"].to_numpy(float)[chosen]
    found = fit_effects(replayer, [rows[at] for at in chosen], speeds, base)
    say(f"{found.rows} rows: {effects(found.unknowns, base)}")
    watts = frame["chip_power_w"].to_numpy(float)
    powered = [at for at, row in enumerate(rows) if runs[at] and row.group in POWER_GROUPS]
    law, kinds = fit_power(
        replayer, [rows[at] for at in powered], watts[powered], generation, effects(found.unknowns, base)
    )
    say(f"{law.rows} rows: {power_parameters(law.unknowns, kinds)}")
    texts = {f"serving/{RELEASE}.toml": effects_file(found, base, source)}
    return texts | {"board_power.toml": power_file(law, kinds, source)}


def effects_file(found: Fit, base: Served, source: str) -> str:
    """The fitted effects as TOML, then those without an architecture; all else is the newest release's."""
    names = [
        *calibrated(NEWEST)["parameters"],
        *(name for name in EFFECTS if name not in calibrated(NEWEST)["parameters"]),
    ]

    def table(unknowns: Floats) -> list[str]:
        by = effects(unknowns, base)
        return [f"{name} = {getattr(by, name):.6g}" for name in names]

    lines = ['stack = "vllm"', f'source = "{source}, chat and code rows, on top of vllm.toml"', f"rows = {found.rows}"]
    lines += [f"fitted = {[*EFFECTS]!r}".replace("'", '"'), "", "[parameters]", *table(found.unknowns)]
    for name, unknowns in found.without.items():
        lines += ["", f'[without.architecture."{name}"]', *table(unknowns)]
    return "\n".join(lines) + "\n"


def power_file(found: Fit, kinds: Sequence[str], source: str) -> str:
    """The law of board power as TOML."""

    def tables(unknowns: Floats, prefix: str = "") -> list[str]:
        numbers, awake = power_parameters(unknowns, kinds)
        law = [f"{name} = {value:.5g}" for name, value in numbers.items()]
        rest = [f"{name} = {value:.5g}" for name, value in awake.items()]
        return ["", f"[{prefix}parameters]", *law, "", f"[{prefix}awake]", *rest]

    lines = ['schema = "board-power/1"', f'source = "{source}"', f"rows = {found.rows}", *tables(found.unknowns)]
    for name, unknowns in found.without.items():
        lines += tables(unknowns, f'without.architecture."{name}".')
    return "\n".join(lines) + "\n"


def answers(rows: Sequence[EnergyRow], held_out: bool, say: Callable[[str], None] = lambda text: None) -> list[Answer]:
    """One answer per row; `held_out`: by parameters that have seen no row of the architecture."""
    replayer, found = Replayer(), []
    for number, row in enumerate(rows):
        by, law = left_out(row) if held_out and not row.reason else (None, None)
        found.append(replayer.answer(row, by, law))
        if number % 100 == 99:
            say(f"{number + 1} of {len(rows)} rows")
    return found


def left_out(row: EnergyRow) -> tuple[Served | None, BoardPower | None]:
    """(effects, law of power) fitted without the row's architecture; None where no fit saw it."""
    import hardware_specs
    from hardware_specs.calibrations import board_laws

    effects_of = calibrated(RELEASE)["without"]["architecture"].get(row.architecture)
    laws = board_laws()["without"]["architecture"].get(row.architecture)
    facts = chip_facts(hardware_specs.chip(row.chip))
    return (
        None if effects_of is None else replace(MEASURED, **effects_of),
        None if laws is None else board_power(facts, laws["parameters"], laws["awake"]),
    )


def scored(rows: Sequence[EnergyRow], found: Sequence[Answer], frame: Any) -> dict[str, Any]:
    """Errors by group: median and P90 of |error|, median signed error by quartile of running sequences per chip."""
    measured = {name: frame[name].to_numpy(float) for name in ("output_tokens_per_s", "chip_power_w")}
    measured["itl_median_s"] = frame["itl_median_ms"].to_numpy(float) / 1e3
    out: dict[str, Any] = {}
    for group in dict.fromkeys(row.group for row in rows):
        which = np.array([row.group == group and not a.reason for row, a in zip(rows, found, strict=True)])
        if which.any():
            load = np.array([row.running / row.chips for row in rows])[which]
            errors = {n: np.array([getattr(a, n) for a in found])[which] / m[which] - 1.0 for n, m in measured.items()}
            out[group] = {"rows": int(which.sum())} | {n: summary(e, load) for n, e in errors.items()}
    eight = np.array(
        [is_block(row) and row.group == "experts" and not a.reason for row, a in zip(rows, found, strict=True)]
    )
    if eight.any():
        watts = np.array([a.chip_power_w for a in found])[eight] / measured["chip_power_w"][eight] - 1.0
        out["experts in block fp8"] = {"rows": int(eight.sum()), "chip_power_w": summary(watts, np.ones(len(watts)))}
    return out


def is_block(row: EnergyRow) -> bool:
    """Whether the row's weights have block scales."""
    return row.spec is not None and "fp8-block" in (row.spec.native_format, row.spec.expert_format)


def summary(error: Floats, load: Floats) -> dict[str, Any]:
    """Median and P90 of the size, and the median of each quartile of load."""
    place = np.searchsorted(np.quantile(load, [0.25, 0.5, 0.75]), load, side="right")
    quartiles = [float(np.median(error[place == at])) if (place == at).any() else None for at in range(QUARTILES)]
    size = np.abs(error)
    return {"median": float(np.median(size)), "p90": float(np.quantile(size, 0.9)), "signed_by_quartile": quartiles}
