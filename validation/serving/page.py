"""The page of docs/accuracy on serving: errors by group, hold-outs of whole parts, both tools on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from validation.serving.report import number, short


def write_page(path: Path, report: Mapping[str, Any], held_out_by: str | None) -> None:
    """The page of docs/accuracy: errors by group, and both tools on the same rows."""
    lines = [
        "## Serving",
        "",
        "Errors are |predicted / measured - 1| in per cent, median / P90, on distinct measurements. "
        + (
            f"Each {held_out_by} is predicted with parameters fitted without it."
            if held_out_by
            else "Shipped parameters."
        ),
        "",
        f"{report['rows']} rows, {report['predicted']} predicted, {report['distinct']} distinct measurements, "
        f"{report['repaired']} rows repaired by rule.",
        "",
    ]
    repeats = report["repeats"]
    lines += [
        f"Measured more than once with different results: {repeats['configurations_measured_again']} "
        f"configurations; largest over smallest, median and P90: TPOT {_pair(repeats['tpot_s_max_over_min'])}, "
        f"TTFT {_pair(repeats['ttft_s_max_over_min'])}.",
        "",
    ]
    for mode, title in (("agg", "Aggregated"), ("disagg", "Disaggregated, workers stated")):
        if mode in report:
            lines += _mode_lines(report[mode], title)
    if "peer" in report:
        lines += [
            "### Ours and aiconfigurator 0.12.0 on the same rows",
            "",
            "| rows | count | ours TPOT | theirs TPOT | ours TTFT | theirs TTFT |",
            "|---|---|---|---|---|---|",
        ]
        for name, entry in report["peer"].items():
            cells = [_percents(entry[who][metric]) for metric in ("tpot", "ttft") for who in ("ours", "other")]
            lines.append(f"| {name} | {entry['ours']['tpot'].get('rows', 0):.0f} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += _left_out_lines(report.get("left_out", {}))
    lines += ["### Refused", ""]
    lines += [f"* {count} rows: {reason}" for reason, count in report["refused"].items()]
    from reports.files import write_text

    write_text(path, "\n".join(lines) + "\n")


def _choosing_lines(choice: Mapping[str, Any]) -> list[str]:
    """Good first choices by every reading of configuration and bound."""
    return [
        f"Choosing, {choice['groups']} groups of at least eight rows; median rank correlation TPOT "
        f"{choice['tpot_spearman_median']:.3f}, TTFT {choice['ttft_spearman_median']:.3f}. First choice within 5 % of "
        "the best throughput per chip:",
        "",
        "| a configuration is | TPOT bound | questions | good first choice |",
        "|---|---|---|---|",
        f"| a row (plan and load) | median of the group's rows | {choice['groups']} "
        f"| {choice['first_choice_good']:.0%} |",
        f"| a row, of those that really keep the bound | the same | {choice['groups']} "
        f"| {choice['first_choice_among_met']:.0%} |",
        f"| a row | 5, 7, 10, 15, 20, 30, 50, 70, 100 ms | {choice['round_bounds']} "
        f"| {choice['first_choice_round_bounds']:.0%} |",
        f"| a plan, its load free | median of the group's rows | {choice['plan_groups']} "
        f"| {choice['first_plan_good']:.0%} |",
        f"| a plan, its load free | 5 to 100 ms as above | {choice['plan_round_bounds']} "
        f"| {choice['first_plan_round_bounds']:.0%} |",
    ]


def _left_out_lines(left_out: Mapping[str, Any]) -> list[str]:
    """Aggregated errors when whole models or systems are left out of the fit."""
    if not left_out:
        return []
    lines = [
        "### Whole models and systems left out",
        "",
        "Aggregated rows; serving parameters fitted without the row's model or system. First with nothing of it kept:",
        "no recipe rule that names the model, no row of its experts in any operator table, no table of the chip",
        "(siblings kept); `still seen` counts rows whose operators had seen it all the same. Then as a known one with",
        "the fit alone left out.",
        "",
        "| left out | TPOT | TTFT | dense TPOT | dense TTFT | campaign factors TPOT | TTFT | "
        "good first choice: rows | plans | inside the stated interval TPOT | TTFT | still seen |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, part in left_out.items():
        entries = (part["all"], part["kind"]["dense"], part["campaign_factors"]["all"])
        cells = [_percents(entry[metric]) for entry in entries for metric in ("tpot", "ttft")]
        cells += [f"{part['choosing'][name]:.0%}" for name in ("first_choice_good", "first_plan_good")]
        cells += [f"{part['inside_stated'][name]:.0%}" for name in ("tpot", "ttft")]
        cells.append(str(part["still_seen"]))
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _pair(values: Sequence[float]) -> str:
    return " and ".join(f"{v:.2f}" for v in values)


def _percents(found: Mapping[str, float]) -> str:
    return f"{100 * found['median']:.1f} / {100 * found['p90']:.1f}" if found.get("rows") else ""


def _mode_lines(part: Mapping[str, Any], title: str) -> list[str]:
    lines = [
        f"### {title}: coverage {part['coverage']:.1%} ({part['table_rows']} rows in all)",
        "",
        "| by | value | rows | TPOT | bias | Spearman | TTFT | bias | Spearman |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    entries = [("all", "", part["all"])]
    for name in ("kind", "speculation", "client", "stack", "system", "model", "users"):
        entries += [(name, value, entry) for value, entry in part[name].items()]
    for name, value, entry in entries:
        cells = []
        for metric in ("tpot", "ttft"):
            found = entry[metric]
            cells += [_percents(found), number(found.get("bias"), "bias"), number(found.get("spearman"), "spearman")]
        lines.append(f"| {name} | {value} | {entry['predicted']} of {entry['rows']} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        f"One factor per campaign: {short(part['campaign_factors'])}.",
        "",
        *_choosing_lines(part["choosing"]),
        "",
        f"Inside 80 % intervals learnt from the other folds: TPOT {part['inside_80']['tpot']:.0%}, "
        f"TTFT {part['inside_80']['ttft']:.0%}.",
        "",
    ]
