"""Output of the serving proof: predictions, report, page, fitted parameters as files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validation.serving.fit import Measured, StackFit
    from validation.serving.replay import Answer, Replayer
    from validation.serving.rows import ServingRow

Progress = Callable[[str], None] | None
NUMBERS = ("median", "mean", "p90", "bias", "spearman")


def answers(
    asks: Replayer,
    rows: Sequence[ServingRow],
    held_out_by: str | None = None,
    progress: Progress = None,
    calibrations: Sequence[Path] = (),
) -> list[Answer]:
    """One answer per row; equal questions are answered once. `held_out_by`: a kind of `serving_fit.LEFT_OUT`.

    `calibrations`: folders of `calibrate-across --leave-out`; each answers for the rows whose part it has not seen.
    """
    from hardware_specs.shelves import own, using
    from validation.serving.replay import Answer
    from validation.serving.shelved import by_folder

    asked = list(dict.fromkeys(row.question for row in rows if row.question is not None))
    seen: dict[Any, Answer] = {}
    for folder, mine in by_folder(asked, calibrations, held_out_by, asks.models).items():
        with using((*([] if folder is None else [folder]), *own())):
            for question in mine:
                seen[question] = _answered(asks, question, held_out_by)
                if progress and len(seen) % 500 == 0:
                    progress(f"{len(seen)} of {len(asked)} questions")
    return [Answer(reason=row.reason) if row.question is None else seen[row.question] for row in rows]


def _answered(asks: Replayer, question: Any, held_out_by: str | None) -> Answer:
    from simcore.errors import InputError
    from validation.serving.inputs import parameters
    from validation.serving.replay import Answer

    try:
        return asks.answer(question, parameters(question, held_out_by))
    except InputError as error:
        return Answer(reason=str(error))


def write_predictions(path: Path, rows: Sequence[ServingRow], found: Sequence[Answer]) -> None:
    """id, ttft_ms, tpot_ms, reason, the 80 % interval of each, the data line from 0; empty numbers where there is a
    reason."""
    from reports.files import write_rows

    bounds = [f"{name}_{end}_ms" for name in ("ttft", "tpot") for end in ("low", "high")]
    lines: list[list[str]] = []
    for at, (row, answer) in enumerate(zip(rows, found, strict=True)):
        if answer.reason or row.question is None:
            lines.append([row.id, "", "", answer.reason, *[""] * len(bounds), str(at)])
            continue
        times_ms = {"ttft": answer.ttft_s * 1e3, "tpot": answer.tpot_s * 1e3}
        ends = [times_ms[name] * end for name in times_ms for end in _band(row.question, name)]
        numbers = [f"{times_ms['ttft']:.4f}", f"{times_ms['tpot']:.5f}"]
        lines.append([row.id, *numbers, "", *(f"{end:.5f}" for end in ends), str(at)])
    write_rows(path, ["id", "ttft_ms", "tpot_ms", "reason", *bounds, "row"], lines)


def report_of(
    rows: Sequence[ServingRow], found: Sequence[Answer], frame: Any, peer: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(report, scored columns): every mode by itself, distinct measurements only, repeats counted."""
    import numpy as np

    from validation.serving.fit import distinct
    from validation.serving.score import score

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


def left_out(
    rows: Sequence[ServingRow], frame: Any, models: Any, progress: Progress = None, calibrations: Sequence[Path] = ()
) -> dict[str, Any]:
    """The aggregated part of the report with whole models, then whole systems, left out: first of the recipes, the
    operators (where calibrations without them are given) and the fit, then of the fit alone."""
    from validation.serving.inputs import replayer
    from validation.serving.shelved import still_seen

    asked = [row.question for row in rows if row.question is not None and row.question.mode == "agg"]
    out = {}
    for kind in ("model", "system"):
        ways = (
            (kind, replayer(kind, models), calibrations, still_seen(asked, calibrations, kind, models)),
            (f"{kind}, its recipe and operators kept", replayer(None, models), (), len(asked)),
        )
        for name, asks, folders, seen in ways:
            if progress:
                progress(f"leaving out each {name}")
            report, scored = report_of(rows, answers(asks, rows, kind, None, folders), frame)
            out[name] = report["agg"] | {"inside_stated": _inside_stated(scored, kind), "still_seen": seen}
    return out


def speculation(question: Any) -> str:
    """Whether the recipe infers speculation for the question."""
    from validation.serving.question import chosen
    from validation.serving.recipes import recipe

    return "inferred" if chosen(recipe(question.stack), question).get("draft_tokens") else "none"


