"""The answer of `size`: the best plans of the analytic engine, replayed one by one in the event engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.load import rate_of
from planners.sizing.loads import MOST_REQUESTS, Asked, Edge, bounds_of, keeps, under_users
from planners.sizing.question import REQUESTS, SizeQuestion
from planners.sizing.shortlist import CHOICE, LOAD, Estimated, estimated
from planners.sweep import case_of_row, prepare
from planners.whatif.assumed import Moved, assumed
from scenarios.capacity import capacity
from scenarios.resolved import find
from scenarios.simulate import simulate
from scenarios.traffic import traffic_of
from simcore.engine.metrics import request_metrics
from simcore.errors import InputError
from simcore.result import Result, frame
from simcore.spec.scenario import Scenario
from simcore.unit_text import seconds

BEST = 12
"""plans that are replayed"""
INSIDE = 0.8
"""of measurements of such predictions lie in an interval"""
FEW = 3
"""of the nearest, where no plan is within the bounds"""
MOST_REPLICAS = 512
SPANS = 8
"""answers that arrivals last for, so that a queue which grows is seen"""
DRAFTED = "plans were shortlisted without drafts, as the analytic engine knows none, and replayed with them"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Candidate:
    """One plan, replayed."""

    system: str
    plan: dict[str, int]
    replicas: int
    users: int | None
    """in flight per replica, without a rate"""
    chips: int
    meets: bool
    usd_per_hour: float | None
    """of all its chips"""
    answer: dict[str, Any]
    """the flat answer of `simulate`"""
    estimate: dict[str, float]
    """ttft_s and tpot_s of the analytic engine"""
    other: dict[str, Any]
    """what was chosen beside system and degrees: keys of the scenario"""
    changes: dict[str, Any]
    """keys of the scenario that ask for it"""
    edge: Edge
    """of the bounds, without a rate"""
    row: int
    """of the grid, by which it was chosen"""

    @property
    def intervals(self) -> dict[str, list[float]]:
        """Means in seconds between which four of five such predictions lie, all of them at once."""
        told = self.answer.get("intervals") or {}
        return joint(told) if len(told) > 1 else told

    @property
    def tokens_per_chip_s(self) -> float:
        """Output tokens per chip and second."""
        return float(self.answer.get("throughput_per_chip_tokens_per_s") or 0.0)


def joint(told: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Intervals of which each alone holds in four of five, widened so that all at once do.

    Each must then hold in 0.8^(1/n) of cases, as if their errors were normal in logarithms and independent (Sidak's
    correction): half widths grow by a ratio of quantiles. Wrong where errors go together, then wider than needed.

    >>> {name: [round(v, 3) for v in ends] for name, ends in joint({"a": [0.8, 1.25], "b": [1.0, 2.0]}).items()}
    {'a': [0.754, 1.326], 'b': [0.913, 2.191]}
    """
    normal, each = NormalDist(), INSIDE ** (1.0 / max(len(told), 1))
    grow = normal.inv_cdf(0.5 + each / 2.0) / normal.inv_cdf(0.5 + INSIDE / 2.0)
    middles = {name: math.sqrt(low * high) for name, (low, high) in told.items()}
    return {
        name: [middles[name] * (end / middles[name]) ** grow for end in ends] if middles[name] > 0.0 else [*ends]
        for name, ends in told.items()
    }


