"""`simcore step`: one step of a deployment, or one kernel, taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Json, Set


def register(app: typer.Typer) -> None:
    app.command()(step)


def step(
    scenario: Annotated[Path, typer.Argument(help="Scenario file with a table [asked]: what the step holds.")],
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """One step, operation by operation; in several streams; or a kernel's tiles on a chip's units.

    [asked] holds decode_sequences, context_tokens, prefill_sequences, prefill_tokens, past_tokens, graphs; with
    micro_batches, late or tiles the step runs in streams; with host = { call_s = 7.5e-6 } its kernels wait for
    the host that launches them (TKLQT); with decode or product, and `chip`, it is a schedule.
    """
    from commands.terminal import print_json, print_table
    from scenarios.asked import answer
    from scenarios.read import parse_set
    from simcore.spec.load import read_file
    from simcore.spec.scenario import put

    raw: dict[str, Any] = dict(read_file(scenario, "scenario"))
    for key, value in parse_set(changes or []).items():
        put(raw, key, value, "--set")
    found = answer(raw, str(scenario))
    if as_json:
        print_json(found)
        return
    if "op_s" in found:
        rows = [
            [
                name,
                f"{1e3 * s:.4f}",
                f"{found['op_flop'].get(name, 0) / 1e9:.4g}",
                f"{found['op_bytes'].get(name, 0) / 1e6:.4g}",
            ]
            for name, s in sorted(found["op_s"].items(), key=lambda one: -one[1])
        ]
        print_table(["operation", "ms", "GFLOP", "MB"], rows, left=("operation",))
        print(f"step {1e3 * found['time_s']:.4f} ms")
        return
    print_table(["what", "value"], [[name, f"{value:.6g}"] for name, value in found.items()], left=("what",))
