"""`simcore validate size`: does `size` choose what measurements say is best?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.asked import Json, Quiet


def register(validate_app: typer.Typer) -> None:
    """Add `size` to the group `simcore validate`."""
    validate_app.command("size")(size)


def size(
    table: Annotated[Path, typer.Option(help="Measured configurations, CSV, as `validate serving` reads.")],
    defaults: Annotated[
        bool, typer.Option("--defaults", help="As somebody who states no server flags: the stack's documented ones.")
    ] = False,
    held_out_by: Annotated[
        str | None, typer.Option(help="model or system: what the stack's parameters must not have seen.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ask `size` for groups of measured rows and judge its plans by what was measured.

    What may be chosen are the group's measured configurations, each started as the recipes of `validate serving` say;
    the bounds are the group's median TTFT and TPOT, of means, as the table has them.
    """
    from commands.terminal import print_json, print_table, progress
    from validation.serving.inputs import read_frame, read_questions
    from validation.sizing import measured_rows, summary, validate

    frame = read_frame(table, measured=True)
    rows = measured_rows(read_questions(frame), frame)
    with progress(quiet or as_json, "groups") as update:
        found = summary(validate(rows, not defaults, held_out_by, update))
    if as_json:
        print_json(found)
        return
    if quiet:
        return
    told = {name: f"{100 * (found[name] or 0):.0f} %" for name in found if name.endswith("_share")}
    print(
        f"{found['groups']} groups: the recommended plan is within 5 % of the best measured output per chip in "
        f"{told['good_share']}, the recommended load alone in {told['row_good_share']}; measured TTFT and TPOT both "
        f"lie in the told intervals in {told['inside_share']} of {found['judged_inside']} "
        f"(TTFT {told['ttft_inside_share']}, TPOT {told['tpot_inside_share']})"
    )
    lines = [[bad["group"], f"{bad['ratio']:.2f}", bad["reason"]] for bad in found["bad"]]
    print_table(["group", "of the best", "why"], lines, "not within 5 %", ("group", "why"))
