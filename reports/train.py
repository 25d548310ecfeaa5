"""The page of `train`: a training step, where its time and memory go, and the schedule of every rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planners.whatif.assumed import Moved, assumed
from reports.output import output_folder
from reports.page import Axis, Bars, Notes, Page, Ranges, Spans, Tiles, write_page
from reports.perfetto import passes
from reports.serving import assumptions
from simcore.unit_text import seconds

NAMES = ("train.html",)
MEMORY = ("weights", "gradients", "optimizer", "activations", "working", "logits", "unsharded", "buffers", "reserve")
MOST_SPANS = 4000
"""passes that a page draws"""


def write_train(out: Path, found: Any, pictures: bool = False) -> None:
    """`train.html`."""
    with output_folder(out, "train", NAMES) as folder:
        write_page(folder, "train.html", page_of(found), pictures)


def page_of(found: Any) -> Page:
    """The page from top to bottom."""
    flat = found.flat
    title = found.question.scenario.title or found.question.scenario.name
    first, *lines = answer(flat)
    if "step_time_s" not in flat:
        return Page("train", title, first, lines, basis(flat), is_no=True)
    blocks: list[Any] = [Tiles(tiles(flat)), *bars(flat), between(flat), *timeline(found.step.pipeline)]
    blocks += basis(flat, assumed(found.question.scenario))
    return Page("train", title, first, lines, blocks, is_no=bool(flat["reason"]))


def plan_of(flat: Mapping[str, Any]) -> str:
    """Degrees above one."""
    return ", ".join(f"{name} {value}" for name, value in flat["plan"].items() if value not in (1, False)) or "one chip"


def answer(flat: Mapping[str, Any]) -> list[str]:
    """The step in a sentence, with its interval."""
    what = f"{flat['model']} on {flat['chips']} chips of {flat['system']} ({plan_of(flat)}, {flat['schedule']})"
    if "step_time_s" not in flat:
        return [f"There is no step: {flat['reason']}.", what]
    low, high = seconds(flat["step_time_low_s"]), seconds(flat["step_time_high_s"])
    speed = f"{flat['throughput_tokens_per_s']:,.0f} tokens/s, MFU {100 * flat['mfu_ratio']:.1f} %"
    told = [f"A step takes {seconds(flat['step_time_s'])} ({low} to {high}): {speed}.", f"{what}."]
    if flat["reason"]:
        told.insert(0, f"It does not fit: {flat['reason']}.")
    if "run_s" in flat:
        days = f"{flat['run_s'] / 86400:.1f} days, {flat['chip_hours']:,.0f} chip-hours"
        told.append(f"The whole run takes {days}.")
    return told


def tiles(flat: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Main figures."""
    found = [
        (seconds(flat["step_time_s"]), "step"),
        (f"{flat['throughput_per_chip_tokens_per_s']:,.0f}", "tokens/s per chip"),
        (f"{100 * flat['mfu_ratio']:.1f} %", "MFU of the bf16 peak"),
        (f"{100 * flat['bubble_ratio']:.1f} %", "pipeline bubble"),
        (f"{flat['need_bytes'] / 1e9:.1f} GB", f"per chip, of {flat['have_bytes'] / 1e9:.1f} GB"),
        (f"{flat['chip_power_w']:,.0f} W", "per chip"),
        (f"{flat['usd_per_million_tokens']:.3g}", "USD per million tokens"),
    ]
    if "goodput_ratio" in flat:
        found.append((f"{100 * flat['goodput_ratio']:.1f} %", "goodput under failures"))
    return found


def bars(flat: Mapping[str, Any]) -> list[Bars]:
    """Where the step and the memory go."""
    parts = {name: float(value) for name, value in flat["parts_s"].items() if value}
    kinds = {name: float(value) for name, value in flat["pass_s"].items() if value}
    found = [Bars("Where the step goes", [("step", parts)], "s", caption="The parts add up to the step.")]
    found.append(Bars("Work of a pass", [("pass", kinds)], "s"))
    ranks = flat["memory_by_rank_bytes"]
    rows = [(f"rank {n}", {name: one[name] / 1e9 for name in MEMORY if one.get(name)}) for n, one in enumerate(ranks)]
    have = [(name, flat["have_bytes"] / 1e9) for name, _ in rows]
    found.append(Bars("Memory of each stage", rows, "GB per chip", limits=have, caption="The mark is what there is."))
    return found


def between(flat: Mapping[str, Any]) -> Ranges:
    """How sure the step and the goodput are."""
    rows = [("step, s", flat["step_time_s"], flat["step_time_low_s"], flat["step_time_high_s"], "")]
    return Ranges("How sure", rows, Axis("seconds"), caption="Four of five such steps were measured within.")


def timeline(pipeline: Any) -> list[Spans]:
    """Every pass of every rank, the first of them where there are many."""
    if pipeline is None:
        return []
    rows = [(f"rank {rank}", kind, begin, end) for rank, kind, _, _, begin, end in passes(pipeline)]
    rows.sort(key=lambda row: row[2])
    more = "" if len(rows) <= MOST_SPANS else f" The first {MOST_SPANS:,} of {len(rows):,} passes."
    return [Spans("Pipeline", rows[:MOST_SPANS], "s", caption=f"Passes of every rank.{more}")]


def basis(flat: Mapping[str, Any], moved: Sequence[Moved] = ()) -> list[Notes]:
    """Notes and assumptions, those that move the step most first where that is known."""
    told = flat["assumptions"]
    listed = [f"{key}: {text}" for key, text in told.items()] if isinstance(told, dict) else list(told)
    found = [Notes("What this rests on", flat["notes"], is_open=True)] if flat["notes"] else []
    return [*found, *assumptions({"assumptions": listed}, moved)]
