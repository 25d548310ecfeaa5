"""`simcore sensitivity`: which assumption moves an answer most, and how sure it is that A beats B."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, File, Json, Quiet
from commands.what_if import Of


def register(app: typer.Typer) -> None:
    app.command()(sensitivity)


def sensitivity(
    scenario: File,
    other: Annotated[Path | None, typer.Argument(help="A second scenario: how often the first beats it.")] = None,
    of: Of = None,
    factor: Annotated[
        float, typer.Option(help="Assumed numbers lie between themselves over and times this.", min=1.0, max=100.0)
    ] = 1.5,
    draws: Annotated[int, typer.Option(help="Of both scenarios.", min=1, max=100_000)] = 100,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0,
    calibration: Calibration = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Which assumed number of the hardware moves a figure most; with two scenarios, how often the first is better."""
    from commands.asked import asked
    from commands.terminal import print_json, progress
    from commands.what_if import usual
    from planners.whatif import WhatIf, beats, swings
    from planners.whatif.words import flat_bars, odds, told, widest

    scenarios = [asked(path).replace(vary={}) for path in (scenario, other) if path is not None]
    of = of or usual(scenarios[0])
    sides = [WhatIf(one, of) for one in scenarios]
    names = (str(scenario), str(other))
    words = [f"{name}: {of} {told(of, one.now())}." for name, one in zip(names, sides, strict=False)]
    with progress(quiet or as_json, "draws") as update:
        bars = swings(sides[0], factor, update)
        found = None if other is None else beats(sides[0], sides[1], draws, factor, seed, update)
    words.append(widest(of, bars, "assumed number"))
    if found is not None:
        words.append(odds(names, of, found))
    if as_json:
        share = None if found is None else found.beats_ratio
        answer = {"verb": "sensitivity", "metric": of, "words": words, "factor": factor, "numbers": flat_bars(bars)}
        print_json({**answer, "beats_ratio": share, "draws": 0 if found is None else draws})
    elif not quiet:
        show(words, of, factor, bars)


def show(words: list[str], metric: str, factor: float, bars: Any) -> None:
    """Words, and a row per assumption that moves anything."""
    from commands.terminal import print_table
    from planners.whatif.words import header, row

    print("\n".join(words))
    rows = [row(metric, bar)[:-1] for bar in bars]
    if rows:
        print_table(header((1.0 / factor, factor))[:-1], rows, left=("number", "now"))
