"""What serving proofs read: the table, recipes, fitted parameters; everything named here, nothing computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.models import Models
    from validation.serving.fit import StackFit
    from validation.serving.replay import Replayer
    from validation.serving.rows import Question, ServingRow

STACKS = ("vllm", "trtllm", "sglang")


def read_frame(table: Path, measured: bool = False) -> Any:
    """The table as a data frame; InputError if it is not there, where a measured time is no number, and, where it must
    be `measured`, for a table without times."""
    from simcore.calibration.tables import numbers, read_table
    from simcore.errors import InputError

    frame = read_table(str(table))
    for name in ("silicon_ttft_ms", "silicon_tpot_ms"):
        if name in frame:
            numbers(frame, name, str(table))
        elif measured:
            raise InputError(f"has no column {name!r}", file=str(table), fix="give a table with measured times")
    frame.attrs["file"] = str(table)
    return frame


def read_questions(frame: Any, infer_workers: bool = False, models: Models | None = None) -> list[ServingRow]:
    """Rows of the table as questions; InputError for a missing column."""
    from simcore.errors import said_in
    from validation.models import Models
    from validation.serving.models import is_dense
    from validation.serving.rows import read_rows

    known = models or Models()
    with said_in(frame.attrs.get("file")):
        return read_rows(frame, infer_workers, cache(lambda name: is_dense(known, name)))


def replayer(held_out_by: str | None = None, models: Models | None = None) -> Replayer:
    """A replayer over some models (else the project's), systems, cost models and recipes; rules that name a model are
    left out where models are."""
    from validation.models import Models
    from validation.serving.recipes import recipe, without_models
    from validation.serving.replay import Replayer

    if held_out_by == "model":
        return Replayer(models or Models(), lambda stack: without_models(recipe(stack)))
    return Replayer(models or Models(), recipe)


def parameters(question: Question, held_out_by: str | None = None) -> Any:
    """Parameters of a question's stack from all rows, or from all rows outside the question's curve fold, model family
    or system; a part that the fit did not see leaves the parameters of all rows."""
    from dataclasses import replace

    from scenarios.stacks import MEASURED, calibrated
    from validation.serving.fit import LEFT_OUT

    found = calibrated(question.stack)
    numbers = found["parameters"]
    if held_out_by is not None:
        numbers = found["without"][held_out_by].get(LEFT_OUT[held_out_by](question), numbers)
    return replace(MEASURED, **numbers)


def stated_fit(stack: str) -> StackFit:
    """The parameters of a stack as the package holds them, with those of every part left out."""
    from dataclasses import replace

    from scenarios.stacks import MEASURED, calibrated
    from validation.serving.fit import StackFit

    found = calibrated(stack)
    without = {
        kind: {label: replace(MEASURED, **numbers) for label, numbers in parts.items()}
        for kind, parts in found["without"].items()
    }
    return StackFit(replace(MEASURED, **found["parameters"]), without, found["fitted_rows"], found["curves"])
