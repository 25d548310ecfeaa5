"""Every plan and load by the analytic engine: what each plan serves within the bounds, and what would change that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.axes import combinations, engine_name
from planners.sizing.question import UNPRICED, SizeQuestion
from planners.summary import label
from planners.sweep import LABELLED, prepare
from scenarios.fields import quantity
from simcore.errors import InputError
from simcore.result import ResultTable, concatenate

DEGREES = ("tp", "pp", "attention_dp", "ep")
LOAD, DRAFTS = "traffic.batch", "policy.draft_tokens"
NONE: Mapping[str, Any] = {}
CHOICE = "choice"
"""column: which of `Estimated.apart` a row belongs to"""
RELAXED = (1.25, 1.5, 2.0, 3.0)
WORTH = 0.9
"""a relaxed bound is told where it brings the cost down to this share"""


@dataclass(frozen=True)
class Estimated:
    """All plans and loads, one row each."""

    table: ResultTable
    ttft_s: float
    tpot_s: float
    rate_per_s: float | None
    kinds: int
    """of systems to choose from"""
    apart: Sequence[Mapping[str, Any]]
    """combinations of the axes that are no degrees: keys of the scenario"""
    walked: Sequence[str]
    """keys of the axes that are"""
    drafts: bool = False
    """servers draft tokens, which makes plans faster than they were priced"""

    @property
    def by(self) -> str:
        """What decides: cost per hour under a rate; else output per chip, or cost per token where chips differ."""
        if self.rate_per_s is not None:
            return "usd_per_hour"
        return "throughput_per_chip_tokens_per_s" if self.kinds == 1 else "usd_per_million_tokens"

    def number(self, name: str) -> NDArray[np.float64]:
        """A column; NaN where a row has none."""
        return np.asarray(self.table[name], float)

    def within(self, ttft: float = 1.0, tpot: float = 1.0) -> NDArray[np.bool_]:
        """Rows that fit and meet the bounds, each relaxed by a factor."""
        good = (self.number("ttft_s") <= ttft * self.ttft_s) & (self.number("tpot_s") <= tpot * self.tpot_s)
        return good & np.asarray(self.table.feasible)

    @property
    def replicas(self) -> NDArray[np.float64]:
        """How many of each row serve the rate; one each without a rate."""
        if self.rate_per_s is None:
            return np.ones(len(self.table))
        served = np.maximum(np.nan_to_num(self.number("requests_per_s")), 1e-12)
        return np.ceil(self.rate_per_s / served)

    @property
    def cost(self) -> NDArray[np.float64]:
        """What decides of every row, the least first: for output per chip its reciprocal."""
        found = self.number(self.by)
        if self.rate_per_s is not None:
            found = found * self.replicas
        elif self.kinds == 1:
            found = 1.0 / np.maximum(found, 1e-12)
        return np.where(np.isnan(found), np.inf, found)

    def plan(self, row: int) -> dict[str, Any]:
        """System and degrees of a row."""
        return {"system": str(self.table["system"][row]), **{name: int(self.table[name][row]) for name in DEGREES}}

    def walk(self, row: int) -> dict[str, Any]:
        """The values of a row on the axes of degrees and loads."""
        kinds = {key: bool if key == "plan.sp" else int for key in self.walked}
        return {key: kind(self.table[engine_name(key)][row]) for key, kind in kinds.items()}

    def choice(self, row: int) -> dict[str, Any]:
        """The keys of the scenario that ask for a row's plan, its load left out; degrees of 1 are told too."""
        degrees = {f"plan.{name}": int(self.table[name][row]) for name in DEGREES}
        told = {**self.apart[int(self.table[CHOICE][row])], **degrees, **self.walk(row)}
        return {key: value for key, value in told.items() if key != LOAD}

    def place(self, row: int) -> tuple[Any, ...]:
        """What tells a row from all others: its plan and load."""
        return *self.choice(row).values(), int(self.table["batch"][row])

    def loads(self, row: int) -> list[int]:
        """Requests in flight at which a row's plan was priced and fits."""
        own = self.choice(row)
        rows = np.flatnonzero(self.table[CHOICE] == self.table[CHOICE][row]).tolist()
        return sorted({int(self.table["batch"][at]) for at in rows if self.choice(at) == own})

    def best(self, good: NDArray[np.bool_], most: int) -> list[int]:
        """The best row of each plan among `good`, best plans first."""
        rows = np.flatnonzero(good)
        return self._one_per_plan(rows[np.lexsort((self.number("tpot_s")[rows], self.cost[rows]))], most)

    def nearest(self, most: int) -> list[int]:
        """Rows that miss the bounds by the smallest factor, one per plan."""
        over = np.maximum(self.number("ttft_s") / self.ttft_s, self.number("tpot_s") / self.tpot_s)
        rows = np.flatnonzero(np.asarray(self.table.feasible) & np.isfinite(over))
        return self._one_per_plan(rows[np.argsort(over[rows], kind="stable")], most)

    def _one_per_plan(self, rows: NDArray[np.intp], most: int) -> list[int]:
        found: dict[tuple[Any, ...], int] = {}
        for row in rows.tolist():
            found.setdefault(tuple(self.choice(row).items()), row)
            if len(found) == most:
                break
        return list(found.values())

    def shortlist(self, most: int, few: int) -> list[int]:
        """Rows to replay: the best row of each plan within the bounds, or, where there is none, a few of the nearest;
        where servers draft, the nearest beside."""
        found = self.best(self.within(), most)
        if found and not self.drafts:
            return found
        known = [self.choice(row) for row in found]
        more = self.nearest(most if self.drafts else few)
        return [*found, *(row for row in more if self.choice(row) not in known)][:most]

    def what_would_change(self) -> list[dict[str, Any]]:
        """For each bound the least relaxation that makes the answer a tenth cheaper, and what the answer is then."""
        now = self.best(self.within(), 1)
        if not now:
            return []
        told = []
        for bound in ("ttft", "tpot"):
            for factor in RELAXED:
                other = self.best(self.within(**{bound: factor}), 1)[0]
                ratio = float(self.cost[other] / self.cost[now[0]])
                if ratio <= WORTH:
                    limit = factor * (self.ttft_s if bound == "ttft" else self.tpot_s)
                    told.append({"bound": bound, "limit_s": limit, "cost_ratio": ratio, **self.plan(other)})
                    break
        return told


