"""Output of the serving proof: predictions, report, page, fitted parameters as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simcore.calibration.serving_fit import StackFit
    from simcore.calibration.serving_replay import Answer
    from simcore.calibration.serving_rows import ServingRow

Progress = Callable[[str], None] | None
NUMBERS = ("median", "mean", "p90", "bias", "spearman")


def answers(rows: Sequence[ServingRow], held_out: bool = False, progress: Progress = None) -> list[Answer]:
    """One answer per row; equal questions are answered once."""
    from commands.serving_inputs import parameters, replayer
    from simcore.calibration.serving_fit import fold_of
    from simcore.calibration.serving_replay import Answer
    from simcore.errors import InputError

    asks = replayer()
    seen: dict[Any, Answer] = {}
    out = []
    for number, row in enumerate(rows):
        question = row.question
        if question is None:
            out.append(Answer(reason=row.reason))
            continue
        if question not in seen:
            try:
                by = parameters(question.stack, fold_of(question) if held_out else None)
                seen[question] = asks.answer(question, by)
            except InputError as error:
                seen[question] = Answer(reason=str(error))
        out.append(seen[question])
        if progress and number % 500 == 499:
            progress(f"{number + 1} of {len(rows)} rows")
    return out


def write_predictions(path: Path, rows: Sequence[ServingRow], found: Sequence[Answer]) -> None:
    """id, ttft_ms, tpot_ms, reason: empty numbers where there is a reason."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "ttft_ms", "tpot_ms", "reason"])
        for row, answer in zip(rows, found, strict=True):
            numbers = ["", ""] if answer.reason else [f"{answer.ttft_s * 1e3:.4f}", f"{answer.tpot_s * 1e3:.5f}"]
            writer.writerow([row.id, *numbers, answer.reason])


