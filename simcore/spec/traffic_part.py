"""The [traffic] of a scenario and its [slo]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from simcore.spec.base import MOST_COUNT, Count, Spec
from simcore.units import Seconds

MOST_REQUESTS = 10_000_000
"""generated ones, which are held in memory with their answers: 4 GB"""
MOST_TURNS = 2_000_000
"""requests of generated sessions, every turn and copy counted"""
Tokens = Annotated[float, Field(gt=0, le=MOST_COUNT)]
LengthsPart = Count | tuple[Count, Count] | dict[str, Tokens]


def check_quantiles(points: dict[str, float]) -> None:
    """Raise ValueError for what are no quantiles: probabilities from 0 to 1 with lengths that do not fall."""
    try:
        known = sorted((float(name), tokens) for name, tokens in points.items())
    except ValueError:
        known = []
    if not known or not all(0 <= at <= 1 for at, _ in known):
        raise ValueError('are no quantiles: write for example { "0.1" = 559, "0.5" = 575 }')
    lengths = [tokens for _, tokens in known]
    if sorted(lengths) != lengths:
        raise ValueError("the lengths of the quantiles fall")


class SharedPrefixPart(Spec):
    """Prompts begin with one of `prompts` system prompts of `tokens` tokens, round after round."""

    tokens: Count
    """of a system prompt"""
    prompts: Count = 1
    """different system prompts"""
    per_prompt: Count = 1
    """users per system prompt, each with the rest of a prompt of his own that repeats; 1: whole prompts repeat"""


class TrafficPart(Spec):
    """A trace file, or generated requests; open loop by rate, or a closed loop of users."""

    trace: str | None = None
    """a file, relative to the scenario; $NAME is taken from the environment"""
    form: str | None = None
    """format of the trace, a file of `workloads/traces`; None: found by its columns' names"""
    columns: dict[str, str] = Field(default_factory=dict)
    """of a trace: role (arrival, input, output, session, turn, class, hashes) -> name of its column"""
    time_unit: Literal["s", "ms", "us", "ns", "min", "h"] | None = None
    """of numeric arrivals of a trace; None: as its columns or its format say"""
    hash_tokens: Count | None = None
    """input tokens that one prefix hash of a trace covers; None: as its format says or its hashes agree with"""
    rate_scale: float = Field(default=1.0, gt=0)
    """arrivals come so many times as fast"""
    input_scale: float = Field(default=1.0, gt=0)
    """of a trace: prompts are so many times as long"""
    output_scale: float = Field(default=1.0, gt=0)
    """of a trace: answers are so many times as long"""
    head: Count | None = None
    """of a trace: only its first so many requests; None: all"""
    name: str | None = None
    """lengths of a named traffic"""
    input_tokens: LengthsPart | None = None
    """a fixed length, a uniform range [low, high], or quantiles { "0.1" = 559, "0.5" = 575 }"""
    output_tokens: LengthsPart | None = None
    """length of answers, written as `input_tokens`"""
    input_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """of lognormal prompts, half are shorter; give all four of these"""
    input_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """of lognormal prompts, nine in ten are shorter"""
    output_median_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """of lognormal answers, half are shorter"""
    output_p90_tokens: float | None = Field(default=None, gt=0, le=MOST_COUNT)
    """of lognormal answers, nine in ten are shorter"""
    longest_tokens: int | None = Field(default=None, ge=2, le=MOST_COUNT)
    """lognormal lengths: inputs are cut so that input and output together stay below"""
    requests: int = Field(default=1000, ge=1)
    """how many are generated; with `turns` so many sessions"""
    arrivals: Literal["poisson", "gamma", "constant", "once"] = "poisson"
    """law of the gaps of generated requests; once: all arrive at the start"""
    rate_per_s: float | None = Field(default=None, gt=0)
    """mean rate of generated requests, of the whole deployment"""
    cv: float = Field(default=1.0, gt=0)
    """of gamma arrivals: standard deviation of the gaps over their mean; 1: as poisson"""
    users: Count | None = None
    """a closed loop of so many users, all replicas together; None: none"""
    batch: Count | None = None
    """requests in flight per replica, a steady state"""
    shared_prefix: SharedPrefixPart | None = None
    """generated prompts begin with system prompts that repeat; None: nothing repeats"""
    think_s: Seconds = Field(default=1e-6, alias="think")
    """`users`: from an answer to the next request of the same user"""
    turns: Count = 1
    """generated requests open sessions of so many turns, each with all before it as its input"""
    pause_s: Seconds = Field(default=0.0, alias="pause")
    """mean of the exponential pause before the next turn (a tool's, or a person's)"""
    copies: Count = 1
    """generated requests: each turn is sent so many times at once"""
    wait: bool = False
    """sessions are a closed loop: a turn is sent a pause after all answers of the turn before it are complete"""

    @field_validator("requests")
    @classmethod
    def _fit_in_memory(cls, value: int) -> int:
        if value > MOST_REQUESTS:
            raise ValueError(f"{value:,} do not fit in memory: generate at most {MOST_REQUESTS:,}, or give a trace")
        return value

    @field_validator("input_tokens", "output_tokens")
    @classmethod
    def _range_ascends(cls, value: LengthsPart | None) -> LengthsPart | None:
        if isinstance(value, tuple) and value[0] > value[1]:
            raise ValueError(f"[{value[0]}, {value[1]}] is not [low, high]")
        if isinstance(value, dict):
            check_quantiles(value)
        return value

    @model_validator(mode="after")
    def _loops_exclude_each_other(self) -> TrafficPart:
        if self.users is not None and (self.wait or self.turns > 1 or self.copies > 1):
            raise ValueError("users and sessions (turns, copies, wait) are two kinds of closed loop; give one")
        if self.trace is not None and (self.turns > 1 or self.copies > 1):
            raise ValueError("turns and copies are for generated requests; a trace brings its own sessions")
        if self.turns * self.copies > 1 and self.requests * self.turns * self.copies > MOST_TURNS:
            what = f"{self.requests:,} requests of {self.turns:,} turns and {self.copies:,} copies"
            raise ValueError(f"{what} do not fit in memory: generate at most {MOST_TURNS:,} in all")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> TrafficPart:
        fixed = self.input_tokens is not None and self.output_tokens is not None
        names = ("input_median_tokens", "input_p90_tokens", "output_median_tokens", "output_p90_tokens")
        quantiles = [getattr(self, name) is not None for name in names]
        if any(quantiles) and not all(quantiles):
            raise ValueError(f"lognormal lengths need all of {', '.join(names)}")
        if sum((self.trace is not None, self.name is not None, fixed, all(quantiles))) != 1:
            raise ValueError("give exactly one of trace, name, input_tokens with output_tokens, or the four quantiles")
        loads = [n for n in ("users", "batch", "rate_per_s") if getattr(self, n) is not None]
        if len(loads) > 1:
            raise ValueError(f"give one load: {' or '.join(loads)}")
        if self.trace is None and not loads and self.arrivals != "once":
            raise ValueError("needs a load: rate_per_s, users, batch, or arrivals = 'once'")
        return self


