"""The accuracy of operators as a page: every chip, operation and stack, on shapes no fit has seen, worst cases too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from simcore.calibration.tables import LAYOUTS, read_table, table_files
from simcore.calibration.validate import Scored, errors, score
from simcore.cost.calibrated import OperatorModel
from simcore.errors import InputError

ModelOf = Callable[[str, str], OperatorModel]
"""(chip, stack) -> operator times"""
Say = Callable[[str], None]
WORST = 12


def chip_folders(tables: Path) -> list[Path]:
    """Folders of one chip each. Raises InputError where there is none."""
    found = sorted(p for p in tables.iterdir() if p.is_dir() and any(table_files(p, op) for op in LAYOUTS))
    if not found:
        fix = "give a folder with one folder per chip, such as h100-sxm/gemm.parquet"
        raise InputError("holds no folder of operator tables", file=str(tables), fix=fix)
    return found


def scores(tables: Path, model_of: ModelOf, say: Say) -> Iterator[tuple[str, Scored, Any]]:
    """(chip folder, scored table, table) of everything measured."""
    for folder in chip_folders(tables):
        for operation in LAYOUTS:
            for path in table_files(folder, operation):
                frame = read_table(str(path))
                say(f"{folder.name} {operation}")
                yield folder.name, score(frame, operation, _under(model_of, folder.name), str(path)), frame


def _under(model_of: ModelOf, chip: str) -> Callable[[str], OperatorModel]:
    return lambda stack: model_of(chip, "vllm" if stack == "nccl" else stack)


def lines_of(chip: str, scored: Scored) -> Iterator[dict[str, Any]]:
    """One line per (stack, format): newest version, held-out shapes; and one for all together."""
    good = np.isfinite(scored.predicted_s) & (scored.measured_s > 0) & scored.newest & scored.unseen
    good &= ~np.array([g >= 0 and scored.label[g][3].endswith("_eager") for g in scored.group])
    keys = [("all", "all"), *sorted({(s, f) for s, _, f, _ in scored.label})]
    stack, number = (np.array([scored.label[g][i] if g >= 0 else "" for g in scored.group], object) for i in (0, 2))
    for name, wanted in keys:
        mask = good if name == "all" else good & (stack == name) & (number == wanted)
        if mask.any():
            line: dict[str, Any] = {"chip": chip, "operation": scored.operation, "stack": name, "format": wanted}
            line |= errors(scored.predicted_s[mask], scored.measured_s[mask])
            inside = np.abs(np.log(scored.predicted_s / scored.measured_s))[mask] <= scored.spread[mask]
            yield line | {"within_interval": float(inside.mean())}


def worst_of(chip: str, scored: Scored, frame: Any) -> Iterator[dict[str, Any]]:
    """The worst held-out rows of the newest versions."""
    with np.errstate(all="ignore"):
        size = np.abs(np.log(scored.predicted_s / scored.measured_s))
    size = np.where(np.isfinite(size) & scored.newest & scored.unseen, size, -1.0)
    for row in np.argsort(-size)[:WORST]:
        if size[row] > 0:
            stack, _, number, kernel = scored.label[scored.group[row]]
            shape = ", ".join(f"{k}={frame[k].iloc[row]:g}" for k in frame if _is_shape(frame, k, row))
            names = {"chip": chip, "operation": scored.operation, "kernel": f"{stack} {number} {kernel[:28]}"}
            times = {"predicted_s": float(scored.predicted_s[row]), "measured_s": float(scored.measured_s[row])}
            yield names | times | {"shape": shape, "size": float(size[row])}


def _is_shape(frame: Any, name: str, row: int) -> bool:
    value = frame[name].iloc[row]
    skipped = name in ("latency_ms", "power_w", "power_limit_w")
    return not skipped and isinstance(value, int | float | np.number) and value == value


def collect(tables: Path, model_of: ModelOf, say: Say = lambda text: None) -> dict[str, list[dict[str, Any]]]:
    """{"lines", "worst"} over all chips and operations."""
    lines: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for chip, scored, frame in scores(tables, model_of, say):
        lines += lines_of(chip, scored)
        bad += worst_of(chip, scored, frame)
    return {"lines": lines, "worst": sorted(bad, key=lambda item: -item["size"])[:WORST]}


def page(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown of the operators' accuracy."""
    text = [
        "## Operators",
        "",
        "Newest version of each stack, on the fifth of shapes that no fit has seen (chosen by a hash of the shape).",
        "Errors are |predicted / measured - 1| in per cent; `inside` counts measurements within the stated interval,",
        "which aims at 80 %. Source of the measurements: see NOTICE.",
        "",
        *_table([line for line in found["lines"] if line["stack"] == "all"], ("chip", "operation")),
        "",
        "### By stack and format",
        "",
        *_table([line for line in found["lines"] if line["stack"] != "all"], ("chip", "operation", "stack", "format")),
        "",
        "### Worst cases",
        "",
        "| chip | operation | kernel | predicted us | measured us | shape |",
        "|---|---|---|---|---|---|",
    ]
    for bad in found["worst"]:
        names = f"| {bad['chip']} | {bad['operation']} | {bad['kernel']} "
        times = f"| {bad['predicted_s'] * 1e6:.1f} | {bad['measured_s'] * 1e6:.1f} "
        text.append(f"{names}{times}| {bad['shape']} |")
    return "\n".join(text) + "\n"


