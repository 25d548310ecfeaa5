"""Stacks that have not seen a part: meanwhile every verb takes the parameters fitted without it and its intervals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hardware_specs.shelves import own, using
from scenarios.names import resolve
from scenarios.stacks import calibrated
from scenarios.toml import dumps
from simcore.errors import InputError
from validation.serving.fit import LEFT_OUT
from validation.serving.rows import Question

PARTS = ("model", "system")
"""what a whole group has in common; its curves lie in several folds"""


def check_part(kind: str | None) -> None:
    """Raises InputError for a part that cannot be left out."""
    if kind is not None and kind not in PARTS:
        raise InputError(f"cannot hold out by {kind!r}", key="--held-out-by", fix=" or ".join(PARTS))


@contextmanager
def unseen(question: Question, kind: str | None) -> Iterator[None]:
    """The stack of a question without its model or system, for a while; as it is where nothing is left out.

    Recipes and operators are not touched: `validation.serving.inputs.replayer` leaves rules out, `calibrate-across`
    operators.
    """
    if kind is None:
        yield
        return
    with TemporaryDirectory() as folder:
        (Path(folder) / "serving").mkdir()
        text = dumps(left_out(question, kind))
        (Path(folder) / "serving" / f"{question.stack}.toml").write_text(text, encoding="utf-8")
        with using((Path(folder), *own())):
            yield


def left_out(question: Question, kind: str) -> dict[str, Any]:
    """The stack's file with the parameters fitted without a part, and the part among those never measured."""
    found = calibrated(question.stack)
    numbers = found["without"][kind].get(LEFT_OUT[kind](question), found["parameters"])
    names = {
        "model": resolve("model", question.model).value.architecture,
        "system": resolve("system", question.system).value.chip.name,
    }
    seen = {
        part: [one for one in known if part != kind or one != names[kind]] for part, known in found["measured"].items()
    }
    kept = {key: value for key, value in found.items() if key != "without"}
    return {**kept, "parameters": numbers, "measured": seen}
