"""Columns to a trace: which column is what, which unit its times have, which rows are wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simcore.errors import InputError, suggest
from simcore.spec.traffic import Trace
from workloads.traces import _values as values
from workloads.traces._blocks import block_tokens
from workloads.traces._options import NAMES, SECONDS, Form, TraceOptions, plain, sniff, unit_of
from workloads.traces._table import MEND, Table

TIME_LIKE = re.compile(
    r"time|date|stamp|arriv|clock|(^|[^a-z])(ts|when|at|start|sent|received|created|begin)($|[^a-z])"
)
DURATION = re.compile(r"ttft|tpot|itl|latency|duration|elapsed|took|wait|timeout|e2e|think|pause|time_to|_time_per")
MOST_SMALL = 2**15 - 1
SPAN = 1000.0
"""whole numbers without a unit that reach further may be milliseconds as well as seconds"""
EPOCHS = {"s": (9e8, 1e10), "ms": (9e11, 1e13), "us": (9e14, 1e16), "ns": (9e17, 1e19)}
"""unit -> time stamps since 1970 between 1998 and 2286"""


@dataclass
class Reading:
    """One file on its way to a trace."""

    table: Table
    options: TraceOptions
    form: Form | None
    """the documented format that the file is in, if any"""
    skip_bad: bool
    bad: values.Bad = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    by_form: bool = True
    """whether the format's unit and block may be believed"""

    @property
    def file(self) -> str:
        return str(self.table.file)

    def trace(self) -> Trace:
        """Raises InputError for columns that are not understood, and for a malformed row unless those are skipped."""
        roles = self.roles()
        columns = {role: self.table.columns[name] for role, name in roles.items()}
        inputs = self.take(values.whole(columns["input"], roles["input"], 1))
        outputs = self.take(values.whole(columns["output"], roles["output"], 1))
        long = np.flatnonzero(inputs + outputs > values.MOST)
        self.take((None, {int(row): "input and output together are too large" for row in long}))
        more: dict[str, Any] = {}
        starts = None
        if "hashes" in roles:
            flat, starts = values.lists(columns["hashes"])
            more["prefix_block_tokens"] = self.block(np.diff(starts), inputs, columns.get("block"))
        arrival_s = self.arrivals(roles, columns)
        more |= self.optional(roles, columns)
        keep = self.kept()
        order = keep[np.argsort(arrival_s[keep], kind="stable")]
        if starts is not None:
            more |= _gathered(flat, starts, order)
        for name in ("session", "turn", "priority", "pause_s", "slo_class"):
            if name in more:
                more[name] = more[name][order]
        first_s = arrival_s[order[0]]
        notes: dict[str, Any] = {"reading": tuple(dict.fromkeys(self.told))} if self.told else {}
        skipped = self.table.skipped + len(self.table) - len(keep)
        more |= {"skipped": skipped, "source": self.file, "notes": notes}
        return Trace(arrival_s[order] - first_s, inputs[order], outputs[order], **more)

    def take(self, found: tuple[Any, values.Bad]) -> Any:
        """The values; what was wrong is kept by row, the first complaint of each."""
        for row, what in found[1].items():
            self.bad.setdefault(row, what)
        return found[0]

    def kept(self) -> Any:
        """Rows without a complaint. Raises InputError for the first complaint unless bad rows are skipped."""
        if self.bad and not self.skip_bad:
            row = min(self.bad)
            raise InputError(self.bad[row], file=f"{self.file}:{self.table.lines[row]}", fix=MEND)
        keep = np.setdiff1d(np.arange(len(self.table)), list(self.bad))
        if not len(keep):
            raise InputError("holds no request", file=self.file)
        return keep

    def roles(self) -> dict[str, str]:
        """Role -> column: as the scenario says, as the format says, by the usual names."""
        names = list(self.table.columns)
        found: dict[str, str] = {}
        for role, said in self.options.columns.items():
            column = said if said in names else next((n for n in names if plain(n) == plain(said)), None)
            if column is None:
                where = f"traffic.columns.{role}"
                raise InputError(f"has no column {said!r}", file=self.file, key=where, fix=suggest(said, names))
            found[role] = column
        for role, column in (self.form.columns if self.form else {}).items():
            if role not in found and column in names:
                found[role] = column
        silent = self.form is not None and self.form.columns.get("arrival") == ""
        for role in NAMES:
            free = [name for name in names if name not in found.values()]
            column = None if role in found or (role == "arrival" and silent) else sniff(role, free)
            if column is not None:
                found[role] = column
        self.check_roles(found, names, silent)
        return found

    def check_roles(self, found: dict[str, str], names: list[str], silent: bool) -> None:
        for role in ("input", "output"):
            if role not in found:
                shown = ", ".join(names[:12])
                what = f"unknown trace format: no column is known as the {role} tokens"
                raise InputError(what, file=self.file, key="traffic.columns", fix=f"name one of {shown}, {_say(role)}")
        if "arrival" in found or silent:
            return
        for name in names:
            low = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
            if name not in found.values() and TIME_LIKE.search(low) and not DURATION.search(low):
                what = f"column {name!r} looks like a time, but is not known as the arrival"
                fix = f'{_say("arrival", name)}, or form = "lengths" if it is none'
                raise InputError(what, file=self.file, key="traffic.columns", fix=fix)
        self.told.append("the file has no arrivals: all requests at time 0")

    def block(self, counts: Any, inputs: Any, column: Any) -> int:
        """Tokens per hash; a format whose block does not agree is not believed about its times either."""
        stated = self.options.hash_tokens
        if stated is None and column is not None and len(column):
            stated = int(values.whole(column, "prefix_block_tokens", 1)[0][0]) or None
        usual = (self.form.hash_tokens if self.form else None) or 512
        good = np.setdiff1d(np.arange(len(self.table)), list(self.bad))
        found, wrong, told = block_tokens(counts[good], inputs[good], stated, usual, self.file)
        self.take((None, {int(good[row]): what for row, what in wrong.items()}))
        self.told += [told] if told else []
        self.by_form = self.by_form and found == usual
        return found

    def arrivals(self, roles: dict[str, str], columns: dict[str, Any]) -> Any:
        """Seconds `[rows]`."""
        if "arrival" not in roles:
            return np.zeros(len(self.table))
        name, column = roles["arrival"], columns["arrival"]
        dated_s = values.dated(column)
        if dated_s is not None:
            return dated_s
        found, bad = values.numbers(column)
        moments = values.moments(column) if bad else None
        if moments is not None and len(moments[1]) <= len(bad):
            return self.take(moments)
        if len(bad) == len(column) and len(column):
            what = f"column {name!r} holds no times: {values.texts(column)[0][:40]!r}"
            fix = "write numbers, or dates such as 2025-06-03 09:00:00.25"
            raise InputError(what, file=self.file, key="traffic.columns.arrival", fix=fix)
        sound = np.isfinite(found) & (found >= 0)
        blank = {int(row): f"{name} is blank or no finite time from 0" for row in np.flatnonzero(~sound)}
        found = self.take((found, bad | {row: what for row, what in blank.items() if row not in bad}))
        seen = found[np.isfinite(found)]
        return found * SECONDS[self.unit(name, seen)] if len(seen) else found

    def unit(self, name: str, seen: Any) -> str:
        """The unit of numeric arrivals. Raises InputError where seconds and milliseconds are equally likely."""
        if self.options.time_unit is not None:
            return self.options.time_unit
        told = unit_of(name)[1]
        if told is not None:
            return told
        whole = bool((seen == np.rint(seen)).all())
        form = self.form
        if form is not None and form.time_unit is not None and name == form.columns.get("arrival"):
            if not form.whole_times or (whole and self.by_form):
                return form.time_unit
            if self.by_form:
                raise self.unclear(name, f"has fractions, and such files count whole {form.time_unit}")
            if whole:
                raise self.unclear(name, f"counts {form.time_unit} in files with {form.hash_tokens} tokens per hash")
        for unit, (low, high) in EPOCHS.items():
            if low <= float(seen.min()) and float(seen.max()) < high:
                self.told.append(f"arrivals ({name}) are read as {unit} since 1970")
                return unit
        if whole and float(seen.max() - seen.min()) >= SPAN:
            raise self.unclear(name, "may be seconds or milliseconds")
        self.told.append(f"arrivals ({name}) are read as seconds")
        return "s"

    def unclear(self, name: str, why: str) -> InputError:
        fix = 'say [traffic] time_unit = "s" or "ms"'
        return InputError(f"column {name!r} {why}", file=self.file, key="traffic.time_unit", fix=fix)

    def optional(self, roles: dict[str, str], columns: dict[str, Any]) -> dict[str, Any]:
        """Session, turn, priority, pause and class, as fields of a trace."""
        more: dict[str, Any] = {}
        if "session" in roles:
            more["session"] = self.take(values.codes(columns["session"], roles["session"]))
        for role in ("turn", "priority"):
            if role in roles:
                more[role] = self.take(values.whole(columns[role], roles[role], -MOST_SMALL, MOST_SMALL))
        if "session" not in more:
            more.pop("turn", None)
        if "pause" in roles:
            found, bad = values.numbers(columns["pause"])
            cells = values.texts(columns["pause"]) if not np.all(found >= 0.0) else []
            for row in np.flatnonzero(~(np.isfinite(found) & (found >= 0.0))) if cells else ():
                if cells[row]:
                    bad.setdefault(int(row), f"{roles['pause']} {cells[row][:40]} is no time")
            unit = unit_of(roles["pause"])[1] or "s"
            more["pause_s"] = np.nan_to_num(self.take((found, bad)), nan=0.0) * SECONDS[unit]
        if "class" in roles:
            cells = [cell or "default" for cell in values.texts(columns["class"])]
            names = sorted(set(cells))
            more |= {"slo_names": tuple(names), "slo_class": np.array([names.index(cell) for cell in cells])}
        return more


def _say(role: str, name: str = "NAME") -> str:
    return f'say [traffic] columns = {{ {role} = "{name}" }}'


def _gathered(flat: Any, starts: Any, order: Any) -> dict[str, Any]:
    """The lists of rows in another order."""
    counts = np.diff(starts)[order]
    begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    place = np.arange(begin[-1]) - np.repeat(begin[:-1] - starts[:-1][order], counts)
    return {"prefix_hashes": flat[place], "prefix_start": begin}
