"""`simcore estimate`: one plan on one chip."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command()(estimate)


def estimate(
    model: Annotated[str, typer.Option(help="Model name, e.g. meta-llama/Llama-3.1-70B (see `simcore list models`).")],
    chip: Annotated[str, typer.Option(help="Chip, node or cluster, e.g. h200-sxm (see `simcore list chips`).")],
    tp: Annotated[int, typer.Option(help="Tensor parallelism.", min=1)] = 1,
    pp: Annotated[int, typer.Option(help="Pipeline stages.", min=1)] = 1,
    dp: Annotated[int, typer.Option(help="Replicas side by side.", min=1)] = 1,
    attention_dp: Annotated[int, typer.Option(help="Attention data parallelism inside a replica.", min=1)] = 1,
    ep: Annotated[int, typer.Option(help="Expert parallelism.", min=1)] = 1,
    cp: Annotated[int, typer.Option(help="Context parallelism.", min=1)] = 1,
    sp: Annotated[bool, typer.Option(help="Sequence parallelism (reduce-scatter and all-gather).")] = False,
    batch: Annotated[int, typer.Option(help="Requests in flight per replica.", min=1)] = 1,
    input_tokens: Annotated[
        int, typer.Option("--input-tokens", "--isl", help="Input tokens per request.", min=1)
    ] = 1024,
    output_tokens: Annotated[int, typer.Option("--output-tokens", "--osl", help="Output tokens.", min=1)] = 128,
    traffic: Annotated[str | None, typer.Option(help="Named traffic instead of fixed lengths.")] = None,
    weights: Annotated[str | None, typer.Option(help="Weight format: bf16, fp8, int8, int4, fp4.")] = None,
    kv: Annotated[str | None, typer.Option(help="KV cache format.")] = None,
    stack: Annotated[str, typer.Option(help="Software stack (see `simcore list stacks`).")] = "datasheet",
    kv_tier: Annotated[str, typer.Option(help="Memory tier that holds the KV cache.")] = "main",
    weight_tier: Annotated[str, typer.Option(help="Memory tier that weights stream from.")] = "main",
    sub_batches: Annotated[bool, typer.Option(help="Two half batches on matrix unit and PIM in turn.")] = False,
    basis: Annotated[str | None, typer.Option(help="Cost by rental or purchase.")] = None,
    electricity: Annotated[str | None, typer.Option(help='Tariff, e.g. "0.1 USD/kWh".')] = None,
    pue: Annotated[float | None, typer.Option(help="Power usage effectiveness.", min=1.0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Latency, memory, power and cost of one plan. Breaks times down by operation."""
    import simcore
    from commands.terminal import print_json
    from simcore.errors import InputError
    from simcore.result import Unsupported

    prices = {"basis": basis, "electricity": electricity, "pue_ratio": pue}
    formats = {k: v for k, v in (("weights", weights), ("kv", kv)) if v}
    result = simcore.estimate(
        model,
        chip,
        tp=tp,
        pp=pp,
        dp=dp,
        attention_dp=attention_dp,
        ep=ep,
        cp=cp,
        sp=sp,
        batch=batch,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        traffic=traffic,
        stack=stack,
        economics={k: v for k, v in prices.items() if v is not None},
        policy={"kv_tier": kv_tier, "weight_tier": weight_tier, "sub_batches": sub_batches},
        **formats,
    )
    if isinstance(result.infeasible, Unsupported):
        raise InputError(result.infeasible.what)
    if as_json:
        print_json({"model": model, "chip": chip, "stack": stack, **result.as_dict()})
        return
    show(result, f"{model} on {chip}, stack {stack}", stack)


def show(result: Any, title: str, stack: str) -> None:
    """Tables for a person."""
    from commands.terminal import print_table

    print(title)
    if result.infeasible:
        print(f"  {result.infeasible}")
        if "max_batch" in result.values:
            print(f"  largest batch that fits: {result.max_batch:.0f}")
    for note in result.notes:
        print(f"  note: {note}")
    if not result.values:
        return
    if not result.infeasible:
        print_table(["figure", "value", "stack"], [[n, v, stack] for n, v in figures(result)], left=("figure", "stack"))
        phases(result)
    gb = [
        (n, result.values[f"{n}_bytes"]) for n in ("weights", "kv", "activation", "buffer", "reserve", "need", "have")
    ]
    print("memory per chip: " + ", ".join(f"{name} {value / 1e9:.2f} GB" for name, value in gb))
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
        ("power", f"{result.power_w / 1e3:.2f} kW"),
        ("energy", f"{result.energy_j_per_token:.3g} J/token"),
        ("cost", f"{result.usd_per_million_tokens:.3g} USD per million tokens"),
        ("KV pool", f"{result.kv_tokens:,.0f} tokens"),
        ("largest batch that fits", f"{result.max_batch:.0f}"),
    ]


def phases(result: Any) -> None:
    """Operations of prefill and decode, largest first."""
    from commands.terminal import print_table

    for phase in ("prefill", "decode"):
        rows = sorted((op for op in result.operations if op.phase == phase), key=lambda op: -op.time_s)
        total = sum(op.time_s for op in rows)
        cells = [
            [op.name, f"{op.count:.0f}", f"{op.time_s * 1e3:.3f}", f"{op.time_s / total:.1%}", op.bound] for op in rows
        ]
        cells.append(["total", "", f"{total * 1e3:.3f}", "100.0%", ""])
        title = "prefill of one request" if phase == "prefill" else "decode step"
        print_table(["operation", "count", "ms", "share", "bound"], cells, title, ("operation", "bound"))
