"""`simcore estimate`: the analytic engine on a scenario, from a file or from options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import Calibration, HostLink, Json, Launch, Quiet, Set

Name = Annotated[str | None, typer.Option(help="Model: a name, a path, e.g. meta-llama/Llama-3.1-70B.")]
Chip = Annotated[str | None, typer.Option(help="Chip, node or cluster: a name or a path, e.g. h200-sxm.")]


def register(app: typer.Typer) -> None:
    app.command()(estimate)


def estimate(
    scenario: Annotated[Path | None, typer.Argument(help="Scenario file; or use --model and --chip.")] = None,
    model: Name = None,
    chip: Chip = None,
    changes: Set = None,
    tp: Annotated[int | None, typer.Option(help="Tensor parallelism.", min=1)] = None,
    pp: Annotated[int | None, typer.Option(help="Pipeline stages.", min=1)] = None,
    dp: Annotated[int | None, typer.Option(help="Replicas side by side.", min=1)] = None,
    attention_dp: Annotated[int | None, typer.Option(help="Attention data parallelism in a replica.", min=1)] = None,
    ep: Annotated[int | None, typer.Option(help="Expert parallelism.", min=1)] = None,
    cp: Annotated[int | None, typer.Option(help="Context parallelism.", min=1)] = None,
    sp: Annotated[bool, typer.Option(help="Sequence parallelism (reduce-scatter and all-gather).")] = False,
    batch: Annotated[int | None, typer.Option(help="Requests in flight per replica.", min=1)] = None,
    users: Annotated[int | None, typer.Option(help="A closed loop of users, all replicas together.", min=1)] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second.")] = None,
    input_tokens: Annotated[int | None, typer.Option("--input-tokens", "--isl", help="Input tokens.", min=1)] = None,
    output_tokens: Annotated[int | None, typer.Option("--output-tokens", "--osl", help="Output tokens.", min=1)] = None,
    traffic: Annotated[str | None, typer.Option(help="Named traffic instead of fixed lengths.")] = None,
    weights: Annotated[str | None, typer.Option(help="Weight format; default the checkpoint's own.")] = None,
    kv: Annotated[str | None, typer.Option(help="KV cache format.")] = None,
    stack: Annotated[str | None, typer.Option(help="vllm, trtllm, sglang, datasheet or roofline.")] = None,
    launch: Launch = None,
    link: HostLink = None,
    kv_tier: Annotated[str | None, typer.Option(help="Memory tier that holds the KV cache.")] = None,
    weight_tier: Annotated[str | None, typer.Option(help="Memory tier that weights stream from.")] = None,
    sub_batches: Annotated[bool, typer.Option(help="Two half batches on matrix unit and PIM in turn.")] = False,
    basis: Annotated[str | None, typer.Option(help="Cost by rental or purchase.")] = None,
    electricity: Annotated[str | None, typer.Option(help='Tariff, e.g. "0.1 USD/kWh".')] = None,
    pue: Annotated[float | None, typer.Option(help="Power usage effectiveness.", min=1.0)] = None,
    calibration: Calibration = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Latency, memory, power and cost of one plan. Breaks times down by operation."""
    given = placed(locals())
    from commands.terminal import print_json
    from planners.estimate import estimate as found_for
    from simcore.errors import InputError
    from simcore.result import Unsupported

    load = {"batch": batch, "users": users, "rate_per_s": rate}
    lengths = {"input_tokens": input_tokens, "output_tokens": output_tokens, "name": traffic}
    question = question_of(scenario, given, lengths, load, changes)
    found = found_for(question)
    if isinstance(found.result.infeasible, Unsupported):
        raise InputError(found.result.infeasible.what, file=question.file)
    if as_json:
        print_json({**found.result.as_dict(), **found.flat})
    elif not quiet:
        show(found)
    if found.result.infeasible:
        raise typer.Exit(1)


PLACES = {
    "model": "model.name",
    "chip": "hardware.system",
    "stack": "hardware.stack",
    "launch": "policy.launch",
    "link": "hardware.link",
    "sub_batches": "policy.sub_batches",
    "kv_tier": "residency.kv",
    "weight_tier": "residency.weights",
    "basis": "economics.basis",
    "electricity": "economics.electricity",
    "pue": "economics.pue_ratio",
    **{name: f"plan.{name}" for name in ("tp", "pp", "dp", "attention_dp", "ep", "cp", "sp", "weights", "kv")},
}
"""option -> key of the scenario"""


def placed(options: dict[str, Any]) -> dict[str, Any]:
    """Options under the scenario's keys; switches that are off and the main tier say nothing."""
    found = {key: options[name] for name, key in PLACES.items()}
    return {key: None if value is False or value == "main" else value for key, value in found.items()}


