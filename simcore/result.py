"""Results: a table with one row per plan, and one row's view of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kept.lazy import dataclass

MOST_SHOWN = 20
"""rows in a notebook"""


class Reason(IntEnum):
    """Why a row has no answer; FEASIBLE rows have one."""

    FEASIBLE = 0
    DOES_NOT_FIT = 1
    """the tier is too small: see need_bytes and have_bytes"""
    UNSUPPORTED = 2
    """the plan cannot run this model: see the table's notes"""
    TOO_MANY_CHIPS = 3
    """the system has fewer chips"""
    OVERLOADED = 4
    """no batch serves the rate of requests that is asked"""


@dataclass(frozen=True)
class DoesNotFit:
    """A plan needs more memory than a tier has, per chip."""

    tier: str
    need_bytes: float
    have_bytes: float

    def __str__(self) -> str:
        need, have = self.need_bytes / 1e9, self.have_bytes / 1e9
        return f"does not fit: {self.tier} needs {need:.1f} GB per chip and has {have:.1f} GB"


@dataclass(frozen=True)
class Unsupported:
    """A plan that this model or system cannot run."""

    what: str

    def __str__(self) -> str:
        return f"unsupported: {self.what}"


@dataclass(frozen=True)
class Overloaded:
    """A deployment cannot keep up with a rate of requests, whatever its batch."""

    rate_per_s: float
    most_per_s: float

    def __str__(self) -> str:
        return f"overloaded: {self.rate_per_s:.4g} requests/s are asked, {self.most_per_s:.4g} are the most it serves"


Infeasible = DoesNotFit | Unsupported | Overloaded


@dataclass(frozen=True)
class ResultTable:
    """Columns of equal length, one row per plan; `reason` holds codes of `Reason`, infeasible rows are NaN."""

    columns: Mapping[str, NDArray[Any]]
    assumptions: Mapping[str, str] = field(default_factory=dict)
    """every assumed number behind the rows"""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        return np.asarray(self.columns["reason"] == Reason.FEASIBLE)

    def where(self, mask: NDArray[Any]) -> ResultTable:
        """The rows that a mask or an index array picks."""
        return ResultTable({k: v[mask] for k, v in self.columns.items()}, self.assumptions, self.notes)

    def row(self, index: int) -> Result:
        return Result({k: v[index].item() if hasattr(v[index], "item") else v[index] for k, v in self.columns.items()})

    def rows(self) -> Iterator[Result]:
        return (self.row(i) for i in range(len(self)))

    def to_frame(self) -> Any:
        """As `to_pandas`."""
        return self.to_pandas()

    def _repr_html_(self) -> str:
        """The first rows, for a notebook."""
        head = self.where(np.arange(min(len(self), MOST_SHOWN))).to_pandas()
        return f"{head._repr_html_()}<p>{len(self):,} rows</p>"

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the same columns; `reason` as words."""
        import pandas

        frame = pandas.DataFrame(dict(self.columns))
        if "reason" in frame:
            words = {int(r): r.name.lower().replace("_", " ") for r in Reason}
            frame["reason"] = frame["reason"].map(words)
        return frame


def frame(columns: Mapping[str, Any]) -> Any:
    """A pandas DataFrame of columns of equal length."""
    import pandas

    return pandas.DataFrame(dict(columns))


def html_table(caption: str, rows: Iterable[tuple[str, Any]]) -> str:
    """(name, value) pairs as a small table for a notebook; everything is escaped."""
    from html import escape

    cells = "".join(f"<tr><th>{escape(str(name))}</th><td>{escape(shown(value))}</td></tr>" for name, value in rows)
    return f"<table><caption>{escape(caption)}</caption><tbody>{cells}</tbody></table>"


def shown(value: Any) -> str:
    """A value for a table: numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def concatenate(tables: list[ResultTable]) -> ResultTable:
    """Tables with the same columns, one after the other; assumptions and notes merged."""
    if not tables:
        return ResultTable({})
    columns = {name: np.concatenate([t.columns[name] for t in tables]) for name in tables[0].columns}
    assumptions = {k: v for t in tables for k, v in t.assumptions.items()}
    notes = tuple(dict.fromkeys(note for t in tables for note in t.notes))
    return ResultTable(columns, assumptions, notes)


@dataclass(frozen=True)
class OperationRow:
    """One operation of a breakdown, of a decode step or of a whole prompt: seconds and what bounds it."""

    phase: str
    name: str
    count: float
    time_s: float
    flop: float
    moved_bytes: float
    bound: str


@dataclass(frozen=True)
class Result:
    """One plan's answer: the columns of its row as attributes and, where asked for, the breakdown by operation."""

    values: Mapping[str, Any]
    infeasible: Infeasible | None = None
    operations: tuple[OperationRow, ...] = ()
    assumptions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"no result {name!r}; there are {', '.join(self.values)}") from None

    def to_frame(self) -> Any:
        """A pandas DataFrame of one row."""
        return frame({name: [value] for name, value in self.values.items()})

    def _repr_html_(self) -> str:
        """Its numbers, for a notebook; or why there are none."""
        rows = [(name, value) for name, value in self.values.items() if value is not None]
        return html_table(str(self.infeasible) if self.infeasible else "", rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and infinity become null."""
        values = {k: (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in self.values.items()}
        return {
            "feasible": self.infeasible is None,
            "reason": str(self.infeasible) if self.infeasible else None,
            **values,
            "operations": [vars(row) for row in self.operations],
            "assumptions": dict(self.assumptions),
            "notes": list(self.notes),
        }
