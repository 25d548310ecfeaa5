"""`simcore serve`: finished pages and running searches in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json, Quiet


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    folder: Annotated[Path, typer.Argument(help="Folder that holds what --out wrote; its folders too.")] = Path("out"),
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65535)] = 8765,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show finished pages, and searches while they run, to this machine alone.

    Best so far and hypervolume follow the search. Ctrl-C ends it; nothing is changed.
    """
    import sys
    from contextlib import suppress

    from commands.terminal import print_json
    from reports.server import HOST, server

    with server(folder, port) as running:
        address = f"http://{HOST}:{running.server_address[1]}/"
        if as_json:
            print_json({"verb": "serve", "address": address, "folder": str(folder)})
            sys.stdout.flush()
        elif not quiet:
            print(f"{address} shows {folder}; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            running.serve_forever()
