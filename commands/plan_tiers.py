"""`simcore plan tiers`: which tier holds what, and what is streamed."""

from __future__ import annotations

from typing import Any

import typer

from commands.asked import File, Html, Json, Quiet, Set, asked


def add_to(plan: typer.Typer) -> None:
    plan.command("tiers")(tiers)


def tiers(scenario: File, changes: Set = None, html: Html = None, quiet: Quiet = False, as_json: Json = False) -> None:
    """Place weights, routed experts and KV in the tiers of chip and node, for the shortest decode step.

    With a lower bound; the step's seconds are those of the task engine, copies one layer ahead.
    """
    from commands.terminal import print_json, print_table
    from planners.tiers.question import question
    from planners.tiers.solve import solve

    base = asked(scenario, changes)
    problem = question(base)
    found = solve(problem)
    held = {one.name: one.held_bytes for one in problem.classes}
    if found is None:
        need, have = sum(held.values()), sum(tier.capacity_bytes for tier in problem.tiers)
        reason = f"does not fit: all tiers together need {need / 1e9:.1f} GB per chip and have {have / 1e9:.1f} GB"
        answer: dict[str, Any] = {"verb": "plan tiers", "feasible": False, "reason": reason}
    else:
        all_main_s = problem.layers * problem.layer_s
        answer = {"verb": "plan tiers", "feasible": True, "all_main_step_s": all_main_s, **found.as_dict()}
    if html is not None:
        from reports.page import write_own_page
        from reports.small_plans import refused, tiers_page

        title = base.title or base.name
        no = found is None
        page = refused("plan tiers", title, answer["reason"]) if no else tiers_page(title, problem, found, all_main_s)
        write_own_page(html, page, (scenario,))
    if as_json:
        print_json(answer)
    elif found is None:
        print(answer["reason"])
    elif not quiet:
        names = [tier.name for tier in problem.tiers]
        rows = zip(problem.classes, found.shares.tolist(), strict=True)
        body = [[c.name, f"{c.held_bytes / 1e9:.1f}", *(f"{share:.1%}" for share in row)] for c, row in rows]
        print_table(["class", "GB per chip", *names], body, "share of each class", ("class",))
        print(
            f"step {found.step_s * 1e3:.3f} ms, bound {found.bound_s * 1e3:.3f} ms, gap {found.gap_ratio:.1%}; "
            f"{answer['all_main_step_s'] * 1e3:.3f} ms if the main tier held all"
        )
    if found is None:
        raise typer.Exit(1)
