"""POLCA (ASPLOS 2024): a row of DGX A100 with 30 % more servers at minimal loss. What do we find, and what decides it?

The published input is the power of an inference row in production: its peak is 79 % of the provisioned power. The busy
share of our servers is chosen to meet that peak with the nameplate 40 servers; everything else follows from the chip's
calibrated power, its clock law and the controller. Run: python examples/studies/polca.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from planners.power.problem import PowerProblem, RowPlan, read_problem
from planners.power.question import curves_of
from planners.power.replay import most_servers, replay
from simcore.engine.power_control import PowerControl

PROBLEM = Path(__file__).resolve().parent.parent / "power-row.toml"
PUBLISHED_ADDED, PUBLISHED_PEAK = 0.30, 0.79


def with_peak(problem: PowerProblem, curves: Any, peak: float) -> PowerProblem:
    """The problem with the utilisation at which the nameplate row peaks at `peak` of its budget (bisection)."""
    low, high = 0.05, 1.0
    for _ in range(18):
        middle = (low + high) / 2
        low, high = (middle, high) if peak_of(used(problem, middle), curves) < peak else (low, middle)
    return used(problem, low)


def used(problem: PowerProblem, utilisation: float) -> PowerProblem:
    return problem.replace(classes=tuple(c.replace(utilisation=utilisation) for c in problem.classes))


def peak_of(problem: PowerProblem, curves: Any) -> float:
    """Peak power over budget of the nameplate row, without control."""
    half = problem.nameplate_servers // 2
    names = [c.name for c in problem.classes]
    row = RowPlan(
        dict(zip(names, (problem.nameplate_servers - half, half), strict=True)), dict.fromkeys(names, 1.0), 40
    )
    free = PowerControl(low_threshold=9.0, high_threshold=9.0)
    return replay(problem, curves, row, free, days=0.5).metrics()["peak_power_ratio"]


def row(title: str, problem: PowerProblem, curves: Any, control: PowerControl) -> str:
    best, found = most_servers(problem, curves, control, days=1.0)
    metrics = found.metrics()
    slow = max(v for k, v in metrics.items() if k.startswith("slowdown_p99_chat"))
    found_text = f"{best.total:4} servers {best.added_ratio:+6.0%}  peak {metrics['peak_power_ratio']:.2f}"
    return f"{title:42} {found_text}  P99 slowdown {slow:.1%}"


def main() -> None:
    problem = read_problem(PROBLEM)
    curves = curves_of(problem)
    base = with_peak(problem, curves, PUBLISHED_PEAK)
    print(f"busy share that gives a nameplate row the published peak of 79 %: {base.classes[0].utilisation:.2f}")
    print(f"{'published':42}   52 servers {PUBLISHED_ADDED:+6.0%}")
    print(row("ours", base, curves, PowerControl()))
    print(row("nameplate row peaks at 70 %", with_peak(problem, curves, 0.70), curves, PowerControl()))
    print(row("nameplate row peaks at 85 %", with_peak(problem, curves, 0.85), curves, PowerControl()))
    print(row("caps take effect in 5 s instead of 40 s", base, curves, PowerControl(cap_latency_s=5.0)))
    print(row("one threshold at 89 %", base, curves, PowerControl(low_threshold=0.89)))
    wild = base.replace(common_load=0.5)
    print(row("servers' loads correlate by 0.5, not 0.1", wild, curves, PowerControl()))


if __name__ == "__main__":
    main()
