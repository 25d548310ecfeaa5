"""`simcore train`: a training step of a scenario."""

from __future__ import annotations

import typer

from commands.asked import File, Json, Set, asked


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(scenario: File, changes: Set = None, as_json: Json = False) -> None:
    """Time, memory and goodput of a training plan (needs [training])."""
    from simcore.errors import InputError

    question = asked(scenario, changes)
    if question.training is None:
        what, fix = "is missing", "add [training]: what is trained, with which recipe"
        raise InputError(what, file=question.file, key="training", fix=fix)
    raise InputError("training is not modelled yet", file=question.file, key="training", fix="use estimate or simulate")