@dataclass(frozen=True)
class Sized:
    """What was found."""

    question: SizeQuestion
    rate_per_s: float | None
    grid: Estimated
    """every plan and load by the analytic engine"""
    candidates: tuple[Candidate, ...]
    """replayed plans, best first: those that meet the bounds, then the others"""
    changes: tuple[dict[str, Any], ...] = ()
    """what would change the answer"""
    notes: tuple[str, ...] = ()

    @property
    def by(self) -> str:
        """What decides: usd_per_hour, usd_per_million_tokens or throughput_per_chip_tokens_per_s."""
        return self.grid.by

    @property
    def evaluated(self) -> int:
        """Plans and loads that were priced."""
        return len(self.grid.table)

    @property
    def feasible(self) -> int:
        """Those that fit in memory."""
        return int(self.grid.table.feasible.sum())

    @property
    def best(self) -> Candidate | None:
        """The recommendation; None where no replayed plan meets the bounds (and the budget)."""
        return next((one for one in self.candidates if one.meets and self.affordable(one)), None)

    @property
    def runner_up(self) -> Candidate | None:
        """The best of another system or other degrees."""
        best = self.best
        others = (one for one in self.candidates if one is not best and one.meets and self.affordable(one))
        return None if best is None else next(others, None)

    @property
    def nearest_miss(self) -> Candidate | None:
        """The plan that misses by least, or costs least above the budget."""
        return next((one for one in self.candidates if not (one.meets and self.affordable(one))), None)

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row per replayed plan, best first."""
        from planners.sizing.words import HEADER, row

        rows = [row(self, one) for one in self.candidates]
        return frame(dict(zip(HEADER, zip(*rows, strict=True), strict=True)) if rows else {})

    def _repr_html_(self) -> str:
        """The answer in words and the replayed plans, for a notebook."""
        from planners.sizing.words import in_words

        words = "".join(f"<p>{escape(line)}</p>" for line in in_words(self))
        return f"{words}{self.to_frame()._repr_html_()}"

    def estimates(self, chosen: Sequence[Candidate]) -> list[Result]:
        """Candidates as the analytic engine sees their plans and loads, with breakdowns."""
        found = []
        for one in chosen:
            apart = self.grid.apart[int(self.grid.table[CHOICE][one.row])]
            sweep = prepare(self.question.priced({**apart, "vary": {LOAD: [1]}}))
            found.append(sweep.evaluator.one(case_of_row(self.grid.table.row(one.row), list(sweep.groups()))))
        return found

    def assumed(self, one: Candidate) -> list[Moved]:
        """Assumed numbers of a candidate's hardware, the one that moves its steady state most first."""
        asked = {**self.grid.choice(one.row), LOAD: int(self.grid.table["batch"][one.row])}
        return assumed(self.question.priced(asked))

    def latencies(self, one: Candidate) -> dict[str, NDArray[np.float64]]:
        """Seconds of every request of a candidate, served once more, by latency."""
        run = simulate(self.scenario(one)).run
        return {} if run is None else request_metrics(run)

    def affordable(self, one: Candidate) -> bool:
        """Whether it lies within the budget."""
        budget, price = self.question.budget_usd_per_hour, one.usd_per_hour
        return budget is None or (price is not None and price <= budget)

    def scenario(self, one: Candidate) -> Scenario:
        """The scenario that asks for a candidate, for every other verb."""
        return self.question.scenario(one.changes)


def size(question: SizeQuestion, progress: Progress | None = None, replayed: Progress | None = None) -> Sized:
    """Shortlist by `estimate`, decide by `simulate`. Raises InputError.

    The analytic engine prices every plan at 20 loads; of each plan the best load within the bounds is kept. The best
    dozen are replayed: with a rate, the fewest replicas that keep the bounds are searched; without, the most users of
    one replica. Wrong where a plan that the analytic engine puts outside the bounds would keep them in a replay: bursts
    and long tails move both engines apart (see docs/accuracy.md).
    """
    rate = offered(question)
    found = estimated(question, rate, progress)
    rows = found.shortlist(BEST, FEW)
    kept = []
    for number, row in enumerate(rows):
        kept.append(candidate(question, found, row, rate))
        if replayed is not None:
            replayed(number + 1, len(rows))
    ordered = sorted(
        kept, key=lambda one: rank(one, found.by) if one.meets else (math.inf, excess(one, found, question))
    )
    told = tuple(dict.fromkeys(note for one in kept for note in one.answer.get("notes", ())))
    told += (DRAFTED,) if found.drafts else ()
    return Sized(question, rate, found, tuple(ordered), tuple(found.what_would_change()), told)


def rank(one: Candidate, by: str) -> tuple[float, ...]:
    """What is least for the best: `by` of the replay, output per chip with its sign turned; then chips and TPOT.

    Loads are tried in steps: output and cost per token are those at the edge of the bounds, between two of them.
    """
    value = one.usd_per_hour if by == "usd_per_hour" else one.answer.get(by)
    more = one.edge.output_ratio
    first = math.inf if value is None else -float(value) * more if by.startswith("throughput") else float(value) / more
    return first, one.chips, float(one.answer.get("tpot_mean_s") or 0.0)


def excess(one: Candidate, found: Estimated, question: SizeQuestion) -> float:
    """How many times over its bounds a candidate is, at the median, or the mean where that is bound."""
    which = "mean" if question.means else "p50"
    over = ((one.answer.get(f"{name}_{which}_s"), bound) for name, bound in bounds_of(found))
    return max((value / bound for value, bound in over if value is not None), default=math.inf)


def offered(question: SizeQuestion) -> float | None:
    """Requests per second that arrive; None where a replica is kept busy instead."""
    if not question.is_open:
        return None
    for key, said in (("--means", question.means), ("offer", question.offer)):
        if said:
            raise InputError("is for users, not for arrivals at a rate", key=key, fix="leave one of them out")
    return question.rate_per_s or rate_of(question.scenario({}))


