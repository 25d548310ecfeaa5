"""The chance-constrained integer program, and its risk on scenarios that it has not seen.

    max   sum_c,f value_c (1 - slowdown_c,f) n_c,f
    s.t.  v + 1/(risk S) sum_s xi_s <= budget,  xi_s >= sum n_c,f P_c,f(busy_s) - v       (CVaR, Rockafellar and
          n_c,f <= N z_c,f,  sum_f z_c,f = 1,  sum n <= N,                                  Uryasev 2000)
          |n_c - share_c n| <= 1,  sum n P_brake <= budget

CVaR at the stated risk bounds the probability of exceeding the budget from above. Classes whose slowdown at a clock
exceeds what they tolerate lose that clock.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from planners.answer import Answer, Clock, Status, infeasible
from planners.power.curves import ServerCurve
from planners.power.problem import PowerProblem, RowPlan, Work
from planners.power.scenarios import busy_shares
from planners.program import Program, values

Floats = NDArray[np.float64]
FRESH_SCENARIOS = 20_000
MARGINS = (1.0, 0.995, 0.99, 0.98, 0.97, 0.95)
"""budgets tried, over the stated one, until fresh scenarios confirm the risk"""


def plan(
    problem: PowerProblem, curves: Mapping[Work, ServerCurve], *, seed: int = 0, time_limit_s: float | None = None
) -> Answer[RowPlan]:
    """Servers, mix and clocks of a row. The objective is minus the value; the risk is confirmed on fresh scenarios."""
    clock = Clock(time_limit_s)
    reasons = clashes(problem, curves)
    if reasons:
        return infeasible("cvar", seed, clock, *reasons)
    fresh = busy_shares(problem, FRESH_SCENARIOS, seed + 1)
    best: Answer[RowPlan] | None = None
    for margin in MARGINS:
        found = solve(problem, curves, margin, seed, clock)
        if found.plan is None:
            return found if best is None else best
        risk = exceedance(problem, curves, found.plan, fresh)
        best = confirmed(found, problem, curves, risk, fresh)
        if risk <= problem.risk or clock.over:
            break
    assert best is not None
    return best


def clashes(problem: PowerProblem, curves: Mapping[Work, ServerCurve]) -> list[str]:
    """Constraints that cannot hold together, in words."""
    found = []
    for kind in problem.classes:
        if not allowed(problem, curves, kind.work, kind.most_slowdown):
            found.append(f"class {kind.name}: every clock slows it by more than {kind.most_slowdown:.0%}")
    if not found and problem.budget_w < min(curves[k.work].idle_w for k in problem.classes):
        found.append(f"the budget of {problem.budget_w:.0f} W is below the idle power of one server")
    return found


def allowed(problem: PowerProblem, curves: Mapping[Work, ServerCurve], work: Work, most_slowdown: float) -> list[float]:
    """Clocks that a class tolerates for good."""
    return [f for f in problem.clock_ratios if curves[work].slowdown(f) <= most_slowdown + 1e-9]


def solve(
    problem: PowerProblem, curves: Mapping[Work, ServerCurve], margin: float, seed: int, clock: Clock
) -> Answer[RowPlan]:
    """One program with the budget scaled by `margin`."""
    options = [(c, f) for c, k in enumerate(problem.classes) for f in allowed(problem, curves, k.work, k.most_slowdown)]
    busy = busy_shares(problem, problem.scenarios, seed)
    watts = np.stack([curves[problem.classes[c].work].power_w(f, busy[:, c]) for c, f in options], axis=1)
    program = Program("power")
    servers = program.variables(len(options), "Integer", 0.0, float(problem.most_servers))
    chosen = program.variables(len(options))
    tail(program, watts, servers, problem.budget_w * margin / 1e3, problem.risk)
    structure(program, problem, options, servers, chosen)
    brake = [curves[problem.classes[c].work].busy_w(problem.brake_clock_ratio) / 1e3 for c, _ in options]
    program.at_most(list(zip(brake, servers, strict=True)), problem.budget_w * margin / 1e3)
    worth = [problem.classes[c].value * (1.0 - curves[problem.classes[c].work].slowdown(f)) for c, f in options]
    program.minimise([(-w, n) for w, n in zip(worth, servers, strict=True)])
    solved = program.solve(clock.left_s, gap_ratio=1e-3)
    if solved.status not in ("optimal", "feasible"):
        reason = (
            "the mix, the space and the budget leave no number of servers"
            if solved.status == "infeasible"
            else solved.status
        )
        return infeasible("cvar", seed, clock, reason)
    counts, picked = np.round(values(servers)).astype(int), values(chosen) > 0.5
    names = [k.name for k in problem.classes]
    row = RowPlan(
        {
            name: int(sum(n for (c, _), n in zip(options, counts, strict=True) if c == i))
            for i, name in enumerate(names)
        },
        {names[c]: f for (c, f), on in zip(options, picked, strict=True) if on},
        problem.nameplate_servers,
        problem.rows,
    )
    status: Status = "optimal" if solved.status == "optimal" else "time limit"
    return Answer(row, solved.objective, min(solved.bound, solved.objective), "cvar", seed, clock.cpu_s, status)


def tail(program: Program, watts: Floats, servers: NDArray[np.object_], budget_kw: float, risk: float) -> None:
    """CVaR of the row's power stays within the budget; kilowatts keep the numbers near one."""
    scenarios = len(watts)
    level = program.variables(1, "Continuous", 0.0, None)[0]
    excess = program.variables(scenarios, "Continuous", 0.0, None)
    for s in range(scenarios):
        power = [(w / 1e3, n) for w, n in zip(watts[s], servers, strict=True)]
        program.at_most([*power, (-1.0, level), (-1.0, excess[s])], 0.0)
    program.at_most([(1.0, level), *((1.0 / (risk * scenarios), x) for x in excess)], budget_kw)


