"""`simcore validate requests`: replay a recorded serving run request by request."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.asked import HostLink, Html, Json, Quiet

if TYPE_CHECKING:
    from validation.home import Home


def register(validate_app: typer.Typer) -> None:
    """Add `requests` to the group `simcore validate`."""
    validate_app.command("requests")(requests)


def requests(
    run: Annotated[Path, typer.Option("--run", help="Folder with requests.jsonl, meta.json and timeseries.csv.")],
    chip: Annotated[str | None, typer.Option(help="Chip; default: the device that the run names.")] = None,
    system: Annotated[str | None, typer.Option(help="Node that the chips stood in: a name or a path.")] = None,
    link: HostLink = None,
    profile: Annotated[
        str | None, typer.Option(help="Step times from `layers` (a layer profile) or `operators` (the calibration).")
    ] = None,
    layers: Annotated[Path | None, typer.Option(help="Folder of layer profiles; default: beside the run.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the per-request table (CSV) here.")] = None,
    write_scenario: Annotated[
        Path | None, typer.Option(help="Write the run as a scenario with its trace into this folder, for `simulate`.")
    ] = None,
    html: Html = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Replay a recorded run and say how far off it is.

    TTFT, TPOT, end-to-end times, and the queue by second. Reads arrivals, lengths and engine arguments only.
    """
    import hardware_specs
    from commands.terminal import print_json
    from simcore.calibration.importers.vllm_run import read_vllm_run
    from simcore.calibration.validate_requests import compare, replay, times_of
    from simcore.calibration.vllm_engine import Card, assumed, ranks_of, run_pool, run_settings
    from validation.home import Home, system_of

    recorded = read_vllm_run(run)
    device = system_of(system).chip if system and not chip else find_chip(chip or recorded.device)
    home = Home(device, system, link)
    model = find_model(recorded.model)
    ranks = ranks_of(recorded.engine, model)
    if write_scenario is not None:
        write_question(write_scenario, recorded, model.name, home, ranks)
    folder = find_profile(run, layers, recorded, chip or recorded.device)
    kind = profile or ("layers" if folder else "operators")
    card = Card(device.memory[device.main_tier].reported_bytes, hardware_specs.stack("vllm").memory)
    settings = run_settings(recorded.engine, run_pool(recorded.engine, model, card, ranks))
    step_times = step_times_of(kind, folder, recorded, model, home)
    ours = replay(recorded, step_times, settings, ranks)
    report = {"run": run.name, "profile": kind, "kv_blocks": settings.kv_blocks, "assumed": assumed(recorded.engine)}
    report |= compare(recorded, ours)
    if out is not None:
        write_table(out, recorded, ours)
    if html is not None:
        from reports.measured import requests_page
        from reports.page import write_own_page

        write_own_page(html, requests_page(report, recorded, times_of(ours)))
    if as_json:
        print_json(report)
    elif not quiet:
        print_report(report)


def print_report(report: dict[str, Any]) -> None:
    """Errors as a table, the queue in a line, and what was assumed."""
    from commands.terminal import print_table

    rows = [
        [name, *(f"{report['error_percent'][name][key]:+.2f}" for key in ("mean", "p50", "p90", "p99"))]
        for name in ("ttft_s", "tpot_s", "e2e_s")
    ]
    title = f"{report['run']}, {report['profile']}"
    print_table(["error in %", "mean", "p50", "p90", "p99"], rows, title=title, left=["error in %"])
    if report["queue"]:
        queue = report["queue"]
        print(
            f"queue: mean {queue['mean_predicted']:.1f} predicted, {queue['mean_measured']:.1f} measured, "
            f"mean absolute difference by second {queue['mean_absolute_difference']:.1f}"
        )
    for note in report["assumed"]:
        print(f"note: {note}")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_chip(device: str) -> Any:
    """The chip whose name or alias is in a device name such as "NVIDIA GeForce RTX 4090"."""
    import hardware_specs
    from simcore.errors import InputError

    known = {_plain(alias): stem for alias, stem in hardware_specs.chip.aliases.items()}
    known |= {_plain(name): name for name in hardware_specs.chip.names()}
    inside = [name for name in known if name in _plain(device)]
    if not inside:
        raise InputError(
            f"no known chip in the device name {device!r}", key="--chip", fix="name one: simcore list chips"
        )
    return hardware_specs.chip(known[max(inside, key=len)])


def find_model(name: str) -> Any:
    """A model by its Hugging Face name, or by the last part of a path."""
    import workloads
    from simcore.errors import UnknownName

    try:
        return workloads.model(name)
    except UnknownName:
        if "/" not in name:
            raise
    return workloads.model(name.rstrip("/").rsplit("/", 1)[-1])


def find_profile(run: Path, layers: Path | None, recorded: Any, device: str) -> Path | None:
    """The layer profile of the run's device, model and tp in 16-bit formats, or None."""
    from simcore.calibration.vllm_engine import kv_format, weight_format

    if {weight_format(recorded.engine), kv_format(recorded.engine)} != {"bf16"}:
        return None
    shared = os.environ.get("SIMCORE_SHARED")
    roots = [layers] if layers else [*(p / "layers" for p in run.resolve().parents)]
    if shared and not layers:
        roots.append(Path(shared) / "measured" / "layers")
    tp = int(recorded.engine.get("tensor_parallel_size", 1))
    for root in roots:
        if root is None or not root.is_dir():
            continue
        for home in sorted(root.iterdir()):
            if _plain(home.name) in _plain(device) and home.is_dir():
                for folder in sorted(home.glob(f"*/*/bf16/tp{tp}")):
                    if _same_model("/".join(folder.parts[-4:-2]), recorded.model):
                        return folder
    return None