def candidate(question: SizeQuestion, found: Estimated, row: int, rate: float | None) -> Candidate:
    """A row of the analytic engine, replayed under arrivals or users."""
    plan = found.plan(row)
    system = str(plan.pop("system"))
    chosen, plain = found.choice(row), {f"plan.{name}": 1 for name in plan}
    said = {key: value for key, value in chosen.items() if value != plain.get(key) or key in question.settings}
    asked = (under_users if rate is None else under_rate)(question, said, found, row)
    changes, users, replicas, answer, edge = asked
    return Candidate(
        system=system,
        plan=plan,
        replicas=max(replicas, 1),
        users=users,
        chips=max(replicas, 1) * math.prod(int(found.table[name][row]) for name in ("tp", "pp", "attention_dp", "cp")),
        meets=replicas > 0 and keeps(found, answer, question),
        usd_per_hour=finite(found.table["usd_per_hour"][row] * max(replicas, 1)),
        answer=answer,
        estimate={name: float(found.table[name][row]) for name in ("ttft_s", "tpot_s")},
        other={key: value for key, value in said.items() if key not in plain and key != "hardware.system"},
        changes=changes,
        edge=edge,
        row=row,
    )


def finite(value: Any) -> float | None:
    """A price; None where the chip has none."""
    return float(value) if np.isfinite(value) else None


def under_rate(question: SizeQuestion, said: dict[str, Any], found: Estimated, row: int) -> Asked:
    """The fewest replicas that keep the bounds; none where no number does.

    Arrivals must last for several answers, or a burst is judged in place of a rate. Where that takes more requests than
    are replayed, a part of the rate is served by that part of the replicas, rounded up.
    """
    least_s = SPANS * float(found.table["e2e_s"][row])
    if "trace" in question.traffic:
        own = rate_of(question.scenario({}))
        faster = 1.0 if question.rate_per_s is None or not own else question.rate_per_s / own
        return by_replay(question, said, {} if faster == 1.0 else {"traffic.rate_scale": faster}, 1.0, least_s)
    rate = question.rate_per_s or 1.0
    requests = max(math.ceil(rate * least_s), REQUESTS)
    part = min(MOST_REQUESTS / requests, 1.0)
    load = {"traffic.requests": min(requests, MOST_REQUESTS), "traffic.rate_per_s": question.rate_per_s}
    return by_replay(question, said, load, part, least_s)


def by_replay(question: SizeQuestion, said: dict[str, Any], load: dict[str, Any], part: float, least_s: float) -> Asked:
    """The fewest replicas by replays of a part of the rate."""
    slower = {} if part == 1.0 else {"traffic.rate_per_s": load["traffic.rate_per_s"] * part}
    asked = question.scenario({**said, **load, **slower})
    answer = capacity(asked, "replicas", most=MOST_REPLICAS)
    count = int(answer.get("replicas") or 0)
    apart = asked.plan.attention_dp == 1 and (part < 1.0 or not count or "fleet" in copies(question, asked, count))
    if apart:
        count, answer = by_servers(asked, answer)
    replicas = math.ceil(count / part)
    told = []
    if part < 1.0:
        told.append(f"a part of {part:.2g} of the rate was replayed on that part of the replicas")
    elif "trace" in question.traffic and (span_s := traffic_of(asked).arrival_s[-1]) < least_s:
        told.append(f"the trace lasts {seconds(float(span_s))} at that rate, {SPANS} answers last {seconds(least_s)}: "
                    "a longer one may need more")  # fmt: skip
    scenario = question.scenario({**said, **load})
    changes = {**said, **load, **(servers(replicas) if apart else copies(question, scenario, replicas))}
    return changes, None, replicas, answer | {"notes": [*answer.get("notes", ()), *told]}, Edge()


def by_servers(asked: Scenario, answer: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """(servers, the flat answer) where one server does not hold all copies, or its front end is too slow for them."""
    found = capacity(asked.set(servers(1)), "replicas", most=MOST_REPLICAS)
    count = int(found.get("replicas") or 0)
    return (count, simulate(asked.set(servers(count))).flat) if count else (0, answer)


def servers(count: int) -> dict[str, Any]:
    """Keys that ask for so many servers side by side."""
    return {"fleet": {"pools": [{"name": "serving", "count": count}]}}


def copies(question: SizeQuestion, scenario: Scenario, replicas: int) -> dict[str, Any]:
    """Keys that ask for so many replicas: `plan.dp` within the named hardware, else a pool of several such systems."""
    if replicas < 2 or scenario.hardware is None:
        return {}
    system, _ = find("system", scenario.hardware.system, question.place, "--on")
    plan = scenario.plan
    if replicas * plan.replica_chips <= system.max_chips or plan.attention_dp > 1:
        return {"plan.dp": replicas}
    return servers(replicas)