def report_of(
    rows: Sequence[ServingRow], found: Sequence[Answer], frame: Any, peer: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(report, scored columns): every mode by itself, distinct measurements only, repeats counted."""
    import numpy as np

    from simcore.calibration.serving_fit import distinct
    from simcore.calibration.serving_score import score

    kept = distinct(rows, frame)
    report: dict[str, Any] = {
        "rows": len(rows),
        "predicted": sum(not answer.reason for answer in found),
        "distinct": len(kept),
        "repaired": sum(bool(row.repairs) for row in rows),
        "refused": _reasons(found),
        "repeats": _repeats(kept),
    }
    places = list(kept)
    some = [kept[at] for at in places]
    ttft_s = np.array([found[at].ttft_s for at in places])
    tpot_s = np.array([found[at].tpot_s for at in places])
    for mode in ("agg", "disagg"):
        which = [n for n, row in enumerate(some) if row.question.mode == mode]
        total = sum(str(m) == mode for m in frame["mode"])
        if which:
            more = {"speculation": [speculation(some[n].question) for n in which]}
            report[mode] = score([some[n] for n in which], ttft_s[which], tpot_s[which], more)
            report[mode]["coverage"] = _coverage(frame, found, mode)
            report[mode]["table_rows"] = total
            report[mode]["inside_80"] = _inside([some[n] for n in which], ttft_s[which], tpot_s[which])
    if peer is not None:
        report["peer"] = _peer(frame, peer, places, some, ttft_s, tpot_s)
    return report, {"rows": some, "ttft_s": ttft_s, "tpot_s": tpot_s}


def speculation(question: Any) -> str:
    """Whether the recipe infers speculation for the question."""
    from simcore.calibration.serving_replay import chosen
    from workloads.recipes import recipe

    return "inferred" if chosen(recipe(question.stack), question).get("draft_tokens") else "none"


def _coverage(frame: Any, found: Sequence[Answer], mode: str) -> float:
    """Share of a mode's rows that are predicted; disaggregated rows without worker counts do not count."""
    from simcore.calibration.serving_rows import NO_WORKERS

    some = zip(found, frame["mode"], strict=True)
    mine = [not answer.reason for answer, m in some if m == mode and answer.reason != NO_WORKERS]
    return sum(mine) / max(1, len(mine))


def _reasons(found: Sequence[Answer]) -> dict[str, int]:
    out: dict[str, int] = {}
    for answer in found:
        if answer.reason:
            out[answer.reason] = out.get(answer.reason, 0) + 1
    return out


def _repeats(kept: Mapping[int, Any]) -> dict[str, Any]:
    """Distinct measurements of one curve and load, and how far apart they lie."""
    import numpy as np

    from simcore.calibration.serving_score import grouped

    rows = list(kept.values())
    groups = [g for g in grouped(f"{m.question.curve}|{m.question.users}" for m in rows).values() if len(g) > 1]
    spread = {
        name: [max(getattr(rows[at], name) for at in g) / min(getattr(rows[at], name) for at in g) for g in groups]
        for name in ("ttft_s", "tpot_s")
    }
    return {"configurations_measured_again": len(groups)} | {
        f"{name}_max_over_min": [float(q) for q in np.quantile(values, (0.5, 0.9))] if values else []
        for name, values in spread.items()
    }


def _inside(rows: Sequence[Any], ttft_s: Any, tpot_s: Any) -> dict[str, float]:
    """Share of measurements within the stated 80 % interval."""
    import numpy as np

    from commands.serving_inputs import fitted
    from simcore.calibration.serving_score import interval_coverage

    out = {}
    for name, predicted in (("ttft", ttft_s), ("tpot", tpot_s)):
        measured = np.array([getattr(row, f"{name}_s") for row in rows])
        bands = np.array([_band(fitted(row.question.stack), row.question.is_dense, name) for row in rows])
        out[name] = interval_coverage(predicted / measured, bands[:, 0], bands[:, 1])
    return out


def _band(found: Mapping[str, Any], is_dense: bool, name: str) -> list[float]:
    kinds = found["interval"]
    return list(kinds.get("dense" if is_dense else "experts", next(iter(kinds.values())))[name])


def _peer(frame: Any, peer: Any, places: list[int], some: list[Any], ttft_s: Any, tpot_s: Any) -> dict[str, Any]:
    """Both tools on the distinct rows that both predict, by mode and stack."""
    import numpy as np

    from simcore.calibration.serving_score import errors

    by_id = peer.drop_duplicates("id").set_index("id")
    theirs = by_id.reindex(frame["id"].iloc[places])
    theirs_s = theirs[["aic_ttft_ms", "aic_tpot_ms"]].to_numpy(float) / 1e3
    measured = np.array([(row.ttft_s, row.tpot_s) for row in some])
    labels = {"aggregated": [row.question.mode == "agg" for row in some]}
    labels["disaggregated"] = [row.question.mode == "disagg" for row in some]
    for stack in ("vllm", "trtllm", "sglang"):
        labels[f"aggregated {stack}"] = [r.question.mode == "agg" and r.question.stack == stack for r in some]
    labels["aggregated dense"] = [r.question.mode == "agg" and r.question.is_dense for r in some]
    out = {}
    for name, which in labels.items():
        both = np.array(which) & np.isfinite(tpot_s) & np.isfinite(theirs_s).all(axis=1)
        out[name] = {
            "ours": {
                "ttft": errors(ttft_s[both] / measured[both, 0]),
                "tpot": errors(tpot_s[both] / measured[both, 1]),
            },
            "other": {
                "ttft": errors(theirs_s[both, 0] / measured[both, 0]),
                "tpot": errors(theirs_s[both, 1] / measured[both, 1]),
            },
        }
    return out


def print_report(report: Mapping[str, Any]) -> None:
    """Tables on the terminal."""
    from commands.terminal import print_table

    print(f"{report['rows']} rows, {report['predicted']} predicted")
    for reason, count in report.get("refused", {}).items():
        print(f"  refused {count}: {reason}")
    header = ["by", "value", "rows", *(f"{m} {n}" for m in ("TPOT", "TTFT") for n in NUMBERS)]
    for mode in ("agg", "disagg"):
        if mode not in report:
            continue
        part = report[mode]
        body = [_line("all", "", part["all"])]
        for name in ("kind", "speculation", "stack", "system", "model", "users", "client"):
            body += [_line(name, value, entry) for value, entry in part[name].items()]
        print_table(header, body, title=f"{mode}: coverage {part['coverage']:.1%}", left=("by", "value"))
        print(f"one factor per campaign: {_short(part['campaign_factors'])}")
        print(f"choosing: {part['choosing']}")
        print(f"inside the 80 % interval: {part['inside_80']}")


def _short(factors: Mapping[str, Any]) -> str:
    parts = []
    for kind, entry in factors.items():
        for name in ("tpot", "ttft"):
            found = entry[name]
            if found.get("rows"):
                parts.append(f"{kind} {name} {found['median']:.1%} / {found['p90']:.1%} ({found['rows']:.0f} rows)")
    return "; ".join(parts)


def _line(name: str, value: str, entry: Mapping[str, Any]) -> list[str]:
    numbers = []
    for metric in ("tpot", "ttft"):
        found = entry[metric]
        numbers += [_number(found.get(n), n) for n in NUMBERS]
    return [name, value, f"{entry['predicted']}/{entry['rows']}", *numbers]


def _number(value: float | None, name: str) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.2f}" if name == "spearman" else f"{100 * value:.1f}"


