"""What a person asks of `size`, and the scenario that it stands for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scenarios.read import from_raw
from scenarios.resolved import find
from simcore.errors import InputError
from simcore.spec.arguments import number, table
from simcore.spec.scenario import LOADS, Scenario, put

BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""requests in flight per replica that are tried: each 1.3 to 1.5 times the one before"""
REQUESTS = 2000
"""served when a candidate is replayed, of lengths or the head of a trace"""
COUNTED = ("plan.dp", "plan.chips")
"""axes that `size` counts itself"""
UNPRICED = ("policy.draft_tokens", "traffic.requests", "traffic.think")
"""settings that the analytic engine has no answer to: its plans are priced without them"""
Offer = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
"""(keys that are chosen: system, degrees, other axes, users) -> further keys of the scenario; None: not on offer"""


@dataclass(frozen=True)
class SizeQuestion:
    """Bounds are of one request, met by a share `attainment` of all.

    Without a rate (neither `rate_per_s` nor a trace with arrivals), as many users as the bounds allow keep one replica
    busy and the best is that of the most output tokens per chip and second; with one, replicas are added until the rate
    is served and the best costs least per hour.
    """

    model: str
    systems: tuple[str, ...]
    traffic: Mapping[str, Any]
    """the [traffic] table: `trace`, `name`, or `input_tokens` and `output_tokens`"""
    ttft: str
    tpot: str
    rate_per_s: float | None = None
    budget_usd_per_hour: float | None = None
    attainment: float = 0.9
    means: bool = False
    """the bounds are of the means over all requests, as benchmarks tell them; only without a rate"""
    stack: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """further keys of the scenario, dotted"""
    vary: Mapping[str, Any] = field(default_factory=dict)
    """axes in place of the degrees that are tried, and further ones"""
    offer: Offer | None = None
    """which combinations there are, and the settings that a launch script computes for each; only without a rate"""
    folder: str = "."
    """against which files are named"""

    def __post_init__(self) -> None:
        """Raises InputError for what is of another kind."""
        if self.rate_per_s is not None:
            number(self.rate_per_s, "rate_per_s", least=1e-9)
        if self.budget_usd_per_hour is not None:
            number(self.budget_usd_per_hour, "budget_usd_per_hour", most=float("inf"))
        for name in ("traffic", "settings", "vary"):
            table(getattr(self, name), name)

    @property
    def is_open(self) -> bool:
        """Whether requests arrive at a rate."""
        return self.rate_per_s is not None or "trace" in self.traffic

    def tables(self) -> dict[str, Any]:
        """The tables of a `scenario/2` file that asks for one replica, its degrees and load not yet chosen."""
        hardware = {"system": self.systems[0]} | ({"stack": self.stack} if self.stack else {})
        return {
            "schema": "scenario/2",
            "name": "sized",
            "model": {"name": self.model},
            "hardware": hardware,
            "traffic": dict(self.traffic),
            "slo": {"ttft": self.ttft, "tpot": self.tpot, "attainment": self.attainment},
        }

    def scenario(self, changes: Mapping[str, Any]) -> Scenario:
        """The question with keys set. Raises InputError."""
        return from_raw(self.tables_with(changes), self.place)

    def tables_of(self, changes: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """The tables of a file in `folder` that asks the same: traces are named from there."""
        raw = self.tables_with(changes)
        trace = raw["traffic"].get("trace")
        if trace and "$" not in trace:
            raw["traffic"]["trace"] = os.path.relpath(Path(self.folder) / Path(trace).expanduser(), folder)
        return raw

    def offered(self, choice: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Further keys of a choice; None where it is not on offer."""
        return {} if self.offer is None else self.offer(choice)

    def priced(self, changes: Mapping[str, Any]) -> Scenario:
        """The question as the analytic engine is asked. Raises InputError."""
        kept = {key: value for key, value in self.settings.items() if key not in UNPRICED}
        return replace(self, settings=kept).scenario(changes)

    def tables_with(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The tables with keys set; one request in flight where nothing says how many."""
        raw, asked = self.tables(), {**self.settings, **changes}
        has_load = "trace" in self.traffic or any(key in asked for key in LOADS)
        load = {} if has_load else {"traffic.batch": 1}
        for key, value in {**load, **asked}.items():
            put(raw, key, value, self.place)
        return raw

    @property
    def place(self) -> str:
        """For messages, and for files named relative to it."""
        return f"{self.folder}/size"

    def axes(self) -> dict[str, Any]:
        """What is tried: every system, the degrees that its chips and the model allow, and the requests in flight."""
        if not self.systems:
            raise InputError("names no hardware", key="--on", fix="write for example --on h100-sxm,h200-sxm")
        for key in COUNTED:
            if key in self.vary:
                raise InputError("is counted, not tried", key=f"--vary {key}", fix="leave it out; --rate adds replicas")
        most = max(find("system", name, self.place, "--on")[0].chips_per_node for name in self.systems)
        model, _ = find("model", self.model, self.place, "--model")
        degrees = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
        axes: dict[str, Any] = {"hardware.system": list(self.systems), "plan.tp": degrees}
        if model.is_moe:
            axes |= {"plan.attention_dp": degrees, "plan.ep": degrees}
        return {**axes, "traffic.batch": list(BATCHES), **self.vary}
