"""`simcore validate requests`: replay a recorded serving run request by request."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer


def register(validate_app: typer.Typer) -> None:
    """Add `requests` to the group `simcore validate`."""
    validate_app.command("requests")(requests)


def requests(
    run: Annotated[Path, typer.Option("--run", help="Folder with requests.jsonl, meta.json and timeseries.csv.")],
    chip: Annotated[str | None, typer.Option(help="Chip; default: the device that the run names.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Step times from `layers` (a layer profile) or `operators` (the calibration).")
    ] = None,
    layers: Annotated[Path | None, typer.Option(help="Folder of layer profiles; default: beside the run.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the per-request table (CSV) here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay a recorded run and say how far off it is.

    TTFT, TPOT, end-to-end times, and the queue by second. Reads arrivals, lengths and engine arguments only.
    """
    from commands.terminal import print_json, print_table
    from simcore.calibration.importers.vllm_run import read_vllm_run
    from simcore.calibration.validate_requests import compare, replay, run_settings

    recorded = read_vllm_run(run)
    device = find_chip(chip or recorded.device)
    model = find_model(recorded.model)
    folder = find_profile(run, layers, recorded, chip or recorded.device)
    kind = profile or ("layers" if folder else "operators")
    step_times = step_times_of(kind, folder, recorded, model, device)
    settings = run_settings(recorded, memory_of(recorded, model, device))
    ours = replay(recorded, step_times, settings)
    report = {"run": run.name, "profile": kind, "kv_blocks": settings.kv_blocks} | compare(recorded, ours)
    if out is not None:
        write_table(out, recorded, ours)
    if as_json:
        print_json(report)
        return
    rows = [
        [name, *(f"{report['error_percent'][name][key]:+.2f}" for key in ("mean", "p50", "p90", "p99"))]
        for name in ("ttft_s", "tpot_s", "e2e_s")
    ]
    print_table(["error in %", "mean", "p50", "p90", "p99"], rows, title=f"{run.name}, {kind}", left=["error in %"])
    if report["queue"]:
        queue = report["queue"]
        print(
            f"queue: mean {queue['mean_predicted']:.1f} predicted, {queue['mean_measured']:.1f} measured, "
            f"mean absolute difference by second {queue['mean_absolute_difference']:.1f}"
        )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_chip(device: str) -> Any:
    """The chip whose name or alias is in a device name such as "NVIDIA GeForce RTX 4090"."""
    import hardware_specs

    known = {_plain(alias): stem for alias, stem in hardware_specs.chip.aliases.items()}
    known |= {_plain(name): name for name in hardware_specs.chip.names()}
    inside = [name for name in known if name in _plain(device)]
    return hardware_specs.chip(known[max(inside, key=len)] if inside else device)


def find_model(name: str) -> Any:
    """A model by its Hugging Face name."""
    import workloads

    return workloads.model(name)


def find_profile(run: Path, layers: Path | None, recorded: Any, device: str) -> Path | None:
    """The layer profile of the run's device, model, format and tp, or None."""
    shared = os.environ.get("SIMCORE_SHARED")
    roots = [layers] if layers else [*(p / "layers" for p in run.resolve().parents)]
    if shared and not layers:
        roots.append(Path(shared) / "measured" / "layers")
    tp = int(recorded.engine.get("tensor_parallel_size") or 1)
    for root in roots:
        if root is None or not root.is_dir():
            continue
        for home in sorted(root.iterdir()):
            folder = home / recorded.model / "bf16" / f"tp{tp}"
            if _plain(home.name) in _plain(device) and folder.is_dir():
                return folder
    return None


def step_times_of(kind: str, folder: Path | None, recorded: Any, model: Any, chip: Any) -> Any:
    """Step times from the layer profile, or from the chip's calibrated operators (`datasheet` where it has none)."""
    from simcore.errors import InputError

    if kind == "layers":
        if folder is None:
            raise InputError(f"no layer profile of {recorded.model} on {recorded.device}", key="--profile")
        return layer_times(folder, recorded, model, chip)
    if kind == "operators":
        from commands.step_sources import operator_step_times

        return operator_step_times(model, chip, recorded.engine)
    raise InputError(f"unknown profile {kind!r}", key="--profile", fix="use layers or operators")


def layer_times(folder: Path, recorded: Any, model: Any, chip: Any) -> Any:
    """Layer profile, plus all-reduces over the chip's link where the plan has tensor parallelism."""
    from simcore.calibration.importers.layer_profile import Shape, all_reduce_over, gather_over, layer_step_times
    from simcore.calibration.validate_requests import GRAPH_SIZES

    experts = [f for group in model.layers for f in group.ffn if f.kind == "moe"]
    tp = int(recorded.engine.get("tensor_parallel_size") or 1)
    shape = Shape(
        layers=model.layer_count,
        experts=experts[0].experts if experts else 0,
        experts_per_token=experts[0].topk if experts else 0,
        expert_ranks=1 if (folder / "moe.csv").is_file() else tp,
        graph_sizes=tuple(recorded.engine.get("graph_sizes") or GRAPH_SIZES),
    )
    if tp == 1:
        return layer_step_times(folder, shape)
    link = next(iter(chip.links.values()))
    gather_s = gather_over(link.bytes_per_s, tp, model.vocab_size)
    return layer_step_times(folder, shape, all_reduce_over(link.bytes_per_s, tp, model.hidden_size), gather_s)


def memory_of(recorded: Any, model: Any, chip: Any) -> Any:
    """What vLLM sees of the chip, bf16 weights and KV of the run's format, per chip."""
    from simcore.calibration.validate_requests import VLLM_RESERVE_BYTES, Memory, visible_bytes

    stated = recorded.engine.get("device_memory_bytes")
    kv_element_bytes = 1.0 if "fp8" in str(recorded.engine.get("kv_cache_dtype")) else 2.0
    tp = int(recorded.engine.get("tensor_parallel_size") or 1)
    return Memory(
        capacity_bytes=stated or visible_bytes(chip.memory[chip.main_tier].capacity_bytes),
        weight_bytes=2.0 * model.parameters / tp,
        reserve_bytes=VLLM_RESERVE_BYTES,
        kv_bytes_per_token=kv_element_bytes * model.kv_elements_per_token() / tp,
    )


def write_table(out: Path, recorded: Any, ours: Any) -> None:
    """One row per request: lengths, arrival, predicted and measured times; written whole or not at all."""
    import numpy as np

    rows = ours.requests
    gaps = np.maximum(rows["output_tokens"] - 1, 1)
    columns = {
        "arrival_s": rows["arrival_s"],
        "input_tokens": rows["input_tokens"],
        "output_tokens": rows["output_tokens"],
        "ttft_s": rows["first_token_s"] - rows["arrival_s"],
        "tpot_s": (rows["done_s"] - rows["first_token_s"]) / gaps,
        "e2e_s": rows["done_s"] - rows["arrival_s"],
        "measured_ttft_s": recorded.measured.ttft_s,
        "measured_tpot_s": recorded.measured.tpot_s,
        "measured_e2e_s": recorded.measured.e2e_s,
    }
    table = np.stack([np.asarray(v, dtype=float) for v in columns.values()], axis=1)
    temporary = out.with_name(out.name + ".tmp")
    np.savetxt(temporary, table, delimiter=",", header=",".join(columns), comments="", fmt="%.9g")
    temporary.replace(out)
