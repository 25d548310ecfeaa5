"""The whole question as a person writes it: `schema = "scenario/2"`, a table per part, one file for every verb."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from simcore.errors import InputError
from simcore.spec.base import Count, FileName, Spec
from simcore.spec.fleet_part import AttentionFfnPart, FleetPart, PowerPart
from simcore.spec.load import build
from simcore.spec.models_part import JobPart, ModelPart, SharedModelPart
from simcore.spec.plan import ParallelPlan
from simcore.spec.plan_part import HardwarePart, PlanPart
from simcore.spec.policy_part import PolicyPart
from simcore.spec.traffic_part import SloPart, TrafficPart
from simcore.units import Seconds


def check_arithmetic(text: str, where: str = "") -> None:
    """Raise ValueError for a law or a constraint that is no arithmetic, whichever verb reads the file."""
    from simcore.spec.expression import Expression

    try:
        Expression(text)
    except InputError as error:
        raise ValueError(f"{where}{error}") from None


class StepsPart(Spec):
    """Step times given instead of derived from model and hardware."""

    profile: Literal["table", "vidur", "layers"]
    """where times come from: the linear law of this table, Vidur's two profiles, or a per-layer profile of vLLM"""
    step_s: Seconds = Field(default=0.0, alias="step")
    """table: of every step"""
    token_s: Seconds = Field(default=0.0, alias="token")
    """table: every step takes `step` + tokens x `token` + KV tokens of its decodes x `kv_token`"""
    kv_token_s: Seconds = Field(default=0.0, alias="kv_token")
    """table: per KV token of the decodes"""
    past_token_s: Seconds = Field(default=0.0, alias="past_token")
    """table: and, for a chunk, chunk x (past + chunk / 2) x this"""
    layers: Count = 1
    """vidur, layers: of the model, each as profiled"""
    mlp: str | None = None
    """vidur: file of its operators but attention, relative to the scenario"""
    attention: str | None = None
    """vidur: file of its attention"""
    folder: str | None = None
    """layers: where dense.csv, attention.csv and the others lie, relative to the scenario"""
    kv_blocks: Count | None = None
    """KV capacity of a replica; None: without bound"""


