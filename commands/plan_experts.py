"""`simcore plan experts`: which chip holds which expert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.asked import LEAST_S, Json, Pictures, Quiet

FILES = ("placement.json", "sglang.json", "vllm-ascend.json", "plan-experts.html")


def add_to(plan: typer.Typer) -> None:
    plan.command("experts")(experts)


def experts(
    problem: Annotated[Path | None, typer.Argument(help="Problem file (TOML or JSON).")] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Routing trace [tokens, layers, k]: .npy, .parquet or .json.")
    ] = None,
    chips: Annotated[int | None, typer.Option(help="Chips.", min=1)] = None,
    nodes: Annotated[int, typer.Option(help="Nodes that the chips divide over.", min=1)] = 1,
    slots: Annotated[int | None, typer.Option(help="Expert copies per layer, all chips; default one each.")] = None,
    load_cap: Annotated[float | None, typer.Option(help="Busiest chip over the mean, at most.")] = None,
    method: Annotated[
        str, typer.Option(help="auto, heuristic, local, spectral, chain, ilp, exact, eplb, exflow or round-robin.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the search and of the held-out half.", min=0)] = 0,
    time_limit: Annotated[
        float | None, typer.Option(help="CPU seconds; the best found so far is kept.", min=LEAST_S)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for placement.json, the servers' own files and plan-experts.html.")
    ] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Place experts on chips: balance against traffic.

    With a lower bound, baselines, and the score on a held-out half of the trace.
    """
    from commands.plan_power import refuse
    from commands.terminal import print_json
    from planners.experts import place
    from planners.experts.compare import comparison
    from planners.experts.question import ExpertQuestion, problem_of, read_question
    from reports.output import claim
    from simcore.errors import InputError
    from simcore.spec.load import build

    claim(out, FILES)
    if problem is not None:
        refuse_beside_a_file({"trace": trace, "chips": chips, "nodes": nodes - 1, "slots": slots, "load-cap": load_cap})
        question, folder = read_question(problem), problem.parent
    else:
        if trace is None or chips is None:
            raise InputError("nothing to place", fix="give a problem file, or --trace and --chips")
        flags = {"trace": str(trace), "chips": chips, "nodes": nodes, "slots": slots, "load_cap_ratio": load_cap}
        question, folder = build(ExpertQuestion, flags, "command line"), Path()
    case, routing = problem_of(question, folder)
    answer = place(case, method, seed=seed, time_limit_s=time_limit)
    if answer.plan is None:
        refuse(answer, as_json)
    rows = comparison(case, answer, routing, seed)
    if out is not None:
        title = str(problem or trace)
        write(out, case, (title, answer, rows), pictures)
    if as_json:
        print_json({**answer.as_dict(), "comparison": rows})
    elif not quiet:
        show(answer, rows, out)


def refuse_beside_a_file(options: dict[str, Any]) -> None:
    """Options that say what a problem file says. Raises InputError where one is given."""
    from simcore.errors import InputError

    given = [f"--{name}" for name, value in options.items() if value]
    if given:
        raise InputError("stands in the problem file", key=given[0], fix="write it there, or give no file")


def show(answer: Any, rows: list[dict[str, Any]], out: Path | None) -> None:
    """The answer beside the baselines."""
    from commands.terminal import print_table

    print(
        f"{answer.method}: objective {answer.objective:.4f}, bound {answer.lower_bound:.4f}, "
        f"gap {answer.gap_ratio:.1%}, {answer.status}, {answer.cpu_s:.2f} CPU s"
    )
    names = [name for name in rows[0] if name != "method"]
    print_table(
        ["method", *names], [[row["method"], *(_number(row.get(n)) for n in names)] for row in rows], left=("method",)
    )
    print(
        "load: busiest chip over the mean (step time of plain expert parallelism); cut: routed pairs that change chip"
    )
    print("(hops of context-coherent parallelism); fan-out: chips a token visits per layer (traffic of plain dispatch)")
    if out is not None:
        print(f"page: {out / 'plan-experts.html'}")


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}"


def write(out: Path, case: Any, told: tuple[str, Any, list[dict[str, Any]]], pictures: bool) -> None:
    """placement.json, the servers' files and the page, as one set; `told`: title, answer, rows."""
    from planners.experts.routing import routed, share_of_slot
    from planners.experts.servers import sglang, vllm_ascend
    from reports.experts import page_of
    from reports.files import write_text
    from reports.output import output_folder
    from reports.page import write_page

    title, answer, rows = told
    with output_folder(out, "plan experts", FILES) as stage:
        shared = share_of_slot(answer.plan, routed(case, answer.plan)).round(9).tolist()
        plain = {"share_of_slot": shared} if case.slot_count > case.experts else {}
        plain |= {"expert_of_slot": answer.plan.expert_of_slot.tolist(), **answer.as_dict(), "comparison": rows}
        write_text(stage / "placement.json", json.dumps(plain))
        write_text(stage / "sglang.json", json.dumps(sglang(answer.plan)))
        write_text(stage / "vllm-ascend.json", json.dumps(vllm_ascend(answer.plan)))
        write_page(stage, "plan-experts.html", page_of(title, answer, rows, figures(case, answer, rows)), pictures)


def figures(case: Any, answer: Any, rows: list[dict[str, Any]]) -> list[Any]:
    """Loads and traffic before and after, balance against traffic."""
    from planners.experts import place
    from planners.experts.metrics import chip_loads, flows, padded_share
    from planners.experts.solve import frontier
    from reports.experts import balance, loads, traffic

    before = place(case, "round-robin").plan
    shares = [padded_share(plan, case.experts) for plan in (before, answer.plan) if plan is not None]
    found: list[Any] = loads([chip_loads(case.loads, share) for share in shares])
    if case.transitions is None:
        return found
    found += traffic([flows(case, share).mean(axis=0) for share in shares])
    return [*found, balance([a.metrics for a in frontier(case) if a.plan is not None], rows)]