@dataclass(frozen=True)
class Grid:
    """The axes of a question: combinations of those that are no degrees, and the degrees and loads of each."""

    question: SizeQuestion
    apart: Sequence[dict[str, Any]]
    slow: Sequence[str]
    fast: Mapping[str, Any]

    def priced(
        self, settings: Mapping[str, Any] = NONE, only: Mapping[int, Mapping[str, Any]] | None = None
    ) -> Iterator[ResultTable]:
        """A table of each combination under further settings; `only` some, with some degrees and loads."""
        for number in range(len(self.apart)) if only is None else only:
            keys = self.apart[number]
            axes = (self.fast if only is None else only[number]) or {LOAD: [keys.get(LOAD, 1)]}
            asked = {key: value for key, value in {**settings, **keys}.items() if key != LOAD}
            tables = list(prepare(self.question.priced({**asked, "vary": dict(axes)})).tables())
            yield chosen(concatenate(tables), number, keys, self.slow) if tables else ResultTable({})


def estimated(
    question: SizeQuestion, rate_per_s: float | None, progress: Callable[[int, int], None] | None
) -> Estimated:
    """Evaluate the grid. Raises InputError."""
    raw = question.axes()
    sweep = prepare(question.priced({"vary": raw}))
    apart = [as_written(keys, raw) for keys in combinations(sweep.slow)]
    grid = Grid(question, apart, [*sweep.slow], {key: raw[key] for key in sweep.fast})
    slo = sweep.scenario.slo
    assert slo.ttft_s is not None and slo.tpot_s is not None
    tables: list[ResultTable] = []
    for number, table in enumerate(grid.priced()):
        tables += [table] if len(table) else []
        if progress is not None:
            progress(number + 1, len(apart))
    table = concatenate(tables)
    if "plan.ep" not in question.vary:  # experts whole on all ranks, or sliced over them: what servers offer
        table = table.where((table["ep"] == 1) | (table["ep"] == table["tp"] * table["attention_dp"]))
    found = Estimated(table, slo.ttft_s, slo.tpot_s, rate_per_s, len(question.systems), apart, [*grid.fast])
    if question.offer is not None:
        return offered(found, grid)
    return replace(found, drafts=bool(question.settings.get(DRAFTS)))


def offered(found: Estimated, grid: Grid) -> Estimated:
    """The rows that are on offer, each priced under its own settings. Raises InputError where none is."""
    rows: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
    drafts = False
    for at in range(len(found.table)):
        settings = grid.question.offered({**found.choice(at), "traffic.users": int(found.table["batch"][at])})
        if settings is not None:
            drafts = drafts or bool(settings.get(DRAFTS))
            stated = {key: value for key, value in settings.items() if key not in UNPRICED}
            rows.setdefault(repr(stated), (stated, []))[1].append(at)
    if not rows:
        raise InputError("no combination is on offer", key="offer", fix="offer some of the axes' values")
    tables: list[ResultTable] = []
    for settings, places in rows.values():
        wanted = {found.place(at) for at in places}
        only: dict[int, dict[str, set[Any]]] = {}
        for at in places:
            mine = only.setdefault(int(found.table[CHOICE][at]), {key: set() for key in grid.fast})
            for key, value in found.walk(at).items():
                mine[key].add(value)
        sets = {number: {key: sorted(values) for key, values in mine.items()} for number, mine in only.items()}
        part = replace(found, table=concatenate(list(grid.priced(settings, sets))))
        tables.append(part.table.where(np.array([part.place(at) in wanted for at in range(len(part.table))], bool)))
    return replace(found, table=concatenate(tables), drafts=drafts)


def as_written(keys: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, Any]:
    """A combination with its quantities as the axes have them, for a file that is read again."""
    words = {key: axes[key] if isinstance(axes[key], list | tuple) else axes[key].get("values", ()) for key in keys}
    return {key: next((word for word in words[key] if quantity(word) == value), value) for key, value in keys.items()}


def chosen(table: ResultTable, number: int, keys: Mapping[str, Any], axes: Sequence[str]) -> ResultTable:
    """The table of a combination, with its words, and its number in `CHOICE`."""
    told = {key: str(keys.get(key, "")) for key in axes if key not in (*LABELLED, LOAD)}
    found = label(table, told)
    return replace(found, columns={**found.columns, CHOICE: np.full(len(table), number)})