class ObjectivePart(Spec):
    """What a sweep or a search improves; names are those of the results."""

    minimise: tuple[str, ...] = ()
    """results to make small"""
    maximise: tuple[str, ...] = ()
    """results to make large"""
    constraints: tuple[str, ...] = ()
    """what an answer must keep: `"power_w <= 10000"`, arithmetic on results and parameters"""
    rank_by: str | None = None
    """None: the first of `minimise`"""
    reference: tuple[float, ...] | None = None
    """corner of the hypervolume, minimised outputs first"""

    @field_validator("constraints")
    @classmethod
    def _arithmetic_of_constraints(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            check_arithmetic(text)
        return value


class SearchPart(Spec):
    """How a space is searched."""

    method: str = "surrogate"
    """a file of `planners/search/methods`"""
    budget: float = Field(default=200, gt=0)
    """in full evaluations; cheaper ones count in part"""
    seed: int = 0
    """of the method's own draws"""
    batch: Count | None = None
    """points asked for at once; None: as the method likes"""
    engine: Literal["estimate", "simulate"] = "estimate"
    """who answers: the steady state, or request by request"""
    settings: dict[str, Any] = Field(default_factory=dict)
    """of the method, by name"""


class ResidencyPart(Spec):
    """Where a class of tensors lives and how it is fetched."""

    tier: str | tuple[str, ...]
    """of several, every tensor is striped over them by their bandwidths"""
    cards: Count = 1
    """of the tier, all alike; a tensor is striped over them"""
    fetch: Literal["resident", "step", "demand", "prefetch", "window", "gated", "pre-gated", "speculative", "host"] = (
        "step"
    )
    """when it comes: step, prefetch, window a layer ahead (step of KV: attention reads it where it lies); demand when
    it is used; experts that routers ask for: gated behind the router, pre-gated a layer ahead, speculative by a guess,
    host: multiplied where they lie"""
    share: float = Field(default=1.0, gt=0, le=1)
    """of the class, what lives there; the rest stays in the main tier"""
    cache: Literal["static", "lru", "lfu", "score"] | None = None
    """which stay, of experts that are fetched as routers ask (None: static) and of models (None: lru)"""
    skew_ratio: float = Field(default=0.0, ge=0, le=4)
    """of experts that are fetched as routers ask: exponent of Zipf's law of their popularity; 0: all alike"""
    repeat_ratio: float = Field(default=0.0, ge=0, le=1)
    """of these: probability that a token's choice is one of the token's before it"""
    accuracy_ratio: float | None = Field(default=None, ge=0, le=1)
    """of experts that are guessed a layer ahead (`speculative`): how many of those that tokens ask for"""
    slots: Count | None = None
    """of models: how many of the largest the main tier has room for beside KV; None: as fit in half of it"""
    turn_s: Seconds | None = Field(default=None, alias="turn")
    """of models: steps in a row while another waits; None: until the model has no work"""

    @property
    def home(self) -> str:
        """The tiers as one name, `dram+cxl` or `2*cxl`; see `simcore.cost.storage.stripes`."""
        names = (self.tier,) if isinstance(self.tier, str) else self.tier
        return "+".join(f"{self.cards}*{name}" if self.cards > 1 else name for name in names)

    @model_validator(mode="after")
    def _stripes_are_tiers(self) -> ResidencyPart:
        names = (self.tier,) if isinstance(self.tier, str) else self.tier
        if not names or len(set(names)) < len(names) or any("+" in name or "*" in name for name in names):
            raise ValueError(f"tier = {self.tier!r}: name one tier, or a list of different ones")
        if (len(names) > 1 or self.cards > 1) and "main" in names:
            raise ValueError("the main tier is no card: what is away is striped over the others")
        return self


CLASSES = ("weights", "experts", "kv", "state", "activations", "gradients", "optimizer", "models")
"""of tensors that may live elsewhere; `models`: the weights of those of [[models]] that are not in use"""


SPEC_PARTS = ("hardware.chip.", "hardware.node.", "hardware.cluster.")
"""what follows is a path in a spec, one key"""


def put(raw: dict[str, Any], key: str, value: Any, file: str = "") -> None:
    """Set a dotted key; `hardware.chip.memory.hbm.capacity` is one key of the table `hardware.chip`."""
    parents, _, last = key.rpartition(".")
    for part in SPEC_PARTS:
        if key.startswith(part):
            parents, last = part.rstrip("."), key.removeprefix(part)
    if not last:
        raise InputError("is empty", file=file, key=key, fix="write KEY=VALUE")
    for parent in parents.split(".") if parents else ():
        here = raw.setdefault(parent, {})
        if not isinstance(here, dict):
            raise InputError(f"{parent} is no table", file=file, key=key)
        raw = here
    raw[last] = value


PLAIN_POLICY, PLAIN_SEARCH = PolicyPart.plain(), SearchPart.plain()
"""what a scenario without these tables has; shared, not copied: a spec does not change"""
LOADS = ("traffic.batch", "traffic.users", "traffic.rate_per_s")
SOURCES = ("traffic.name", "traffic.trace", "traffic.input_tokens", "traffic.output_tokens")
NEEDED = ("model.name", "hardware.system", *SOURCES, *LOADS)
"""keys without which there is no question: where only [vary] says one, its first value stands"""


def other_loads(changes: Collection[str]) -> list[str]:
    """The loads that changes take the place of.

    >>> other_loads({"traffic.batch": 8, "plan.tp": 2})
    ['traffic.users', 'traffic.rate_per_s']
    """
    return [key for key in LOADS if key not in changes] if set(LOADS) & {*changes} else []


def with_one_load(raw: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Tables without the loads that changes take the place of."""
    gone, traffic = other_loads([key for key, value in changes.items() if value is not None]), raw.get("traffic")
    if not gone or not isinstance(traffic, dict):
        return raw
    return raw | {"traffic": {key: value for key, value in traffic.items() if f"traffic.{key}" not in gone}}


def with_first_values(raw: dict[str, Any]) -> dict[str, Any]:
    """The tables, with what only an axis says.

    >>> with_first_values({"traffic": {"name": "a"}, "vary": {"traffic.users": {"low": 2, "high": 8}}})["traffic"]
    {'name': 'a', 'users': 2}
    """
    vary = raw.get("vary", {})
    for key in NEEDED if isinstance(vary, dict) else ():
        table, _, last = key.partition(".")
        said = raw.get(table, {})
        if key not in vary or not isinstance(said, dict):
            continue
        if last not in said and not (key in LOADS and any(name.partition(".")[2] in said for name in LOADS)):
            axis = vary[key]
            values = axis.get("values", [axis.get("low")]) if isinstance(axis, dict) else axis
            first = values[0] if isinstance(values, list | tuple) and values else None
            raw = {**raw, table: {**said, last: first}} if first is not None else raw
    return raw


def with_first_model(raw: dict[str, Any]) -> dict[str, Any]:
    """The tables with a [model], where only [[models]] names some.

    >>> with_first_model({"models": [{"name": "a", "model": {"name": "llama-2-7b"}}]})["model"]
    {'name': 'llama-2-7b'}
    """
    several = raw.get("models")
    first = several[0] if isinstance(several, list | tuple) and several else None
    if isinstance(first, dict) and "model" not in raw and "steps" not in raw and "model" in first:
        return {**raw, "model": first["model"]}
    return raw


def improper(value: Any) -> Any:
    """The first number or quantity of a value that no axis can have, infinite, none or below zero; None without one.

    >>> improper({"low": 1, "values": ["2 s", "-1 s"]})
    '-1 s'
    """
    if isinstance(value, dict | list | tuple):
        inner = value.values() if isinstance(value, dict) else value
        return next((found for item in inner if (found := improper(item)) is not None), None)
    try:
        number = float(value.split()[0]) if isinstance(value, str) and value.strip() else value
    except ValueError:  # a name
        return None
    bad = isinstance(number, int | float) and not 0 <= number < float("inf")
    return value if bad else None


class Scenario(Spec):
    """The whole question. A verb uses the parts that it needs; what an engine cannot honour it refuses by name."""

    name: FileName
    """by which answers and their folder are named; the file's own where it is left out"""
    title: str = ""
    """in words, for reports"""
    file: str = ""
    seed: int = Field(default=0, ge=0)
    """of everything that is drawn: the same seed gives the same answer"""
    warm_ratio: float = Field(default=0.0, ge=0, lt=0.5)
    """share of the arrival span left out at the start and at the end of the statistics"""
    model: ModelPart | None = None
    """which model; None: [steps] says what steps take, or [[models]] names several"""
    hardware: HardwarePart | None = None
    """what it runs on, under which stack; None: [steps] says what steps take"""
    steps: StepsPart | None = None
    """step times given instead of derived; None: of model and hardware"""
    plan: PlanPart | ParallelPlan = Field(default=PlanPart.plain(), union_mode="left_to_right")
    """a `ParallelPlan` once names are looked up: formats filled in"""
    policy: PolicyPart = Field(default_factory=lambda: PLAIN_POLICY)
    """how it is served"""
    residency: dict[str, ResidencyPart] = Field(default_factory=dict)
    """class of tensors (weights, experts, kv, models; of training gradients, optimizer, activations too) -> the tier
    that it lives in, or a table; else the main tier"""
    traffic: TrafficPart | None = None
    """what is served; training needs none"""
    slo: SloPart = SloPart.plain()
    """bounds of a request"""
    economics: dict[str, Any] = Field(default_factory=dict)
    """keys of an economics file that differ from the default's, and `usd_per_hour` of a chip"""
    fleet: FleetPart | None = None
    """None: plan.dp equal replicas that do all of a request"""
    power: PowerPart | None = None
    """None: the top clock"""
    attention_ffn: AttentionFfnPart | None = None
    """None: attention and FFN on the same chips"""
    models: tuple[SharedModelPart, ...] = ()
    """that share the chips; empty: [model] alone"""
    jobs: tuple[JobPart, ...] = ()
    """work in the slack of the chips that serve"""
    training: dict[str, Any] | None = None
    """what is trained, and how: keys of a recipe, `recipe` among them; None: it serves"""
    vary: dict[str, Any] = Field(default_factory=dict)
    """key of the scenario -> values, or a range, that a sweep or search tries"""
    laws: dict[str, str] = Field(default_factory=dict)
    """key or name of one's own -> arithmetic with units that gives it"""
    objective: ObjectivePart = ObjectivePart.plain()
    """what a sweep or a search improves"""
    search: SearchPart = Field(default_factory=lambda: PLAIN_SEARCH)
    """how a space is searched"""
    notes: tuple[str, ...] = ()
    """what the reader of the file must tell"""

    def set(self, changes: dict[str, Any]) -> Scenario:
        """The scenario with dotted keys changed, checked again: `q.set({"plan.tp": 8})`. Raises InputError.

        A load (users, batch or rate_per_s of traffic) takes the place of the one that was stated.
        """
        raw = with_one_load(self.tables() | {"name": self.name}, changes)
        for key, value in changes.items():
            put(raw, key, value, self.file)
        return build(Scenario, raw, self.file).replace(file=self.file, notes=self.notes)

    def tables(self) -> dict[str, Any]:
        """What its file says, as plain tables."""
        return self.model_dump(exclude_unset=True, by_alias=True, exclude={"file", "notes"})

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, raw: Any) -> Any:
        """`weights = "ddr"` for `weights = { tier = "ddr" }`; what only [vary] says."""
        raw = with_first_values(raw) if isinstance(raw, dict) else raw
        raw = with_first_model(raw) if isinstance(raw, dict) else raw
        if isinstance(raw, dict) and isinstance(raw.get("residency"), dict):
            places = {k: {"tier": v} if isinstance(v, str) else v for k, v in raw["residency"].items()}
            return {**raw, "residency": places}
        return raw

    @field_validator("vary", "training", "economics")
    @classmethod
    def _no_improper_numbers(cls, value: Any) -> Any:
        """In tables that only some verbs read to the end."""
        for key, part in value.items() if isinstance(value, dict) else enumerate(value or ()):
            bad = improper(part)
            if bad is not None:
                raise ValueError(f"{key} = {bad!r}: no key takes numbers that are infinite, none or below zero")
        return value

    @field_validator("laws")
    @classmethod
    def _arithmetic_of_laws(cls, value: dict[str, str]) -> dict[str, str]:
        from simcore.spec.law_units import in_si

        for name, text in value.items():
            try:
                check_arithmetic(in_si(name, text), f"{name}: ")
            except InputError as error:
                raise ValueError(f"{name}: {error}") from None
        return value

    @model_validator(mode="after")
    def _has_physics(self) -> Scenario:
        if self.steps is None and (self.model is None or self.hardware is None):
            raise ValueError("give [model] and [hardware], or [steps]")
        if self.steps is not None and self.power is not None:
            raise ValueError("[power] needs [model] and [hardware]: given [steps] do not say what a clock costs")
        if self.attention_ffn is not None and (self.model is None or self.hardware is None or self.power is not None):
            raise ValueError("[attention_ffn] needs [model] and [hardware], and has no [power] yet")
        names = [one.name for one in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"models: {', '.join(names)} are not different names")
        for name in self.residency:
            if name not in CLASSES:
                raise ValueError(f"residency.{name}: no class of tensors; known: {', '.join(CLASSES)}")
        return self
