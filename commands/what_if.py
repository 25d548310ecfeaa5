"""`simcore what-if`: what changes of the hardware move, alone, in pairs, and what they may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, File, Json, Pictures, Quiet, Set

Of = Annotated[
    str | None,
    typer.Option(help="A figure of `estimate --json`, default tpot_mean_s; with [training] of `train`, step_time_s."),
]


def register(app: typer.Typer) -> None:
    app.command("what-if")(what_if)


def what_if(
    scenario: File,
    changes: Set = None,
    of: Of = None,
    low: Annotated[float, typer.Option(help="Each number times this.", min=1e-6, max=1e6)] = 0.5,
    high: Annotated[float, typer.Option(help="And times this.", min=1e-6, max=1e6)] = 2.0,
    keys: Annotated[
        list[str] | None, typer.Option("--key", help="Only these, e.g. hardware.chip.memory.hbm.capacity; repeatable.")
    ] = None,
    pair: Annotated[str | None, typer.Option("--map", help="KEY,KEY: a heat map of both, 0.25x to 4x.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for what-if.html; default out/what-if.")] = None,
    calibration: Calibration = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Which numbers of the hardware move a figure most; what --set KEY=2x moves, and up to which price it pays."""
    from commands.asked import asked
    from commands.terminal import print_json, progress
    from planners.whatif import WhatIf, break_even, heat_map, overlay, tornado
    from planners.whatif.words import flat_bars, flat_map, overlaid, told, widest
    from reports.output import claim
    from reports.what_if import NAMES, write_what_if
    from scenarios.read import parse_set

    folder = out if out is not None or as_json else Path("out") / "what-if"
    claim(folder, NAMES)
    base = asked(scenario).replace(vary={})
    said = overlay(base, parse_set(changes or ()))
    of = of or usual(base)
    before = WhatIf(base, of)
    words = [f"{of} now: {told(of, before.now())}."]
    paid = break_even(before, said) if said and base.training is None else None
    words += overlaid(before, said, paid) if said else []
    after = WhatIf(base.set(said), of) if said and not before.side(said).reason else before
    with progress(quiet or as_json, "numbers") as update:
        bars = tornado(after, (low, high), keys, update)
        found = None if pair is None else heat_map(after, two(pair), progress=update)
    words.append(widest(of, bars, "number of the hardware"))
    answer: dict[str, Any] = {"metric": of, "now": before.now(), "words": words, "factors": [low, high]}
    if folder is not None:
        write_what_if(folder, answer, bars, found, pictures)
    if as_json:
        more = {"changed": said, "break_even": None if paid is None else vars(paid)}
        print_json({"verb": "what-if", **answer, **more, "numbers": flat_bars(bars), "map": flat_map(found)})
    elif not quiet:
        show(answer, bars)
    if folder is not None and not (quiet or as_json):
        print(f"page: {folder / 'what-if.html'}")


def usual(scenario: Any) -> str:
    """The figure where none is named."""
    return "tpot_mean_s" if scenario.training is None else "step_time_s"


def two(text: str) -> tuple[str, str]:
    """The keys of `--map`. Raises InputError."""
    from simcore.errors import InputError

    first, comma, second = (part.strip() for part in text.partition(","))
    if not comma or not first or not second or first == second:
        raise InputError(f"{text!r} names no two keys", key="--map", fix="write --map KEY,KEY")
    return first, second


def show(answer: dict[str, Any], bars: Any) -> None:
    """Words, and a row per number."""
    from commands.terminal import print_table
    from planners.whatif.words import header, row

    print("\n".join(answer["words"]))
    low, high = answer["factors"]
    rows = [row(answer["metric"], bar) for bar in bars]
    if rows:
        print_table(header((low, high)), rows, left=("number", "now", ""))