def _table(lines: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    header = [*names, "rows", "median", "mean", "P90", "bias", "inside"]
    body = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for line in lines:
        numbers = [f"{100 * line[key]:.1f}" for key in ("median", "mean", "p90", "bias", "within_interval")]
        body.append("| " + " | ".join([*(line[name] for name in names), str(line["rows"]), *numbers]) + " |")
    return body


def transfer_page(lines: list[dict[str, Any]]) -> str:
    """Markdown of the data-sheet laws on chips left out."""
    text = [
        "## Chips never measured",
        "",
        "Each chip is left out of the data-sheet laws once with chips of its family kept (`sibling`), whose residual",
        "it then inherits, and once without. A family is a generation; for attention those that run the same kernels:",
        "FlashAttention-2 on A100, L40S and RTX PRO 6000, none of which has a sibling of its own generation; for",
        "collectives those with the same link. gemm at m, n, k >= 128, the geometric mean of TensorRT-LLM and vLLM;",
        "attention with a bf16 cache; main kernel of each stack, held-out shapes. `inside` counts measurements within",
        "the interval that leaving the other chips out has shown, which aims at 80 %.",
        "",
        "| operation | format | left out | sibling | rows | median | mean | P90 | worst | inside |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        numbers = " | ".join(f"{100 * line[key]:.1f}" for key in ("median", "mean", "p90"))
        names = f"| {line['operation']} | {line['format']} | {line['chip']} | {'yes' if line['sibling'] else 'no'} "
        share = f"{100 * line['within_interval']:.1f}" if line["within_interval"] == line["within_interval"] else ""
        text.append(f"{names}| {line['rows']} | {numbers} | {line['worst_factor']:.2f}x | {share} |")
    return "\n".join(text) + "\n"


def power_page(records: list[dict[str, Any]], check: dict[str, Any] | None) -> str:
    """Markdown of the power fits and of the check against published runs."""
    text = [
        "## Power",
        "",
        "Average power per kernel on held-out shapes, from the shape and the time; errors in per cent.",
        "",
        "| chip | operation | format | stack | rows | median | mean | median above 30 us | mean above 30 us |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for record in records:
        for fit in record["fit"]:
            keys = ("median", "mean", "median_above_30_us", "mean_above_30_us")
            numbers = " | ".join(f"{100 * fit[key]:.1f}" if key in fit else "" for key in keys)
            names = f"| {record['chip']} | {fit['operation']} | {fit['format']} | {fit['stack']} "
            text.append(f"{names}| {fit['held_out_rows']} | {numbers} |")
    if check:
        a100, cap = check["a100"], check["cap"]
        text += [
            "",
            f"A100 rows of the Splitwise measurements ({a100['rows']:.0f} cases, laws never fitted to an A100): "
            f"average power {100 * a100['average_median_error']:.0f} % median error "
            f"(bias {100 * a100['average_bias']:+.0f} %), "
            f"peak {100 * a100['peak_median_error']:.0f} % (bias {100 * a100['peak_bias']:+.0f} %).",
            f"Capped H100, one cap of {cap['cap_w']:.0f} W: prompts take {cap['prompt_ratio_predicted']:.2f} times as "
            f"long (measured {cap['prompt_ratio_measured']:.2f}), tokens {cap['token_ratio_predicted']:.2f} "
            f"(measured {cap['token_ratio_measured']:.2f}).",
        ]
    return "\n".join(text) + "\n"
