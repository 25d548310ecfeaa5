"""How many users a plan serves within its bounds: replays at rising loads, and the edge between two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from planners.sizing.question import SizeQuestion
from planners.sizing.shortlist import Estimated
from scenarios.simulate import simulate

WAVES, MOST_FEW, MOST_REQUESTS = 12, 200, 6000
"""requests per user, and their bounds: the users' first requests, which start at once, must not decide alone"""
OUTPUT = "throughput_per_chip_tokens_per_s"


@dataclass(frozen=True)
class Edge:
    """Where the bounds are reached, between the last load that keeps them and the first that does not."""

    users: float | None = None
    """None where no load tried was too much"""
    output_ratio: float = 1.0
    """output there over that of the last load"""


Replay = tuple[dict[str, Any], dict[str, Any]]
"""(keys of the scenario, the flat answer)"""
Asked = tuple[dict[str, Any], int | None, int, dict[str, Any], Edge]
"""(keys of the scenario, users, replicas, the flat answer, the edge of the bounds)"""


def bounds_of(found: Estimated) -> tuple[tuple[str, float], ...]:
    """(figure, its bound in seconds)."""
    return ("ttft", found.ttft_s), ("tpot", found.tpot_s)


def margin(found: Estimated, answer: dict[str, Any], question: SizeQuestion) -> float:
    """By how much an answer keeps its bounds, below zero where it does not: of shares the share beyond the one that is
    asked for, of means the logarithm of the bound over the mean that is nearer to its own."""
    if not question.means:
        return float(answer.get("attainment_ratio") or 0.0) - question.attainment
    means = [(answer.get(f"{name}_mean_s"), bound) for name, bound in bounds_of(found)]
    return min((math.log(bound / value) if value else -math.inf for value, bound in means), default=-math.inf)


def keeps(found: Estimated, answer: dict[str, Any], question: SizeQuestion) -> bool:
    """Whether enough requests keep the bounds, or the means over all requests do."""
    return margin(found, answer, question) >= 0.0


def under_users(question: SizeQuestion, said: dict[str, Any], found: Estimated, row: int) -> Asked:
    """The most users of one replica within the bounds, searched from what the analytic engine allows."""
    loads, answers = found.loads(row), dict[int, Replay]()

    def at(place: int) -> Replay:
        users = loads[place]
        if users not in answers:
            requests = min(max(MOST_FEW, WAVES * users), MOST_REQUESTS)
            changes = {**said, "traffic.users": users, "traffic.requests": requests}
            changes |= question.offered({**found.choice(row), "traffic.users": users}) or {}
            answers[users] = changes, simulate(question.scenario(changes)).flat
        return answers[users]

    def spare(place: int) -> float:
        return margin(found, at(place)[1], question)

    place = loads.index(int(found.table["batch"][row]))
    while spare(place) >= 0.0 and place + 1 < len(loads) and spare(place + 1) >= 0.0:
        place += 1
    while spare(place) < 0.0 and place > 0:
        place -= 1
    changes, answer = at(place)
    edge = Edge()
    if spare(place) >= 0.0 and place + 1 < len(loads):
        edge = between(loads[place : place + 2], (spare(place), spare(place + 1)), (answer, at(place + 1)[1]))
    return changes, loads[place], 1, answer, edge


def between(loads: list[int], margins: tuple[float, float], answers: tuple[dict[str, Any], dict[str, Any]]) -> Edge:
    """Where the margin is zero, along the logarithm of the load, as is output.

    >>> between([100, 200], (0.1, -0.1), ({OUTPUT: 10.0}, {OUTPUT: 12.1}))
    Edge(users=141.4213562373095, output_ratio=1.1)
    """
    share = margins[0] / (margins[0] - margins[1]) if math.isfinite(margins[1]) else 0.0
    output = [float(answer.get(OUTPUT) or 0.0) for answer in answers]
    more = output[1] / output[0] if output[0] > 0.0 else 1.0
    return Edge(loads[0] * (loads[1] / loads[0]) ** share, max(more, 1.0) ** share)