def write_page(path: Path, report: Mapping[str, Any], held_out: bool) -> None:
    """The page of docs/accuracy: errors by group, and both tools on the same rows."""
    lines = [
        "## Serving",
        "",
        "Errors are |predicted / measured - 1| in per cent, median / P90, on distinct measurements. "
        + ("Each curve is predicted with parameters fitted without its fold." if held_out else "Shipped parameters."),
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
    lines += ["### Refused", ""]
    lines += [f"* {count} rows: {reason}" for reason, count in report["refused"].items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


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
            cells += [_percents(found), _number(found.get("bias"), "bias"), _number(found.get("spearman"), "spearman")]
        lines.append(f"| {name} | {value} | {entry['predicted']} of {entry['rows']} | " + " | ".join(cells) + " |")
    choice = part["choosing"]
    return [
        *lines,
        "",
        f"One factor per campaign: {_short(part['campaign_factors'])}.",
        "",
        f"Choosing, {choice['groups']} groups: first choice within 5 % of the best throughput per chip in "
        f"{choice['first_choice_good']:.0%}; median rank correlation TPOT {choice['tpot_spearman_median']:.3f}, "
        f"TTFT {choice['ttft_spearman_median']:.3f}.",
        "",
        f"Inside the 80 % interval: TPOT {part['inside_80']['tpot']:.0%}, TTFT {part['inside_80']['ttft']:.0%}.",
        "",
    ]


def write_fit(path: Path, stack: str, fit: StackFit, rows: int, interval: Mapping[str, Any], source: str) -> None:
    """Fitted parameters with where they come from."""
    from dataclasses import asdict

    lines = [
        f'stack = "{stack}"',
        f'source = "{source}, aggregated rows"',
        f"distinct_rows = {rows}",
        f"fitted_rows = {fit.rows}",
        f"curves = {fit.curves}",
        "",
    ]
    lines += ["[parameters]", *(f"{name} = {value:.6g}" for name, value in asdict(fit.parameters).items()), ""]
    for by in fit.without_fold:
        lines += ["[[without_fold]]", *(f"{name} = {value:.6g}" for name, value in asdict(by).items()), ""]
    for kind, bands in interval.items():
        lines.append(f"[interval.{kind}]")
        lines += [f"{name} = [{low:.4f}, {high:.4f}]" for name, (low, high) in bands.items()]
        lines.append("")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
