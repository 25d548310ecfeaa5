"""`simcore plan power`: how many servers a row's power budget feeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from commands.asked import LEAST_S, Json, Pictures, Quiet


def refuse(answer: Any, as_json: bool) -> NoReturn:
    """No plan keeps what is asked: an answer, with exit code 1."""
    from commands.terminal import print_json

    reason = "; ".join(answer.explanation)
    print_json({**answer.as_dict(), "feasible": False, "reason": reason}) if as_json else print(reason)
    raise typer.Exit(1)


FILES = ("plan.json", "plan-power.html")


def add_to(plan: typer.Typer) -> None:
    plan.command("power")(power)


def power(
    problem: Annotated[Path, typer.Argument(help="Problem file (TOML or JSON); see examples/power-row.toml.")],
    seed: Annotated[int, typer.Option(help="Seed of the scenarios.", min=0)] = 0,
    days: Annotated[float, typer.Option(help="Days to simulate under control.", min=0.01)] = 2.0,
    time_limit: Annotated[float | None, typer.Option(help="CPU seconds for the integer program.", min=LEAST_S)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plan.json and plan-power.html.")] = None,
    pictures: Pictures = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Oversubscribe a row's power under a chance constraint.

    Servers, mix and clocks; then the row over days with a controller.
    """
    from commands.terminal import print_json
    from planners.power import plan, robustness
    from planners.power.problem import read_problem
    from planners.power.question import curves_of
    from planners.power.replay import most_servers, replay
    from reports.output import claim
    from reports.power import page_of
    from simcore.engine.power_control import PowerControl

    claim(out, FILES)
    question = read_problem(problem)
    curves = curves_of(question)
    answer = plan(question, curves, seed=seed, time_limit_s=time_limit)
    if answer.plan is None:
        refuse(answer, as_json)
    control = PowerControl()
    static = replay(question, curves, answer.plan, control, days=days, seed=seed)
    reactive, controlled = most_servers(question, curves, control, days=min(days, 1.0), seed=seed)
    named = (("planned", answer.plan, static), ("most under control", reactive, controlled))
    rows = [in_order(name, row, over_days.metrics()) for name, row, over_days in named]
    over = robustness.risks(question, curves, answer.plan, seed)
    told = {"rows": rows, "risk_over": [vars(one) for one in over], "words": robustness.in_words(question, over)}
    result = {**answer.as_dict(), **told, "servers": answer.plan.servers, "clock_ratio": answer.plan.clock_ratio}
    if out is not None:
        days_of = [(name, over_days) for name, _, over_days in named]
        page = page_of(problem.stem, result, days_of, risks(question, curves, answer.plan.total))
        write(out, result, page, pictures)
    if as_json:
        print_json(result)
    elif not quiet:
        show(question, answer, rows, over)
        if out is not None:
            print(f"page: {out / 'plan-power.html'}")


def risks(question: Any, curves: Any, planned: int) -> list[tuple[int, float]]:
    """(servers, probability of exceeding the budget at the peak hour) around the plan, at the top clock."""
    from planners.power.replay import _row
    from planners.power.scenarios import busy_shares
    from planners.power.solve import exceedance

    fresh = busy_shares(question, 5_000, 99)
    return [
        (n, exceedance(question, curves, _row(question, n), fresh)) for n in range(max(planned - 10, 1), planned + 11)
    ]


def in_order(name: str, row: Any, metrics: dict[str, float]) -> dict[str, Any]:
    """A row's figures, the share of the time that it is capped first: it is what the added servers cost."""
    sizes = {"servers": row.total, "added_ratio": row.added_ratio}
    return {"row": name, "capped_share": metrics["capped_share"], **sizes, **metrics}


def show(question: Any, answer: Any, rows: list[dict[str, Any]], over: list[Any]) -> None:
    """The plan in words, its risk where loads are otherwise, and both rows side by side."""
    from commands.terminal import print_table
    from planners.power.robustness import in_words

    parts = ", ".join(
        f"{n} {name} at {answer.plan.clock_ratio[name]:.0%} clock" for name, n in answer.plan.servers.items()
    )
    print(
        f"nameplate {question.nameplate_servers} servers; "
        f"planned {answer.plan.total} ({answer.plan.added_ratio:+.0%}): {parts}"
    )
    planned = rows[0]
    print(
        f"capped {planned['capped_share']:.1%} of the time under a controller, "
        f"{planned['seconds_over_budget']:.0f} s over the budget, {planned['brakes']:.0f} brakes"
    )
    risk = answer.metrics["out_of_sample_risk"]
    print(f"risk on fresh scenarios {risk:.2%} (stated {question.risk:.2%}); {answer.status}, {answer.cpu_s:.2f} CPU s")
    print(in_words(question, over))
    risk_table(over)
    names = [name for name in rows[0] if name != "row"]
    cells = [[name.replace("_", " "), *(f"{row[name]:.4g}" for row in rows)] for name in names]
    print_table(["over simulated days", *(row["row"] for row in rows)], cells, left=("over simulated days",))


def risk_table(over: list[Any]) -> None:
    """A row per correlation, a column per busy share."""
    from commands.terminal import print_table

    busy = sorted({one.busy_ratio for one in over})
    by_place = {(one.common_load, one.busy_ratio): one.risk for one in over}
    loads = sorted({one.common_load for one in over})
    cells = [[f"{load:g}", *(f"{by_place[load, ratio]:.1%}" for ratio in busy)] for load in loads]
    print_table(["correlation", *(f"busy x {ratio:g}" for ratio in busy)], cells, "risk at the peak hour")


def write(out: Path, result: dict[str, Any], page: Any, pictures: bool) -> None:
    """plan.json and the page, as one set."""
    from reports.files import write_text
    from reports.output import output_folder
    from reports.page import write_page

    with output_folder(out, "plan power", FILES) as stage:
        write_text(stage / "plan.json", json.dumps(result, indent=1))
        write_page(stage, "plan-power.html", page, pictures)
