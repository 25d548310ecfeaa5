"""`simcore plan`: answers of the planners; every module `plan_*` beside this one adds a command."""

from __future__ import annotations

import importlib
import pkgutil

import typer


def register(app: typer.Typer) -> None:
    import commands

    plan = typer.Typer(help="Place experts and tensors, oversubscribe power, with proven gaps.", no_args_is_help=True)
    for found in sorted(pkgutil.iter_modules(commands.__path__), key=lambda m: m.name):
        if found.name.startswith("plan_"):
            importlib.import_module(f"commands.{found.name}").add_to(plan)
    app.add_typer(plan, name="plan")
