"""`simcore schema`: the JSON Schema of a kind of file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.asked import Json


def register(app: typer.Typer) -> None:
    app.command()(schema)


def kinds() -> dict[str, Any]:
    """Name of a kind of file -> its spec."""
    from simcore.spec.demand import Demand
    from simcore.spec.economics import Economics
    from simcore.spec.hardware import Chip, Cluster, NamedLink, Node
    from simcore.spec.model import ModelSpec
    from simcore.spec.scenario import Scenario
    from simcore.spec.stack import Stack

    return {
        "scenario": Scenario,
        "chip": Chip,
        "node": Node,
        "cluster": Cluster,
        "link": NamedLink,
        "model": ModelSpec,
        "traffic": Demand,
        "economics": Economics,
        "stack": Stack,
    }


def schema(
    kind: Annotated[
        str, typer.Argument(help="scenario, chip, node, cluster, link, model, traffic, economics or stack.")
    ],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a kind of file, for editors that check TOML while it is written.

    It is JSON with --json and without.
    """
    from commands.terminal import print_json
    from simcore.errors import InputError, suggest
    from simcore.spec.schema import json_schema

    known = kinds()
    if kind not in known:
        raise InputError(f"no kind {kind!r}", key="schema", fix=suggest(kind, known))
    print_json({"title": f"simcore {kind}", **json_schema(known[kind])})
