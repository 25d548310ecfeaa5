"""`simcore study`: one scenario, several variants, some keys varied; a table and figures."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    app.command()(study)


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
    from reports.study import write_study

    plan = read(file)
    cases = list(combinations(plan))
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
        if claim := plan.get("claim"):
            print(f"claim: {claim}")


def read(file: Path) -> dict[str, Any]:
    """The parsed study. Raises InputError for a missing file, a wrong schema or missing parts."""
    from simcore.errors import InputError
    from simcore.spec.load import read_toml

    if not file.is_file():
        raise InputError("no such file", file=str(file), fix="give the path of a study TOML")
    plan = read_toml(file.read_text(encoding="utf-8"), str(file))
    if plan.get("schema") != "serving-study/1":
        raise InputError("is not a serving study", file=str(file), key="schema", fix='write schema = "serving-study/1"')
    if "scenario" not in plan:
        raise InputError("is missing", file=str(file), key="scenario", fix="add the base scenario's tables")
    known = {"schema", "name", "title", "claim", "measure", "compare_to", "scenario", "variants", "vary", "figures"}
    for key in plan:
        if key not in known:
            raise InputError("unknown key", file=str(file), key=key, fix=f"known: {', '.join(sorted(known))}")
    plan.setdefault("name", file.stem)
    return plan


def combinations(plan: dict[str, Any]) -> Any:
    """(labels, scenario) of every variant at every combination of varied keys."""
    variants = plan.get("variants") or [{"label": "base", "set": {}}]
    vary = plan.get("vary", {})
    for variant in variants:
        for values in itertools.product(*vary.values()):
            raw = copy.deepcopy(plan["scenario"])
            for key, value in [*variant.get("set", {}).items(), *zip(vary, values, strict=True)]:
                put(raw, key, value)
            yield {"variant": variant["label"], **dict(zip(vary, values, strict=True))}, raw


def put(raw: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key."""
    *parents, last = key.split(".")
    for parent in parents:
        raw = raw.setdefault(parent, {})
    raw[last] = value


def measure(plan: dict[str, Any], raw: dict[str, Any], file: Path) -> dict[str, Any]:
    """One row: the main figures of a run, or the capacity."""
    from scenarios.run import resolve
    from simcore.engine.capacity import highest_rate
    from simcore.engine.metrics import summary
    from simcore.spec.simulation import simulation_from

    raw.setdefault("name", plan["name"])
    ready = resolve(simulation_from(raw, str(file)))
    if ready.infeasible:
        return {"infeasible": ready.infeasible}
    if plan.get("measure", "run") == "capacity":
        found = highest_rate(ready.run, ready.criterion)
        return {"capacity_requests_per_s": found.value * ready.trace.rate_requests_per_s, "runs": found.runs}
    report = summary(ready.run(), ready.slos)
    row = {f"{name}.{key}": report[name][key] for name in ("ttft_s", "tpot_s", "e2e_s") for key in ("p50", "p99")}
    names = ("throughput_tokens_per_s", "cache_hit_ratio", "utilisation_ratio", "preemptions", "attainment_ratio")
    return row | {name: report[name] for name in names if name in report}


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
