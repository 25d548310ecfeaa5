"""`simcore serve`: finished pages and running searches in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Quiet


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder that holds what --out wrote; its folders too.")] = Path("out"),
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65535)] = 8765,
    quiet: Quiet = False,
) -> None:
    """Show finished pages, and searches while they run, to this machine alone.

    Best so far and hypervolume follow the search. Ctrl-C ends it; nothing is changed.
    """
    from contextlib import suppress

    from reports.server import HOST, server

    with server(folder, port) as running:
        if not quiet:
            print(f"http://{HOST}:{running.server_address[1]}/ shows {folder}; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            running.serve_forever()
