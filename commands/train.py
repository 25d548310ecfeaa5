"""`simcore train`: a training step of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import File, Json, Pictures, Quiet, Set, asked


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    scenario: File,
    changes: Set = None,
    timeline: Annotated[Path | None, typer.Option(help="Write every pass of every rank, for Perfetto (JSON).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for train.html.")] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Time, memory and goodput of a training plan (needs [training])."""
    from commands.terminal import print_json
    from reports.output import claim
    from reports.train import NAMES, write_train
    from scenarios.train import train_scenario

    claim(out, NAMES)
    found = train_scenario(asked(scenario, changes))
    if out is not None:
        write_train(out, found, pictures)
    if timeline is not None and found.step.pipeline is not None:
        from reports.files import write_own
        from reports.perfetto import as_text, of_pipeline

        write_own(timeline, as_text(of_pipeline(found.step.pipeline)).encode("utf-8"), (scenario,))
    if as_json:
        print_json(found.flat)
    elif not quiet:
        show(found.flat)
        if out is not None:
            print(f"page: {out / 'train.html'}")
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def show(flat: dict[str, Any]) -> None:
    """Tables for a person."""
    from commands.terminal import print_table
    from reports.train import MEMORY, plan_of

    print(f"{flat['model']} on {flat['chips']} chips of {flat['system']}: {plan_of(flat)}, {flat['schedule']}")
    if flat["reason"]:
        print(f"  {flat['reason']}")
    if "step_time_s" in flat:
        print_table(["figure", "value"], figures(flat), left=("figure",))
        total = flat["step_time_s"]
        rows = [[name, f"{value:.4g}", f"{value / total:.1%}"] for name, value in flat["parts_s"].items()]
        print_table(["part of the step", "s", "share"], rows, left=("part of the step",))
        need = flat["need_bytes"]
        memory = [(n.removesuffix("_bytes"), flat[n]) for n in flat if n.removesuffix("_bytes") in MEMORY]
        cells = [[name, f"{value / 1e9:.2f}", f"{value / need:.1%}"] for name, value in memory]
        print_table(["memory of the fullest rank", "GB", "share"], cells, left=("memory of the fullest rank",))
        print(f"needs {need / 1e9:.1f} GB per chip of {flat['have_bytes'] / 1e9:.1f} GB")
    for note in flat["notes"]:
        print(f"note: {note}")


def figures(flat: dict[str, Any]) -> list[list[str]]:
    """Headline numbers with units."""
    low, high = flat["step_time_low_s"], flat["step_time_high_s"]
    rows = [
        ["step", f"{flat['step_time_s']:.4g} s ({low:.4g} to {high:.4g})"],
        ["throughput", f"{flat['throughput_tokens_per_s']:,.0f} tokens/s"],
        ["throughput per chip", f"{flat['throughput_per_chip_tokens_per_s']:,.0f} tokens/s"],
        ["MFU (bf16 peak)", f"{flat['mfu_ratio']:.1%}"],
        ["microbatches per replica", f"{flat['microbatches']}"],
        ["pipeline bubble", f"{flat['bubble_ratio']:.1%}"],
        ["power of a chip", f"{flat['chip_power_w']:,.0f} W"],
        ["cost", f"{flat['usd_per_million_tokens']:.3g} USD per million tokens"],
    ]
    if "goodput_ratio" in flat:
        good, event = flat["goodput_ratio"], flat["goodput_event_ratio"]
        rows.append(["goodput under failures", f"{good:.1%} (event by event {event:.1%})"])
        rows.append(
            [
                "failures, checkpoint every",
                f"{flat['failures_per_day']:.3g} a day, {flat['checkpoint_interval_s']:,.0f} s",
            ]
        )
    if "run_s" in flat:
        rows.append(["run", f"{flat['run_s'] / 86400:.1f} days, {flat['chip_hours'] / 1e6:.3g} M chip-hours"])
    return rows
