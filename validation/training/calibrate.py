"""Constants of every framework fitted on the tables of a folder and written as data files with their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_specs.training import unfitted
from simcore.engine.training.job import Job
from simcore.step.framework import Framework
from validation.training.fit import fit, held_out, told
from validation.training.question import Asked
from validation.training.sets import Kind, set_of, tags_of, weights_of
from validation.training.tables import measured, read_frame, read_questions

Floats = NDArray[np.float64]
TABLES = (
    "vtrain_validation.csv",
    "megatron_sc21_table2.csv",
    "torchtitan.csv",
    "nvidia_megatron_bridge_automodel.csv",
)


@dataclass(frozen=True)
class Sample:
    """Rows of one set that have a measured time."""

    asked: list[Asked]
    jobs: list[Job]
    measured_s: Floats

    @property
    def groups(self) -> list[str]:
        return [row.group for row in self.asked]


def step_times(asked: list[Asked], columns: dict[str, Floats]) -> Floats:
    """Measured seconds of a step, nan where a row has none: stated, or tokens over the rate."""
    found = columns["step_time_s"].copy()
    for at, row in enumerate(asked):
        rate = columns["tokens_per_s_per_chip"][at]
        if np.isnan(found[at]) and rate > 0 and not row.reason:
            tokens = row.recipe["global_batch"] * row.recipe["sequence_tokens"]
            found[at] = tokens / rate / row.degrees.chips
    return found


def sample(kind: Kind, asked: list[Asked], times_s: Floats) -> Sample:
    """What a set learns from."""
    rows, jobs, times = [], [], []
    for row, time_s in zip(asked, times_s, strict=True):
        if row.reason or not time_s > 0 or row.recipe["framework"] not in kind.frameworks:
            continue
        job = replace(row.job(), constants=Framework(**unfitted(str(row.recipe["framework"]), row.chip)))
        if job.problem() is None:
            rows.append(row)
            jobs.append(job)
            times.append(time_s)
    return Sample(rows, jobs, np.array(times))


def left_out(found: Sample, kind: Kind) -> Floats:
    """Seconds of every row by constants that saw no row of its group."""
    tags = [tags_of(row) for row in found.asked]
    weights = weights_of(found.asked, found.jobs)
    return held_out(found.jobs, found.measured_s, found.groups, kind.free, tags, weights)[0]


def calibrate(folder: Path, out: Path, tell: Callable[[str], None]) -> Iterator[tuple[Path, str]]:
    """(file, text) of every framework, fitted on the tables of a folder. Raises InputError for a missing table."""
    for name in TABLES:
        frame = read_frame(folder / name)
        asked = read_questions(frame, str(folder / name))
        times = step_times(asked, measured(frame))
        kinds = {k.name: k for row in asked if not row.reason and (k := set_of(str(row.recipe["framework"])))}
        for kind in kinds.values():
            tell(f"{name}: {kind.name}")
            yield from files(kind, sample(kind, asked, times), out, name)


def files(kind: Kind, found: Sample, out: Path, table: str) -> Iterator[tuple[Path, str]]:
    """The files of one set."""
    from scenarios.toml import dumps

    tags = [tags_of(row) for row in found.asked]
    constants = fit(found.jobs, found.measured_s, kind.free, tags, weights_of(found.asked, found.jobs))
    errors = np.log(left_out(found, kind) / found.measured_s)
    expert = np.array([job.trainee.model.is_moe for job in found.jobs])
    for framework in kind.frameworks:
        path = out / f"{framework}.toml"
        old = read_old(path)
        tables: dict[str, Any] = {key: old[key] for key in ("schema", "extends", "documented") if key in old}
        tables |= {
            "source": kind.source,
            "table": table,
            "rows": len(found.jobs),
            "groups": len(set(found.groups)),
            "numbers": len(kind.free),
            "held_out_median_percent": round(100 * float(np.median(np.abs(np.expm1(errors)))), 2),
        }
        spreads = {"spread": spread(errors[~expert]), "expert_spread": spread(errors[expert])}
        tables["any"] = rounded(told(constants, frozenset((framework,)))) | {k: v for k, v in spreads.items() if v}
        tables["chips"] = {chip: rounded(told(constants, frozenset((framework, chip)))) for chip in kind.chips}
        yield path, dumps(tables)


def read_old(path: Path) -> dict[str, Any]:
    """The file that is there, for what no fit decides."""
    import tomllib

    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def spread(logs: Floats) -> float:
    """80 % quantile of absolute log errors."""
    return round(float(np.quantile(np.abs(logs), 0.8)), 3) if len(logs) else 0.0


def rounded(constants: dict[str, float]) -> dict[str, float]:
    """Five significant digits."""
    return {name: float(f"{value:.5g}") for name, value in constants.items()}
