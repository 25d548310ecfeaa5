"""Enumeration of parallel plans: a grid of choices, cut to what a model and a chip count allow, in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.evaluate import valid_degrees
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
        """Valid plans as columns (degrees, dp, batch), at most `rows` grid points at a time."""
        axes = [self.axis(name) for name in AXES]
        shape = tuple(len(a) for a in axes)
        for start in range(0, self.size, rows):
            flat = np.arange(start, min(start + rows, self.size))
            index = np.unravel_index(flat, shape)
            columns = {name: axis[i] for name, axis, i in zip(AXES, axes, index, strict=True)}
            kept = self._cut(columns, model, max_chips)
            if len(kept["tp"]):
                yield kept

    def _cut(
        self, columns: dict[str, NDArray[np.float64]], model: ModelSpec, max_chips: int
    ) -> dict[str, NDArray[np.float64]]:
        chips = columns.pop("chips")
        replica = columns["tp"] * columns["attention_dp"] * columns["cp"] * columns["pp"]
        if self.dp is not None:
            chips = chips * replica
        columns["dp"] = chips / replica
        degrees: dict[str, Any] = {k: v for k, v in columns.items() if k != "batch"}
        plan = PlanColumns(
            **degrees, weight_bytes=2.0, expert_bytes=2.0, activation_bytes=2.0, kv_bytes=2.0, head_bytes=2.0
        )
        whole = (np.mod(chips, replica) == 0) & (chips <= max_chips)
        enough = columns["batch"] >= columns["attention_dp"] * columns["pp"]
        mask = whole & enough & valid_degrees(model, plan)
        return {name: column[mask] for name, column in columns.items()}
