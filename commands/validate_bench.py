"""`simcore validate bench`: the result of a serving benchmark against what a scenario predicts of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Html, Json, Launch, Quiet, Set, asked


def register(validate_app: typer.Typer) -> None:
    """Add `bench` to the group `simcore validate`."""
    validate_app.command("bench")(bench)


def bench(
    result: Annotated[
        Path, typer.Argument(help="JSON of vllm bench serve, SGLang's, GuideLLM, inference-perf or genai-perf.")
    ],
    scenario: Annotated[Path, typer.Option(help="The deployment: a scenario file; its traffic is the result's.")],
    changes: Set = None,
    launch: Launch = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Serve a benchmark's own load on a scenario's deployment and say how far off the prediction is."""
    from commands.terminal import print_json
    from validation.bench import compared
    from workloads.importers.bench import read_results

    deployment = asked(scenario, changes, launch=launch)
    found = [compared(run, deployment) for run in read_results(result)]
    if html is not None:
        from reports.measured import bench_page
        from reports.page import write_own_page

        write_own_page(html, bench_page(found), (result, scenario))
    if as_json:
        print_json({"runs": found})
    elif not quiet:
        for one in found:
            show(one)


def show(one: dict[str, Any]) -> None:
    """One run as a table."""
    from commands.terminal import print_table
    from simcore.unit_text import seconds

    def cell(name: str, value: float | None) -> str:
        return seconds(value) if name.endswith("_s") and "per_s" not in name else f"{value or 0.0:.4g}"

    rows = [
        [
            m["name"],
            cell(m["name"], m["measured"]),
            cell(m["name"], m["predicted"]),
            f"{m['error_percent']:+.1f}",
            m["inside"],
        ]
        for m in one["metrics"]
    ]
    print_table(["figure", "measured", "predicted", "error, %", "80 % interval"], rows, one["load"], ["figure"])
    for note in one["notes"]:
        print(f"note: {note}")
