"""`simcore study FILE` of schema serving-study/1, read for one more release: variants, a table, figures."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer


def study(
    file: Annotated[Path, typer.Argument(help="Study file (TOML, schema serving-study/1); see examples/studies/.")],
    out: Annotated[Path | None, typer.Option(help="Folder for table.csv, table.md and figures.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """Simulate the variants of a study and tabulate them.

    A study measures a run, or the capacity under its SLO; see examples/studies/.
    """
    from commands.terminal import print_json, print_table, progress
    from reports.output import claim
    from reports.study import NAMES, write_study

    claim(out, NAMES)
    plan = read(file)
    cases = list(combinations(plan, file))
    rows = []
    with progress(quiet or as_json, plan["name"]) as update:
        for number, (labels, raw) in enumerate(cases):
            rows.append(labels | measure(plan, raw, file))
            update(number + 1, len(cases))
    add_ratios(plan, rows)
    if out is not None:
        write_study(out, plan, rows)
    if as_json:
        print_json({"name": plan["name"], "rows": rows, "claim": plan.get("claim")})
    elif not quiet:
        header = list(dict.fromkeys(key for row in rows for key in row))
        print_table(header, [[cell(row.get(key)) for key in header] for row in rows], title=plan.get("title", ""))
        if says := plan.get("claim"):
            print(f"claim: {says}")
        print("note: serving-study/1 is read for one more release; docs/studies-form.md says what takes its place")


def read(file: Path) -> dict[str, Any]:
    """The parsed study. Raises InputError for a missing file, a wrong schema or missing parts."""
    from simcore.errors import InputError
    from simcore.spec.base import name_of
    from simcore.spec.load import read_file

    plan = read_file(file, "serving study")
    if plan.get("schema") != "serving-study/1":
        raise InputError("is not a serving study", file=str(file), key="schema", fix='write schema = "serving-study/1"')
    if "scenario" not in plan:
        raise InputError("is missing", file=str(file), key="scenario", fix="add the base scenario's tables")
    known = {"schema", "name", "title", "claim", "measure", "compare_to", "scenario", "variants", "vary", "figures"}
    for key in plan:
        if key not in known:
            raise InputError("unknown key", file=str(file), key=key, fix=f"known: {', '.join(sorted(known))}")
    plan.setdefault("name", name_of(file))
    checked(plan, file)
    return plan


KNOWN = {
    "variants": ("label", "set"),
    "figures": ("x", "y", "x_label", "y_label", "title", "scale"),
}
"""table -> the keys of each of its entries"""


def checked(plan: dict[str, Any], file: Path) -> None:
    """Raise InputError for a part of the wrong kind, and for two variants of one label."""
    from simcore.errors import InputError

    def refuse(what: str, key: str, fix: str) -> NoReturn:
        raise InputError(what, file=str(file), key=key, fix=fix)

    for key in ("name", "title", "claim", "measure", "compare_to"):
        if not isinstance(plan.get(key, ""), str):
            refuse("is not a text", key, "write it in quotes")
    for key in ("scenario", "vary"):
        if not isinstance(plan.get(key, {}), dict):
            refuse("is not a table", key, f"write [{key}]")
    for key in ("variants", "figures"):
        if not isinstance(plan.get(key, []), list) or not all(isinstance(v, dict) for v in plan.get(key, [])):
            refuse("is not a list of tables", key, f"write [[{key}]]")
    for table, known in KNOWN.items():
        for number, one in enumerate(plan.get(table, [])):
            for key in set(one) - set(known):
                refuse("unknown key", f"{table}.{number}.{key}", f"known: {', '.join(known)}")
    for number, variant in enumerate(plan.get("variants", [])):
        if not isinstance(variant.get("label"), str) or not isinstance(variant.get("set", {}), dict):
            refuse(
                "needs a label and a table `set`", f"variants.{number}", 'write label = "a" and set = { KEY = VALUE }'
            )
    labels = [variant["label"] for variant in plan.get("variants", [])]
    if len(set(labels)) < len(labels):
        refuse("two variants have the same label", "variants", "give each its own")
    for key, values in plan.get("vary", {}).items():
        if not isinstance(values, list) or not values or not all(isinstance(v, str | int | float) for v in values):
            refuse("is not a list of values", f"vary.{key}", "write it in brackets")
        if len(set(values)) < len(values):
            refuse("names a value twice", f"vary.{key}", "name each once")
    for number, one in enumerate(plan.get("figures", [])):
        if not all(isinstance(one.get(key), str) for key in ("x", "y")):
            refuse("needs x and y", f"figures.{number}", "name two columns of the table")
        if one.get("scale", "linear") not in ("linear", "log"):
            refuse(f"{one['scale']!r} is no scale", f"figures.{number}.scale", "use linear or log")


def combinations(plan: dict[str, Any], file: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(labels, scenario's tables) of every variant at every combination of varied keys."""
    from simcore.spec.scenario import put

    variants = plan.get("variants") or [{"label": "base", "set": {}}]
    vary = plan.get("vary", {})
    for variant in variants:
        for values in itertools.product(*vary.values()):
            raw = copy.deepcopy(plan["scenario"])
            for key, value in [*variant.get("set", {}).items(), *zip(vary, values, strict=True)]:
                put(raw, key, value, str(file))
            yield {"variant": variant["label"], **dict(zip(vary, values, strict=True))}, raw


def scenario_of(plan: dict[str, Any], raw: dict[str, Any], file: Path) -> Any:
    """The scenario of one row; its tables are of scenario/1 unless they say otherwise."""
    from scenarios.migrate import is_old, migrated
    from scenarios.read import from_raw

    raw.setdefault("name", plan["name"])
    return from_raw(migrated(raw, str(file)) if is_old(raw) else raw, str(file))


def measure(plan: dict[str, Any], raw: dict[str, Any], file: Path) -> dict[str, Any]:
    """One row: the main figures of a run, or the capacity."""
    from scenarios.report import report
    from scenarios.run import ready as prepared
    from simcore.engine.capacity import highest_rate

    ready = prepared(scenario_of(plan, raw, file))
    if ready.infeasible:
        return {"infeasible": ready.infeasible}
    if plan.get("measure", "run") == "capacity":
        found = highest_rate(ready.run, ready.criterion)
        return {"capacity_requests_per_s": found.value * ready.trace.rate_requests_per_s, "runs": found.runs}
    told = report(ready.run(), ready)
    row = {f"{name}.{key}": told[name][key] for name in ("ttft_s", "tpot_s", "e2e_s") for key in ("p50", "p99")}
    names = ("throughput_tokens_per_s", "cache_hit_ratio", "utilisation_ratio", "preemptions", "attainment_ratio")
    return row | {name: told[name] for name in names if name in told}


def add_ratios(plan: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Capacity over that of the variant named `compare_to`, at equal varied keys."""
    base = plan.get("compare_to")
    if base is None:
        return
    vary = list(plan.get("vary", {}))
    reference = {tuple(r[k] for k in vary): r.get("capacity_requests_per_s") for r in rows if r["variant"] == base}
    for row in rows:
        other = reference.get(tuple(row[k] for k in vary))
        if other and row.get("capacity_requests_per_s"):
            row[f"over_{base}"] = row["capacity_requests_per_s"] / other


def cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
