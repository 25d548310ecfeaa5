"""The answer of `size` in words, as table rows, and as one flat object."""

from __future__ import annotations

from typing import Any

from planners.sizing.sized import MOST_REPLICAS, Candidate, Sized, rank
from simcore.spec.plan_part import PlanPart
from simcore.spec.scenario import Scenario
from simcore.unit_text import seconds

HEADER = ("plan", "replicas", "chips", "USD/h", "tokens/s/chip", "at bounds", "TTFT p50", "TPOT p50", "kept", "verdict")
"""`at bounds`: tokens/s/chip where they are reached, by which plans are ranked"""
TOLD_EDGE = 1.05
"""times the load that was tried: where the bounds are reached is told from there on"""


def money(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def degrees(one: Candidate) -> str:
    """A plan in one line.

    A degree of one is not told; tp always is.
    """
    said = [f"{name} {degree}" for name, degree in one.plan.items() if degree > 1 or name == "tp"]
    said += [f"{key.rpartition('.')[2]} {value}" for key, value in one.other.items()]
    load = "" if one.users is None else f", {one.users} user{'s' if one.users > 1 else ''}"
    return f"{one.system} {' '.join(said)}{load}"


def verdict(found: Sized, one: Candidate) -> str:
    """Why a candidate is not the answer, or that it is."""
    if one is found.best:
        return "recommended"
    if not one.meets:
        return "misses the bounds"
    if not found.affordable(one):
        return "above the budget"
    return {"usd_per_hour": "dearer", "usd_per_million_tokens": "dearer per token"}.get(found.by, "less per chip")


def row(found: Sized, one: Candidate) -> list[str]:
    """The cells of `HEADER`."""
    answer = one.answer
    return [
        degrees(one),
        str(one.replicas),
        str(one.chips),
        money(one.usd_per_hour),
        f"{one.tokens_per_chip_s:.0f}",
        "-" if one.edge.users is None else f"{one.tokens_per_chip_s * one.edge.output_ratio:.0f}",
        seconds(answer.get("ttft_p50_s")),
        seconds(answer.get("tpot_p50_s")),
        f"{100 * (answer.get('attainment_ratio') or 0.0):.1f} %",
        verdict(found, one),
    ]


def in_words(found: Sized) -> list[str]:
    """The answer: what to take, how sure, the runner-up, the nearest miss, what would change it."""
    best = found.best
    if best is None:
        return [nothing(found)]
    load = f"{found.rate_per_s:.4g} requests/s" if found.rate_per_s is not None else f"{best.users} users per replica"
    price = "" if best.usd_per_hour is None else f", {best.usd_per_hour:.2f} USD/h"
    count = f"{best.replicas} x {degrees(best)}" if found.rate_per_s is not None else degrees(best)
    lines = [f"Take {count}: {best.chips} chip{'s' * (best.chips > 1)}{price} for {load}."]
    lines.append(figures(found, best))
    if best.edge.users is not None and best.users is not None and best.edge.users >= TOLD_EDGE * best.users:
        lines.append(f"The bounds are reached at about {best.edge.users:.0f} users.")
    lines += intervals(best)
    if found.runner_up is not None:
        lines.append(f"Runner-up: {compared(found, best, found.runner_up)}.")
    if found.nearest_miss is not None:
        miss = found.nearest_miss
        why = verdict(found, miss)
        lines.append(f"Nearest miss: {degrees(miss)} {why} ({100 * (miss.answer.get('attainment_ratio') or 0):.0f} %).")
    lines += [changed(change) for change in found.changes]
    start = start_of(found, best)
    told = {"Start each replica with": start, "Measure it with": bench_of(found, best)}
    lines += [f"{what}: {command}" for what, command in told.items() if command is not None]
    return lines + other_checkpoint(found, best, start)


def other_checkpoint(found: Sized, one: Candidate, start: str | None) -> list[str]:
    """That the command needs a checkpoint in the plan's format, where its flags do not say the format."""
    scenario, _, _ = deployed(found, one)
    asked = scenario.plan.weights if isinstance(scenario.plan, PlanPart) else None
    if start is None or asked is None or "--quantization" in start:
        return []
    return [f"Its weights are {asked}: name a checkpoint that has them in the command."]


def figures(found: Sized, one: Candidate) -> str:
    """Its times, and how far they keep the bounds."""
    answer = one.answer
    words = {"p50": "median", "p90": "p90"}
    if found.question.means:
        words = {"mean": "mean", **words}
    told = []
    for name in ("ttft", "tpot"):
        times = (f"{seconds(answer.get(f'{name}_{key}_s'))} {word}" for key, word in words.items())
        told.append(f"{name.upper()} {', '.join(times)}")
    kept = f"{100 * (answer.get('attainment_ratio') or 0.0):.1f} % of requests keep both bounds"
    means = ", both means do" if found.question.means and one.meets else ""
    return f"{'; '.join(told)}; {kept}{means}."


def deployed(found: Sized, one: Candidate) -> tuple[Scenario, str, tuple[str, ...]]:
    """(scenario, stack, names of the model) of a candidate."""
    from scenarios.names import resolve

    model = resolve("model", found.question.model, found.question.folder).value
    return found.scenario(one), str(one.answer.get("stack") or ""), (model.name, *model.aliases)


def start_of(found: Sized, one: Candidate) -> str | None:
    """The server's own command for one replica; None where the stack has no server or its flags cannot say the plan."""
    from scenarios.launch.written import launch_command

    return launch_command(*deployed(found, one))


def bench_of(found: Sized, one: Candidate) -> str | None:
    """The command that measures it under the mean lengths and the load asked for; None as for `start_of`."""
    from scenarios.launch.manifest import bench_command
    from scenarios.traffic import traffic_of

    scenario, stack, names = deployed(found, one)
    trace = traffic_of(scenario)
    load = {"input_tokens": float(trace.input_tokens.mean()), "output_tokens": float(trace.output_tokens.mean())}
    load |= {"requests": float(len(trace))}
    load |= {"users": float(one.users or 1)} if found.rate_per_s is None else {"rate_per_s": found.rate_per_s}
    return bench_command(scenario, stack, names, load)


def manifest_of(found: Sized, one: Candidate) -> str | None:
    """Its Kubernetes manifest; None where there is none."""
    from scenarios.launch.manifest import manifest
    from scenarios.resolved import find

    system, _ = find("system", one.system, found.question.place, "--on")
    return manifest(*deployed(found, one), one.replicas, system.chips_per_node)


def compared(found: Sized, best: Candidate, other: Candidate) -> str:
    """Another candidate against the best, by what decides; without a rate where the bounds are reached."""
    value, least = rank(other, found.by)[0], rank(best, found.by)[0]
    ratio = value / least if least else 1.0
    what = {"usd_per_hour": "the cost", "usd_per_million_tokens": "the cost per token"}.get(
        found.by, "the tokens per chip"
    )
    more = f"{ratio:.2f} x {what}"
    return f"{other.replicas} x {degrees(other)}, {more}"


def intervals(one: Candidate) -> list[str]:
    """How far off such predictions were where they were measured."""
    parts = [
        f"mean {name.removesuffix('_mean_s').upper()} {seconds(low)} to {seconds(high)}"
        for name, (low, high) in sorted(one.intervals.items(), reverse=True)
    ]
    return [f"Four of five such predictions would be measured within {' and '.join(parts)}."] if parts else []


def changed(change: dict[str, Any]) -> str:
    """What a relaxed bound would buy."""
    plan = " ".join(f"{name} {change[name]}" for name in ("tp", "pp", "attention_dp", "ep") if change.get(name, 1) > 1)
    what = f"{change['bound'].upper()} up to {seconds(change['limit_s'])}"
    saved = f"{100 * (1 - change['cost_ratio']):.0f} %"
    return f"With {what} it would be {change['system']} {plan or 'tp 1'}, {saved} cheaper (by the analytic engine)."


def nothing(found: Sized) -> str:
    """Why there is no answer, and the least that would be one."""
    if found.feasible == 0:
        fix = "larger chips, a node with more of them, or a smaller format (--set plan.weights=fp8)"
        return f"No plan fits in memory: name {fix}."
    miss = found.nearest_miss
    if miss is None:
        return "No plan meets the bounds."
    if miss.meets:
        price = money(miss.usd_per_hour)
        return f"Nothing within the budget: the cheapest that keeps the bounds is {degrees(miss)}, {price} USD/h."
    if found.rate_per_s is not None and miss.answer.get("ttft_p50_s") is None:
        return f"No plan keeps the bounds at {found.rate_per_s:.4g} requests/s, with up to {MOST_REPLICAS} replicas."
    answer, share = miss.answer, 100 * (miss.answer.get("attainment_ratio") or 0)
    times = f"TTFT {seconds(answer.get('ttft_p50_s'))}, TPOT {seconds(answer.get('tpot_p50_s'))}"
    return f"No plan keeps the bounds. Nearest: {degrees(miss)}, {times}; {share:.0f} % of requests keep both."


def flat(found: Sized) -> dict[str, Any]:
    """For JSON."""

    def told(one: Candidate | None) -> dict[str, Any] | None:
        if one is None:
            return None
        own = {"system": one.system, **one.plan, "replicas": one.replicas, "users": one.users, "chips": one.chips}
        more = {"usd_per_hour": one.usd_per_hour, "meets": one.meets, "scenario": dict(one.changes)}
        more |= {"edge_users": one.edge.users, "edge_output_ratio": one.edge.output_ratio}
        more |= {f"estimate_{name}": value for name, value in one.estimate.items()}
        return own | more | one.answer | {"intervals": one.intervals}

    return {
        "answer": " ".join(in_words(found)),
        "by": found.by,
        "rate_requests_per_s": found.rate_per_s,
        "evaluated": found.evaluated,
        "feasible": found.feasible,
        "recommended": told(found.best),
        "runner_up": told(found.runner_up),
        "nearest_miss": told(found.nearest_miss),
        "candidates": [told(one) for one in found.candidates],
        "changes": list(found.changes),
        "launch": None if found.best is None else start_of(found, found.best),
        "bench": None if found.best is None else bench_of(found, found.best),
        "manifest": None if found.best is None else manifest_of(found, found.best),
        "notes": list(found.notes),
    }
