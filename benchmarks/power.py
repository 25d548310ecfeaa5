"""Power planning: CPU seconds of one row with 1,000 scenarios, and its risk on fresh ones."""

from __future__ import annotations

from pathlib import Path

PROBLEM = Path(__file__).resolve().parent.parent / "examples" / "power-row.toml"


def figures() -> dict[str, float]:
    from planners.power import plan
    from planners.power.problem import read_problem
    from planners.power.question import curves_of

    problem = read_problem(PROBLEM)
    answer = plan(problem, curves_of(problem))
    return {
        "power_row_cpu_s": answer.cpu_s,
        "power_out_of_sample_risk_percent": 100 * answer.metrics["out_of_sample_risk"],
        "power_servers_added_percent": 100 * answer.metrics["added_ratio"],
    }