def question_of(
    file: Path | None, given: dict[str, Any], lengths: dict[str, Any], load: dict[str, Any], changes: list[str] | None
) -> Any:
    """The scenario of a file with what the options say on top, or of the options alone. Raises InputError."""
    from scenarios.read import from_raw, parse_set, read_raw
    from simcore.errors import InputError
    from simcore.spec.scenario import put

    named = given["model.name"] or given["policy.launch"]
    if file is None and (named is None or given["hardware.system"] is None):
        raise InputError("needs a scenario file, or --model and --chip (or --launch and --chip)")
    raw, notes = read_raw(file) if file is not None else ({"schema": "scenario/2", "name": "estimate"}, ())
    for key, value in given.items():
        if value is not None:
            put(raw, key, value)
    load_onto(raw, lengths, load)
    for key, value in parse_set(changes or ()).items():
        put(raw, key, value)
    found = from_raw(raw, "" if file is None else str(file))
    return found.replace(notes=(*notes, *found.notes))


def load_onto(raw: dict[str, Any], lengths: dict[str, Any], load: dict[str, Any]) -> None:
    """The options' lengths and load in place of the file's; without a file 1,024 in, 128 out, batch 1."""
    traffic = raw.setdefault("traffic", {})
    if not isinstance(traffic, dict):  # refused with everything else that is not of its kind
        return
    said = {k: v for k, v in lengths.items() if v is not None}
    if "name" in said:
        raw["traffic"] = traffic = {k: v for k, v in traffic.items() if k in load} | {"name": said["name"]}
    elif said or not traffic:
        for key in ("trace", "name"):
            if said:
                traffic.pop(key, None)
        if not any(key in traffic for key in ("trace", "name")):
            traffic["input_tokens"] = said.get("input_tokens", traffic.get("input_tokens", 1024))
            traffic["output_tokens"] = said.get("output_tokens", traffic.get("output_tokens", 128))
    loads = {k: v for k, v in load.items() if v is not None}
    if loads:
        for key in load:
            traffic.pop(key, None)
        traffic.update(loads)
    elif not any(key in traffic for key in (*load, "trace")):
        traffic["batch"] = 1


def show(found: Any) -> None:
    """Tables for a person."""
    from commands.simulate import told_of
    from commands.terminal import print_table

    result, stack = found.result, found.resolved.release.name
    print(f"{found.resolved.model.name} on {found.resolved.system.name}, stack {stack}, batch {found.case.batch}")
    if result.infeasible:
        print(f"  {result.infeasible}")
        if "max_batch" in result.values:
            print(f"  largest batch that fits: {result.max_batch:.0f}")
    if result.values and not result.infeasible:
        print_table(["figure", "value", "stack"], [[n, v, stack] for n, v in figures(result)], left=("figure", "stack"))
        phases(result)
    if result.values:
        names = ("weights", "kv", "activation", "buffer", "reserve", "need", "have")
        parts = ", ".join(f"{name} {result.values[f'{name}_bytes'] / 1e9:.2f} GB" for name in names)
        print(f"memory per chip: {parts}")
    told_of(found.flat)
    if result.assumptions:
        print(f"{len(result.assumptions)} assumed numbers (see --json, or `simcore show chip NAME`)")


def figures(result: Any) -> list[tuple[str, str]]:
    """Headline numbers with units."""
    return [
        ("TTFT", f"{result.ttft_s * 1e3:.1f} ms"),
        ("TPOT", f"{result.tpot_s * 1e3:.2f} ms"),
        ("end to end", f"{result.e2e_s:.2f} s"),
        ("throughput", f"{result.throughput_tokens_per_s:,.0f} tokens/s"),
        ("throughput per chip", f"{result.throughput_per_chip_tokens_per_s:,.0f} tokens/s"),
        ("MFU / MBU", f"{result.mfu_ratio * 100:.1f} % / {result.mbu_ratio * 100:.0f} %"),
        ("power: chip / server", f"{result.chip_power_w:,.0f} W / {result.server_power_w:,.0f} W per chip"),
        ("power: facility", f"{result.power_w / 1e3:.2f} kW"),
        ("energy", f"{result.energy_j_per_token:.3g} J/token"),
        ("cost", f"{result.usd_per_million_tokens:.3g} USD per million tokens"),
        ("KV pool", f"{result.kv_tokens:,.0f} tokens per rank"),
        ("largest batch that fits", f"{result.max_batch:.0f}"),
    ]


def phases(result: Any) -> None:
    """Operations of prefill and decode, largest first."""
    from commands.terminal import print_table

    for phase in ("prefill", "decode") if result.operations else ():
        rows = sorted((op for op in result.operations if op.phase == phase), key=lambda op: -op.time_s)
        total = sum(op.time_s for op in rows)
        cells = [
            [op.name, f"{op.count:.0f}", f"{op.time_s * 1e3:.3f}", f"{op.time_s / total:.1%}", op.bound] for op in rows
        ]
        cells.append(["total", "", f"{total * 1e3:.3f}", "100.0%", ""])
        title = "prefill of one request" if phase == "prefill" else "decode step"
        print_table(["operation", "count", "ms", "share", "bound"], cells, title, ("operation", "bound"))
