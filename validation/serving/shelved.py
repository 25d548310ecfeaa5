"""Which calibrations answer for which rows of a proof: those that have not seen the row's model or chip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hardware_specs.shelves import without
from simcore.calibration.left_out import model_identity
from simcore.errors import InputError, UnknownName
from validation.home import system_of
from validation.models import Models
from validation.serving.rows import Question


def by_folder(
    asked: Sequence[Question], folders: Sequence[Path], held_out_by: str | None, models: Models
) -> dict[Path | None, list[Question]]:
    """Folder (None: what is in use anyway) -> its questions.

    A folder that left nothing out answers for all where no model or system is held out. Raises InputError for several.
    """
    if held_out_by not in ("model", "system"):
        whole = [folder for folder in folders if not any(without(folder).values())]
        if len(whole) > 1:
            raise InputError("are several that answer for every row", key="--calibration", fix="give one of them")
        return {whole[0] if whole else None: list(asked)}
    found: dict[Path | None, list[Question]] = {}
    for question in asked:
        folder = next((one for one in folders if has_not_seen(one, question, held_out_by, models)), None)
        found.setdefault(folder, []).append(question)
    return found


def has_not_seen(folder: Path, question: Question, part: str, models: Models) -> bool:
    """Whether the folder's fits left the question's model or chip out."""
    parts = without(folder)
    if part == "system":
        return system_of(question.system).chip.name in parts["chips"]
    return list(identity(question.model, models)) in parts["models"]


def identity(model: str, models: Models) -> tuple[int, ...]:
    """The model's four numbers in experts tables; empty for a dense one and for an unknown one."""
    try:
        return model_identity(models("model", model))
    except UnknownName:
        return ()


def still_seen(asked: Sequence[Question], folders: Sequence[Path], part: str, models: Models) -> int:
    """Questions whose operators were fitted with their own model's experts, or their own chip."""
    rest = by_folder(asked, folders, part, models).get(None, [])
    return len(rest) if part == "system" else sum(bool(identity(q.model, models)) for q in rest)
