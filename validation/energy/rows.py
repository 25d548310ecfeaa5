"""Rows of a table of board power and throughput (the columns of `power_and_itl.csv`), read without their results.

A row says the task, the model, the chip, the plan, the cap on running sequences and the mean answer. Prompts are not
stated: they are assumed by task. Measured columns (`itl_*`, `output_tokens_per_s`, `chip_power_w`) enter comparisons
only; the load that ran (`mean_running`) names quartiles of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simcore.errors import InputError, UnknownName
from validation.models import Models

NEEDED = ("task", "model", "chip", "chips", "tp", "ep", "dp", "weights", "max_num_seqs", "mean_output_tokens")
CHECKPOINT = "bfloat16"
"""what the column `weights` says of an unquantised checkpoint"""


@dataclass(frozen=True)
class EnergyRow:
    """One row: what ran, or why nobody can say."""

    task: str
    model: str
    """as the table names it"""
    value: str
    """what a scenario says of the model: a name or a path"""
    spec: Any = field(compare=False)
    """the model; None with a reason"""
    chip: str
    chips: int
    tp: int
    ep: int
    dp: int
    most: int
    """sequences that run at most"""
    output_tokens: float
    running: float
    """mean of the measurement, for the report"""
    reason: str = ""

    @property
    def architecture(self) -> str:
        """What models of equal shape share; a hold-out leaves all of them out together."""
        spec = self.spec
        return self.model if spec is None else spec.architecture

    @property
    def group(self) -> str:
        """Rows that a report shows together."""
        if self.spec is None:
            return "unknown"
        if self.chip.startswith("b200") and self.chips == 1:
            return "one B200"
        if self.dp > 1:
            return "attention dp"
        if any(
            layer.mixer is not None and layer.mixer.kind in ("mamba2", "linear_attention") for layer in self.spec.layers
        ):
            return "hybrid"
        if self.task == "gpqa":
            return "gpqa"
        return "experts" if self.spec.is_moe else "dense"


def read_rows(frame: Any, models: Models) -> list[EnergyRow]:
    """The table's rows in order; InputError for a missing column."""
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise InputError(f"has no column {missing[0]!r}", fix=f"a table of energy has {', '.join(NEEDED)}")
    return [_row(row, models) for row in frame.to_dict("records")]


def _row(row: Mapping[str, Any], models: Models) -> EnergyRow:
    chips, tp, ep, dp, most = (max(int(float(row[n])), 1) for n in ("chips", "tp", "ep", "dp", "max_num_seqs"))
    name, spec, reason = str(row["model"]), None, ""
    try:
        spec = models("model", name)
    except UnknownName as error:
        reason = str(error)
    return EnergyRow(
        task=str(row["task"]),
        model=name,
        value=models.value(name),
        spec=spec,
        chip=str(row["chip"]),
        chips=chips,
        tp=tp,
        ep=ep,
        dp=dp,
        most=most,
        output_tokens=float(row["mean_output_tokens"]),
        running=float(row.get("mean_running", most)),
        reason=reason,
    )
