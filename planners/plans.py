"""Enumeration of parallel plans: a grid of choices, cut to what a model and a chip count allow, in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import divides, valid_degrees
from simcore.kept.lazy import dataclass
from simcore.ops.op import PlanColumns
from simcore.spec.model import ModelSpec

Columns = dict[str, NDArray[np.float64]]
AXES = ("chips", "tp", "pp", "attention_dp", "ep", "cp", "sp", "batch")


@dataclass(frozen=True)
class PlanGrid:
    """Choices per axis; dp follows as chips / (tp x attention_dp x cp x pp) and must come out whole."""

    choices: Mapping[str, Sequence[float]]
    dp: tuple[float, ...] | None = None
    """replicas where no axis counts chips; None: they follow"""

    @property
    def size(self) -> int:
        """Points before the cut."""
        return int(np.prod([len(self.axis(name)) for name in AXES]))

    @property
    def first_axis(self) -> str:
        """What the first axis counts."""
        return "chips" if self.dp is None else "dp"

    def axis(self, name: str) -> NDArray[np.float64]:
        if name == "chips" and self.dp is not None:
            return np.asarray(self.dp, float)
        return np.asarray(self.choices.get(name, [0.0] if name == "sp" else [1.0]), float)

    def chunks(self, model: ModelSpec, max_chips: int, rows: int) -> Iterator[Columns]:
        """Valid plans as columns (degrees, dp, batch), about `rows` grid points at a time; a degree that is the same
        everywhere is one number, repeated by a stride of 0.

        Degrees are judged once, whatever the batches: those are the inner axis, which only asks for enough requests.
        """
        batch = self.axis("batch")
        degrees, index = self._degrees(model, max_chips)
        least = degrees["attention_dp"] * degrees["pp"]
        points = max(rows // len(batch), 1)
        for begin in range(0, self.size // len(batch), points):
            some = slice(*np.searchsorted(index, (begin, begin + points)))
            at, which = np.nonzero(batch[None, :] >= least[some, None])
            if len(at):
                yield {n: _spread(c[some], at) for n, c in degrees.items()} | {"batch": batch[which]}

    def _degrees(self, model: ModelSpec, max_chips: int) -> tuple[Columns, NDArray[np.intp]]:
        """Valid combinations of degrees, and the numbers of their points in the grid of degrees."""
        axes = [self.axis(name) for name in AXES[:-1]]
        index = np.unravel_index(np.arange(self.size // len(self.axis("batch"))), tuple(len(a) for a in axes))
        columns = {name: axis[i] for name, axis, i in zip(AXES, axes, index, strict=False)}
        chips = columns.pop("chips")
        replica = columns["tp"] * columns["attention_dp"] * columns["cp"] * columns["pp"]
        if self.dp is not None:
            chips = chips * replica
        columns["dp"] = chips / replica
        degrees: dict[str, Any] = columns
        plan = PlanColumns(
            **degrees, weight_bytes=2.0, expert_bytes=2.0, activation_bytes=2.0, kv_bytes=2.0, head_bytes=2.0
        )
        good = divides(replica, chips) & (chips <= max_chips) & valid_degrees(model, plan)
        return {name: column[good] for name, column in columns.items()}, np.flatnonzero(good)


def _spread(column: NDArray[np.float64], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """A column by number."""
    if np.all(column == column[0]):
        return np.broadcast_to(column[0], len(at))
    return column[at]