class ClassPart(Spec):
    """Bounds of the requests of one class of the trace."""

    ttft_s: Seconds | None = Field(default=None, alias="ttft", gt=0)
    """bound on the time to the first token; None: no bound"""
    tpot_s: Seconds | None = Field(default=None, alias="tpot", gt=0)
    """bound on the mean time per token after the first; None: no bound"""
    e2e_s: Seconds | None = Field(default=None, alias="e2e", gt=0)
    """bound on the time from arrival to the last token; None: no bound"""


class SloPart(Spec):
    """Bounds of one request; `attainment` is the share of requests that must meet them for a capacity."""

    quantile: float = Field(default=0.5, gt=0, lt=1)
    """of the input length at which estimates and sweeps tell TTFT"""

    ttft_s: Seconds | None = Field(default=None, alias="ttft", gt=0)
    """bound on the time to the first token; None: no bound"""
    tpot_s: Seconds | None = Field(default=None, alias="tpot", gt=0)
    """bound on the mean time per token after the first; None: no bound"""
    e2e_s: Seconds | None = Field(default=None, alias="e2e", gt=0)
    """bound on the time from arrival to the last token; None: no bound"""
    attainment: float = Field(default=0.9, gt=0, le=1)
    """share of the requests that must meet the bounds at a capacity"""
    classes: dict[str, ClassPart] = Field(default_factory=dict)
    """bounds by `slo_class` of the trace; other classes have the bounds above"""
    itl_p99_s: Seconds | None = Field(default=None, alias="itl_p99", gt=0)
    """capacity: bound on the 99th percentile of all gaps between tokens"""
    queue_p50_s: Seconds | None = Field(default=None, alias="queue_p50", gt=0)
    """capacity: bound on the median wait for the first schedule"""