def structure(
    program: Program,
    problem: PowerProblem,
    options: list[tuple[int, float]],
    servers: NDArray[np.object_],
    chosen: NDArray[np.object_],
) -> None:
    """One clock per class, the mix within one server, the space."""
    for (_, _), n, z in zip(options, servers, chosen, strict=True):
        program.at_most([(1.0, n), (-float(problem.most_servers), z)], 0.0)
    program.at_most([(1.0, n) for n in servers], problem.most_servers)
    for index, kind in enumerate(problem.classes):
        mine = [i for i, (c, _) in enumerate(options) if c == index]
        program.equal([(1.0, chosen[i]) for i in mine], 1.0)
        off = [((1.0 if i in mine else 0.0) - kind.share, n) for i, n in enumerate(servers)]
        program.at_most(off, 1.0)
        program.at_least(off, -1.0)


def row_power_w(problem: PowerProblem, curves: Mapping[Work, ServerCurve], row: RowPlan, busy: Floats) -> Floats:
    """Power of the row in each scenario, [scenarios]."""
    return np.asarray(
        sum(
            row.servers[k.name] * curves[k.work].power_w(row.clock_ratio[k.name], busy[:, i])
            for i, k in enumerate(problem.classes)
        )
    )


def exceedance(problem: PowerProblem, curves: Mapping[Work, ServerCurve], row: RowPlan, busy: Floats) -> float:
    """Share of scenarios above the budget."""
    return float((row_power_w(problem, curves, row, busy) > problem.budget_w).mean())


def confirmed(
    found: Answer[RowPlan], problem: PowerProblem, curves: Mapping[Work, ServerCurve], risk: float, fresh: Floats
) -> Answer[RowPlan]:
    """The answer with what fresh scenarios say of it."""
    assert found.plan is not None
    power = row_power_w(problem, curves, found.plan, fresh)
    metrics = {
        "out_of_sample_risk": risk,
        "mean_power_ratio": float(power.mean() / problem.budget_w),
        "p99_power_ratio": float(np.quantile(power, 0.99) / problem.budget_w),
        "added_ratio": found.plan.added_ratio,
    }
    for kind in problem.classes:
        metrics[f"slowdown_{kind.name}"] = curves[kind.work].slowdown(found.plan.clock_ratio[kind.name])
    return Answer(
        found.plan, found.objective, found.lower_bound, found.method, found.seed, found.cpu_s, found.status, (), metrics
    )
