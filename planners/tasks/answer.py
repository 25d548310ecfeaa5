"""What a written schedule takes: seconds, what every resource and engine carried, the most that every store held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planners.tasks.build import NOBODY, Built, built, column, places_of
from planners.tasks.form import ALWAYS, Hold, Schedule, schedule_of
from planners.tasks.values import Values
from simcore.engine.tasks.bounds import lower_bounds_s
from simcore.engine.tasks.run import TaskRun, run
from simcore.errors import InputError
from simcore.spec.load import read_file
from simcore.spec.scenario import put


@dataclass(frozen=True)
class Ran:
    """A schedule that was run."""

    built: Built
    run: TaskRun

    @property
    def flat(self) -> dict[str, Any]:
        """Fields of `--json`: `makespan_s`, `bounds`, and tables by resource, engine, store, work and value."""
        schedule, found = self.built.values.schedule, self.run
        held = self.held_bytes
        capacity = {
            name: float(self.built.values.number(text, f"stores.{name}")) for name, text in schedule.stores.items()
        }
        too_much = [name for name, most in capacity.items() if held.get(name, 0.0) > most]
        reason = "; ".join(
            f"does not fit: {name} needs {held[name] / 1e9:.1f} GB and has {capacity[name] / 1e9:.1f} GB"
            for name in too_much
        )
        resources = found.graph.resources
        return {
            "verb": "tasks",
            "name": schedule.name,
            "feasible": not too_much,
            "reason": reason or None,
            "makespan_s": found.makespan_s,
            "tasks": found.graph.size,
            "bounds": lower_bounds_s(found.graph),
            "utilisation_ratio": found.utilisation_ratio,
            "carried": dict(zip(resources, found.used.tolist(), strict=True)),
            "busy_s": {name: found.busy_s(name) for name in found.graph.engines},
            "idle_ratio": {
                name: 1.0 - found.busy_s(name) / max(float(slots) * found.makespan_s, 1e-300)
                for name, slots in zip(found.graph.engines, found.graph.slots, strict=True)
            },
            **({"energy_j": self.energy_j} if schedule.energy else {}),
            "held_bytes": held,
            "work": {one.name: self.times(one.name) for one in schedule.work},
            "values": {name: self.built.values.of(name) for name in schedule.values},
        }

    @property
    def energy_j(self) -> float:
        """Of what resources carried, of engines at work, and of what is always on."""
        values, found = self.built.values, self.run
        carried = dict(zip(found.graph.resources, found.used.tolist(), strict=True))
        busy = {name: found.busy_s(name) for name in found.graph.engines}
        amounts = {**busy, **carried, ALWAYS: found.makespan_s}
        each = values.schedule.energy
        return float(sum(values.number(text, f"energy.{name}") * amounts[name] for name, text in each.items()))

    def times(self, name: str) -> dict[str, float]:
        """First begin, last end and summed seconds of one kind of work."""
        mine = self.built.number[name]
        mine = mine[mine != NOBODY]
        if not len(mine):
            return {"count": 0.0, "begin_s": 0.0, "end_s": 0.0, "busy_s": 0.0}
        begin, end = self.run.begin_s[mine], self.run.end_s[mine]
        busy_s = float((end - begin).sum())
        return {"count": len(mine), "begin_s": float(begin.min()), "end_s": float(end.max()), "busy_s": busy_s}

    @property
    def held_bytes(self) -> dict[str, float]:
        """store -> the most that it held at any time."""
        found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        for number, one in enumerate(self.built.values.schedule.holds):
            found.setdefault(one.store, []).append(self._spans(one, f"holds.{number}"))
        return {
            store: most([np.concatenate(parts) for parts in zip(*spans, strict=True)]) for store, spans in found.items()
        }

    def _spans(self, one: Hold, key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(begin, end, amount) of every place of a hold."""
        values = self.built.values
        places = places_of(values, one.over, f"{key}.over")
        begin, end = np.full(places.size, np.inf), np.full(places.size, -np.inf)
        for text in one.since:
            for column_ in self.built.found(text, places, f"{key}.since"):
                begin = np.minimum(begin, np.where(column_ == NOBODY, np.inf, self.run.begin_s[column_]))
        for text in one.until:
            for column_ in self.built.found(text, places, f"{key}.until"):
                end = np.maximum(end, np.where(column_ == NOBODY, -np.inf, self.run.end_s[column_]))
        begin = np.where(np.isfinite(begin), begin, 0.0)
        end = np.where(np.isfinite(end), end, np.inf)
        there = column(values, one.when, places, f"{key}.when") != 0
        return begin, end, np.where(there, column(values, one.amount, places, f"{key}.amount"), 0.0)


def most(spans: list[np.ndarray]) -> float:
    """The highest sum of amounts over time; what ends when other things begin is gone first.

    >>> most([np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    4.0
    """
    begin, end, amount = spans
    times = np.concatenate([end, begin])
    changes = np.concatenate([-amount, amount])
    return float(np.cumsum(changes[np.argsort(times, kind="stable")]).max(initial=0.0))


def ran(schedule: Schedule) -> Ran:
    """Raises InputError for bad input and for tasks that wait for each other forever."""
    found = built(Values(schedule))
    try:
        return Ran(found, run(found.graph))
    except InputError as error:
        error.file, error.key = error.file or schedule.file, error.key or "tasks"
        error.fix = error.fix or "mind `after`, and the `order` in which an engine takes its tasks"
        raise


def from_tables(raw: Mapping[str, Any], file: str) -> Ran:
    """A schedule written as tables. Raises InputError."""
    return ran(schedule_of({"schema": "tasks/1", **raw}, file))


def from_file(path: Path, changes: Mapping[str, Any]) -> Ran:
    """A schedule file with dotted keys changed. Raises InputError."""
    raw = read_file(path, "schedule")
    for key, value in changes.items():
        put(raw, key, value, str(path))
    return ran(schedule_of(raw, str(path)))