def _coverage(frame: Any, found: Sequence[Answer], mode: str) -> float:
    """Share of a mode's rows that are predicted; disaggregated rows without worker counts do not count."""
    from validation.serving.rows import NO_WORKERS

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

    from validation.serving.measures import grouped

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
    """Share of measurements within 80 % intervals learnt from the other folds of these predictions."""
    import numpy as np

    from validation.serving.fit import fold_of
    from validation.serving.score import coverage_across_folds

    measured = np.array([(row.tpot_s, row.ttft_s) for row in rows])
    logs = np.log(np.stack([tpot_s, ttft_s], axis=1) / measured)
    return coverage_across_folds(rows, logs, np.array([fold_of(row.question) for row in rows]))


def _inside_stated(scored: Mapping[str, Any], part: str) -> dict[str, float]:
    """Share of aggregated measurements within the intervals stated for a strange `part`."""
    import numpy as np

    from validation.serving.score import interval_coverage

    mine = [at for at, row in enumerate(scored["rows"]) if row.question.mode == "agg"]
    out = {}
    for name in ("tpot", "ttft"):
        measured = np.array([getattr(scored["rows"][at], f"{name}_s") for at in mine])
        bands = np.array([_band(scored["rows"][at].question, name, part) for at in mine])
        out[name] = interval_coverage(scored[f"{name}_s"][mine] / measured, bands[:, 0], bands[:, 1])
    return out


def _band(question: Any, name: str, strange: str | None = None) -> tuple[float, float]:
    """The stated 80 % interval of measured / predicted, of a strange model or system where one is left out."""
    from scenarios.stacks import calibrated as fitted
    from validation.serving.score import interval_kind, interval_of

    known = fitted(question.stack)
    bands = known["stranger"][strange] if strange in ("model", "system") else known["interval"]
    return interval_of(bands, interval_kind(question), name)


def _peer(frame: Any, peer: Any, places: list[int], some: list[Any], ttft_s: Any, tpot_s: Any) -> dict[str, Any]:
    """Both tools on the distinct rows that both predict, by mode and stack."""
    import numpy as np

    from validation.serving.measures import errors

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
        print(f"one factor per campaign: {short(part['campaign_factors'])}")
        print(f"choosing: {part['choosing']}")
        print(f"inside the 80 % interval: {part['inside_80']}")


def short(factors: Mapping[str, Any]) -> str:
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
        numbers += [number(found.get(n), n) for n in NUMBERS]
    return [name, value, f"{entry['predicted']}/{entry['rows']}", *numbers]


def number(value: float | None, name: str) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.2f}" if name == "spearman" else f"{100 * value:.1f}"


def numbers_of(served: Any) -> dict[str, float]:
    """What calibration says of a server: fitted seconds and ratios, and the host time that every server has."""
    from validation.serving.fit import FITTED, LAYER

    known = (*FITTED, *LAYER.values(), "host_s", "mixed_host_s")
    found = {name: float(getattr(served, name)) for name in known}
    return {name: value for name, value in found.items() if value or name not in LAYER.values()}


def write_fit(
    path: Path, stack: str, fit: StackFit, rows: Sequence[Measured], interval: Mapping[str, Any], source: str
) -> None:
    """Fitted parameters with where they come from, and what was measured."""
    lines = [
        f'stack = "{stack}"',
        f'source = "{source}, aggregated rows"',
        f"distinct_rows = {len(rows)}",
        f"fitted_rows = {fit.rows}",
        f"curves = {fit.curves}",
        "",
    ]
    lines += ["[parameters]", *(f"{name} = {value:.6g}" for name, value in numbers_of(fit.parameters).items()), ""]
    for kind, parts in fit.without.items():
        for label, by in parts.items():
            numbers = (f"{name} = {value:.6g}" for name, value in numbers_of(by).items())
            lines += [f'[without.{kind}."{label}"]', *numbers, ""]
    for left_out, kinds in interval.items():
        table = "interval" if left_out == "curve" else f"stranger.{left_out}"
        for kind, bands in kinds.items():
            lines.append(f"[{table}.{kind}]")
            lines += [f"{name} = [{low:.4f}, {high:.4f}]" for name, (low, high) in bands.items()]
            lines.append("")
    from reports.files import write_text

    lines += ["[measured]", *(f"{name} = {json.dumps(found)}" for name, found in seen(rows).items()), ""]
    write_text(path, "\n".join(lines))


def seen(rows: Sequence[Measured]) -> dict[str, list[str]]:
    """Architectures and chips of the rows."""
    from scenarios.names import resolve

    models = {resolve("model", row.question.model).value.architecture for row in rows}
    systems = {resolve("system", row.question.system).value.chip.name for row in rows}
    return {"model": sorted(models), "system": sorted(systems)}