def _same_model(name: str, other: str) -> bool:
    """Whether two names are equal or mean one model here (a base model and its instruct version have one shape)."""
    from simcore.errors import UnknownName

    if name == other:
        return True
    try:
        return bool(find_model(name).name == find_model(other).name)
    except UnknownName:
        return False


def step_times_of(kind: str, folder: Path | None, recorded: Any, model: Any, home: Home) -> Any:
    """Step times from the layer profile, or from the chip's calibrated operators (`datasheet` where it has none)."""
    from simcore.errors import InputError

    if kind == "layers":
        if folder is None:
            tp = recorded.engine.get("tensor_parallel_size", 1)
            what = f"no 16-bit layer profile of {recorded.model} with tp {tp} on {recorded.device}"
            raise InputError(what, key="--profile", fix="use operators, or name a folder with --layers")
        return layer_times(folder, recorded, model, home)
    if kind == "operators":
        from scenarios.replays import operator_step_times

        return operator_step_times(model.name, home.hardware, recorded.engine)
    raise InputError(f"unknown profile {kind!r}", key="--profile", fix="use layers or operators")


def layer_times(folder: Path, recorded: Any, model: Any, home: Home) -> Any:
    """Layer profile, plus what the ranks exchange, which no profile holds: over the link that is stated, else the
    node's, else the chip's own."""
    from simcore.calibration.importers.layer_profile import Shape, layer_step_times, shared_layer_steps
    from simcore.calibration.vllm_engine import graph_sizes, padded_start, ranks_of

    ranks, chip = ranks_of(recorded.engine, model), home.chip
    experts = [f for group in model.layers for f in group.ffn if f.kind == "moe"]
    profiled = ranks.tp if (folder / "moe.csv").is_file() else 1
    shape = Shape(
        layers=model.layer_count,
        experts=experts[0].experts if experts else 0,
        experts_per_token=experts[0].topk if experts else 0,
        expert_ranks=ranks.expert_ranks // profiled,
        graph_sizes=graph_sizes(recorded.engine),
        whole_batch=padded_start(whole_batch(model, chip, ranks.tp), graph_sizes(recorded.engine)),
    )
    reduces = {}
    if ranks.tp > 1:
        reduces["all_reduce_s"] = home.all_reduce(ranks.tp, model.hidden_size)
        reduces["gather_s"] = home.gather(ranks.tp, model.vocab_size)
    if ranks.lockstep:
        return shared_layer_steps(folder, shape, home.exchange(ranks.dp, model.hidden_size), **reduces)
    return layer_step_times(folder, shape, **reduces)


def whole_batch(model: Any, chip: Any, tp: int) -> float:
    """Decodes that FlashAttention-2 does not split on this chip; 0 where vLLM uses another kernel."""
    from simcore.step.effects import flash_attention

    mixer, count = model.layers[0].mixer, chip.compute[chip.main_unit].count
    if chip.architecture not in flash_attention.ARCHITECTURES or mixer.kind != "attention" or not count:
        return 0.0
    return flash_attention.whole_batch(float(count), max(1.0, mixer.kv_heads / tp))


def write_question(folder: Path, recorded: Any, model: str, home: Home, ranks: Any) -> None:
    """`scenario.toml` and the `trace.csv` that it names; the trace first."""
    from reports.files import write_text
    from scenarios.replays import replay_scenario
    from scenarios.toml import dumps

    trace = recorded.trace
    columns = zip(trace.arrival_s.tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist(), strict=True)
    lines = ["arrival_s,input_tokens,output_tokens", *(f"{a!r},{i},{o}" for a, i, o in columns)]
    tables = replay_scenario(model, home.hardware, recorded.engine, ranks) | {"traffic": {"trace": "trace.csv"}}
    write_text(folder / "trace.csv", "\n".join(lines) + "\n")
    write_text(folder / "scenario.toml", dumps(tables))


def write_table(out: Path, recorded: Any, ours: Any) -> None:
    """One row per request: lengths, arrival, predicted and measured times; written whole or not at all."""
    import io

    import numpy as np

    from reports.files import write_own
    from simcore.calibration.validate_requests import times_of

    columns = {
        **{name: ours.requests[name] for name in ("arrival_s", "input_tokens", "output_tokens")},
        **times_of(ours),
        "measured_ttft_s": recorded.measured.ttft_s,
        "measured_tpot_s": recorded.measured.tpot_s,
        "measured_e2e_s": recorded.measured.e2e_s,
    }
    table = np.stack([np.asarray(v, dtype=float) for v in columns.values()], axis=1)
    text = io.StringIO()
    np.savetxt(text, table, delimiter=",", header=",".join(columns), comments="", fmt="%.9g")
    write_own(out, text.getvalue().encode("utf-8"))
