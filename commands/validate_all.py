"""`simcore validate all`: every comparison, the pages of docs/accuracy, docs/accuracy/all.md and the README's table."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json

MARKERS = ("<!-- accuracy -->", "<!-- /accuracy -->")
PAGES = ("operators.md", "unseen.md", "transfer.md", "power.md", "energy.md", "stages.md", "requests.md", "serving.md")


def register(validate_app: typer.Typer) -> None:
    """Add `all` to the group `simcore validate`."""
    validate_app.command("all")(everything)


def everything(
    shared: Annotated[Path, typer.Option(help="Folder that holds measured/ (operators, power, serving).")],
    docs: Annotated[Path, typer.Option(help="Documentation folder that receives the pages.")] = Path("docs"),
    readme: Annotated[Path, typer.Option(help="README whose table is replaced.")] = Path("README.md"),
    only_join: Annotated[
        bool, typer.Option("--only-join", help="Join the pages that are there, measure nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rerun every comparison and write the pages (minutes)."""
    from commands.terminal import print_written
    from reports.files import write_text

    pages = docs / "accuracy"
    if not only_join:
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            measure(shared / "measured", pages)
    found = [(pages / name).read_text(encoding="utf-8") for name in PAGES if (pages / name).exists()]
    whole = pages / "all.md"
    write_text(whole, INTRODUCTION + "\n" + "\n".join(found))
    write_text(
        readme, with_table(readme.read_text(encoding="utf-8"), summary(pages / "operators.md", pages / "requests.md"))
    )
    print_written("validate all", [whole, readme], as_json)


def measure(measured: Path, pages: Path) -> None:
    """Rerun every comparison with a folder of measurements and write its page."""
    from commands.validate_calibration import calibration
    from commands.validate_energy import energy
    from commands.validate_stages import stages
    from commands.validate_unseen import unseen
    from reports.files import write_text

    power = measured / "power" / "splitwise_llama2_bloom_a100_h100.csv"
    calibration(measured / "operators", pages, power if power.exists() else None, as_json=False, quiet=False)
    unseen(measured / "operators", docs=pages)
    serving = measured / "serving"
    energy(serving / "power_and_itl.csv", None, None, held_out=True, page=pages / "energy.md", as_json=True)
    stages(serving / "vllm_h100_stages.csv", None, None, page=pages / "stages.md", as_json=True)
    write_text(pages / "requests.md", requests_page(sorted((measured / "serving" / "vllm_runs").iterdir())))


INTRODUCTION = """# Accuracy

Written by `simcore validate all --shared FOLDER`; nothing here is typed by hand. Every figure compares predictions with
measurements that the fit has not seen; the worst cases are listed with the rest. Data sets and licences: NOTICE.
"""


def requests_page(runs: list[Path]) -> str:
    """Replays of recorded vLLM runs from layer profiles and from the operator calibration."""
    text = [
        "## Recorded serving runs",
        "",
        "Arrivals, lengths and engine arguments of a recorded run are replayed; errors are signed per cent, ours",
        "against measured, over 300 requests. Nothing was fitted to these runs.",
        "",
        "| run | step times from | TTFT mean | TPOT mean | E2E mean | E2E P99 |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        for profile in ("layers", "operators"):
            errors = replayed(run, profile)["error_percent"]
            means = " | ".join(f"{errors[name]['mean']:+.1f}" for name in ("ttft_s", "tpot_s", "e2e_s"))
            text.append(f"| {run.name} | {profile} | {means} | {errors['e2e_s']['p99']:+.1f} |")
    return "\n".join(text) + "\n"


def replayed(run: Path, profile: str) -> dict[str, Any]:
    """The JSON of `simcore validate requests`."""
    from commands.validate_requests import requests

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        requests(run, profile=profile, chip=None, layers=None, out=None, as_json=True)
    found: dict[str, Any] = json.loads(printed.getvalue())
    return found


def summary(operators: Path, requests: Path) -> str:
    """One row per operation: the range of median and P90 errors over chips; then the replays."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in operators.read_text(encoding="utf-8").split("### By stack")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and re.fullmatch(r"[\d.]+", cells[3]):
            found.setdefault(cells[1], []).append((float(cells[3]), float(cells[5])))
    rows = ["| operation | chips | median error % | P90 % |", "|---|---|---|---|"]
    for operation, errors in found.items():
        medians, tails = [m for m, _ in errors], [p for _, p in errors]
        spans = [f"{min(v):.1f} to {max(v):.1f}" for v in (medians, tails)]
        rows.append(f"| {operation.replace('_', ' ')} | {len(errors)} | {spans[0]} | {spans[1]} |")
    replays = (
        requests.read_text(encoding="utf-8").split("against measured, over")[-1].split("\n\n", 1)[-1]
        if requests.exists()
        else ""
    )
    return "\n".join(rows) + "\n\n" + replays


def with_table(readme: str, table: str) -> str:
    """The README with the text between the markers replaced."""
    before, _, rest = readme.partition(MARKERS[0])
    _, _, after = rest.partition(MARKERS[1])
    return f"{before}{MARKERS[0]}\n{table.strip()}\n{MARKERS[1]}{after}"
