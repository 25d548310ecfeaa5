"""The form of a study (schema study/2) as values: the question, the paper, variants, inputs, claims.

A study says what a published system is, its baseline, and what its paper claims; `studies.rules` refuses what could
make the answer fit, `studies.answers` evaluates the question without ever seeing a claim.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from scenarios.reader import TableReader
from simcore.errors import InputError, suggest

SCHEMA = "study/2"
GROUPS = ("training", "devices", "kernels", "serving", "extra")
Kind = Literal["headline", "inner", "shape"]
InputKind = Literal["setup", "vendor", "assumed", "fitted"]
Pick = Literal["", "max", "min"]
LABEL = re.compile(r"[a-z][a-z0-9_]*")
TOLERANCE_PERCENT = {"headline": 25.0, "inner": 15.0, "shape": 0.0}
"""where a claim states none, and the most that it may state (a single mechanism states 15)"""
MOST_PERCENT = 25.0
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Paper:
    """Where the claims come from."""

    id: str
    """by which it is found, such as its arXiv number"""
    title: str
    """of the paper"""
    where: str = ""
    """table, figure or section of the headline"""


@dataclass(frozen=True)
class Variant:
    """One system of a study: the scenario with keys set."""

    label: str
    """by which claims and placebo name it"""
    says: str = ""
    """what it is, in words"""
    set: Settings = field(default_factory=dict)
    """keys of the scenario that make it this system; "none" leaves a key out"""
    evaluator: str = ""
    """empty: the study's"""


@dataclass(frozen=True)
class Input:
    """A number that decides the answer, and where it comes from."""

    name: str
    """by which expressions name it"""
    value: Any
    """of the key, or of the name in expressions"""
    kind: InputKind
    """where it comes from: the paper's set-up, a vendor, an assumption, or a fit to claims"""
    source: str
    """document and place, or the reason for an assumption"""
    key: str = ""
    """of the scenario; empty: it stands in expressions only"""
    range: tuple[Any, Any] | None = None
    """an assumed one is swept over it"""
    variants: tuple[str, ...] = ()
    """empty: all"""
    fitted_to: tuple[str, ...] = ()
    """names of the claims that a fitted one was chosen by"""

    @property
    def is_free(self) -> bool:
        """Whether nobody published it."""
        return self.kind in ("assumed", "fitted")


@dataclass(frozen=True)
class Placebo:
    """With the mechanism off, `variant` must answer what `baseline` answers; `none` says why there is no baseline."""

    variant: str = ""
    """label of the system whose mechanism is turned off"""
    baseline: str = ""
    """label of the system that it must then equal"""
    off: Settings = field(default_factory=dict)
    """keys that turn the mechanism off"""
    at: Settings = field(default_factory=dict)
    """keys set in both"""
    none: str = ""
    """why there is no baseline; empty: there is one"""


@dataclass(frozen=True)
class Tried:
    """A change that was tried on a claim that does not agree, and is answered beside it."""

    says: str
    """what was changed, in words"""
    set: Settings = field(default_factory=dict)
    """keys of the scenario with the change"""
    variants: tuple[str, ...] = ()
    """empty: all"""


@dataclass(frozen=True)
class Claim:
    """One figure of the paper and the expression that answers it."""

    says: str
    """the claim in words"""
    kind: Kind
    """headline: what the paper is known for; inner: what must be right for it to mean anything; shape: an order, a
    sign, a bound"""
    ours: str = ""
    """arithmetic on `VARIANT.metric` and named inputs that answers it; empty: it cannot be answered yet (`missing`)"""
    name: str = ""
    """by which `fitted_to` of an input names it; empty: none does"""
    unit: str = ""
    """of the figure, as printed; empty: none"""
    published: float | tuple[float, float] | None = None
    """the paper's figure, or [low, high]; of a shape none"""
    at_least: float | None = None
    """of a shape, the lower bound"""
    at_most: float | None = None
    """of a shape, the upper bound"""
    at: Settings = field(default_factory=dict)
    """keys set in every variant, beyond their own"""
    set: Mapping[str, Settings] = field(default_factory=dict)
    """by variant: keys set in it alone"""
    pick: Pick = ""
    """max, min: over the study's [vary], and where is told"""
    tolerance: float | None = None
    """percent of the published figure"""
    null: float | None = None
    """0 or 1: what a comparison would say without the mechanism, where its expression does not tell"""
    where: str = ""
    """table, figure or section of the paper; a derived figure needs none"""
    derived: bool = False
    """the figure is arithmetic on the paper's set-up, not printed in it: left out of the shares"""
    basis: str = ""
    """of a derived figure"""
    why: str = ""
    """what a gap comes from, in a sentence"""
    tried: tuple[Tried, ...] = ()
    """changes whose answers are printed beside it"""
    missing: str = ""
    """the primitive that this claim lacks"""

    @property
    def percent(self) -> float:
        """The tolerance that it states, in percent."""
        return TOLERANCE_PERCENT[self.kind] if self.tolerance is None else self.tolerance


@dataclass(frozen=True)
class Question:
    """A study without its claims and its paper: all that an evaluator may see."""

    name: str
    """the study's"""
    evaluator: str
    """the verb that answers, such as estimate or train"""
    scenario: Settings
    """tables of a scenario that all variants share"""
    variants: tuple[Variant, ...]
    """systems that are compared"""
    inputs: tuple[Input, ...]
    """numbers that decide the answer"""
    models: Settings
    """name -> a model that nobody ships, as the tables of its file"""
    systems: Settings
    """name -> a chip, node or cluster that nobody ships, as the tables of its file"""
    file: str = ""

    def variant(self, label: str) -> Variant:
        """By label. Raises InputError."""
        for one in self.variants:
            if one.label == label:
                return one
        known = [one.label for one in self.variants]
        raise InputError(f"unknown variant {label!r}", file=self.file, fix=suggest(label, known))


@dataclass(frozen=True)
class Study:
    """One published system."""

    name: str
    """by which commands name it"""
    group: str
    """chapter of the page of studies: training, devices, kernels, serving or extra"""
    title: str
    """of the system, for its page"""
    question: str
    """what is asked, in a sentence"""
    paper: Paper
    """where the claims come from"""
    ask: Question | None
    placebo: Placebo
    """what turns the mechanism off"""
    vary: Mapping[str, tuple[Any, ...]]
    """key of the scenario -> values of the paper's own set-up, for claims that `pick` one"""
    inputs: tuple[Input, ...]
    """numbers that decide the answer"""
    claims: tuple[Claim, ...]
    """what the paper publishes"""
    missing: str = ""
    """the primitive without which it cannot be expressed"""
    cheap: bool = False
    """takes about a CPU second: the tests rerun it"""
    file: str = ""

    @property
    def free_inputs(self) -> int:
        """How many nobody published."""
        return sum(one.is_free for one in self.inputs)


TOP = {
    *("schema", "name", "group", "title", "question", "paper", "evaluator", "scenario", "models", "systems"),
    *("variants", "vary", "inputs", "placebo", "claims", "missing", "cheap"),
}


def study_of(raw: Mapping[str, Any], file: str) -> Study:
    """A study from its tables. Raises InputError for an unknown key, a missing part, a part of the wrong kind."""
    reader = Reader(raw, file)
    reader.known(raw, TOP, "")
    if raw.get("schema") != SCHEMA:
        reader.refuse(f"{raw.get('schema')!r} is no study", "schema", f'write schema = "{SCHEMA}"')
    if reader.text("group") not in GROUPS:
        reader.refuse(f"{raw['group']!r} is no group", "group", f"use one of {', '.join(GROUPS)}")
    missing = reader.text("missing", "")
    inputs = tuple(reader.inputs())
    return Study(
        reader.text("name"),
        reader.text("group"),
        reader.text("title"),
        reader.text("question"),
        reader.made(Paper, reader.table("paper"), "paper"),
        None if missing else reader.asked(inputs),
        reader.placebo(is_needed=not missing),
        {key: tuple(reader.values(value, f"vary.{key}")) for key, value in reader.table("vary", {}).items()},
        inputs,
        tuple(reader.claims()),
        missing,
        bool(raw.get("cheap", False)),
        file,
    )


@dataclass(frozen=True)
class Reader(TableReader):
    """A study's tables."""

    def text(self, key: str, default: str | None = None) -> str:
        found = self.raw.get(key, default)
        if not isinstance(found, str) or (not found.strip() and default is None):
            self.refuse("is missing" if key not in self.raw else "is no text", key, f'write {key} = "..."')
        return found.strip()

    def values(self, found: Any, key: str) -> list[Any]:
        if not isinstance(found, list) or not found:
            self.refuse("is no list of values", key, "write it in brackets")
        if len(set(map(repr, found))) < len(found):
            self.refuse("names a value twice", key, "name each once")
        return found

    def made(self, kind: type, table: Mapping[str, Any], place: str) -> Any:
        """A value of a form from a table of texts, numbers and tables."""
        names = {one.name: one for one in fields(kind)}
        self.known(table, set(names), place)
        for key, value in table.items():
            wants = str(names[key].type)
            texts = wants.startswith(("str", "Kind", "InputKind", "Pick"))
            if texts and not isinstance(value, str):
                self.refuse("is no text", f"{place}.{key}", "write it in quotes")
            if wants.startswith(("Settings", "Mapping")) and not isinstance(value, Mapping):
                self.refuse("is no table", f"{place}.{key}", "write { KEY = VALUE }")
            if wants.startswith("tuple") and not isinstance(value, list):
                self.refuse("is no list", f"{place}.{key}", "write it in brackets")
            if wants == "Mapping[str, Settings]" and not all(isinstance(one, Mapping) for one in value.values()):
                self.refuse("holds what is no table", f"{place}.{key}", "write set.VARIANT = { KEY = VALUE }")
            if wants.startswith("float") and not _is_figure(value, "tuple" in wants):
                self.refuse("is no number", f"{place}.{key}", "write a number" + " or [low, high]" * ("tuple" in wants))
        try:
            return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
        except TypeError as error:
            self.refuse(str(error).partition("()")[2].strip() or "is not whole", place, "see docs/studies.md")

    def asked(self, inputs: tuple[Input, ...]) -> Question:
        variants = tuple(self.made(Variant, one, f"variants.{n}") for n, one in enumerate(self.tables("variants")))
        labels = [one.label for one in variants]
        for label in labels:
            if not LABEL.fullmatch(label) or labels.count(label) > 1:
                self.refuse(f"{label!r} is no label of its own", "variants", "use a-z, 0-9 and _, each once")
        if not variants:
            self.refuse("is missing", "variants", "write [[variants]] with a label")
        return Question(
            self.text("name"),
            self.text("evaluator"),
            self.table("scenario"),
            variants,
            inputs,
            self.table("models", {}),
            self.table("systems", {}),
            self.file,
        )

    def inputs(self) -> list[Input]:
        found = [self.made(Input, one, f"inputs.{n}") for n, one in enumerate(self.tables("inputs"))]
        for number, one in enumerate(found):
            if one.kind not in get_args(InputKind):
                self.refuse(f"{one.kind!r} is no kind", f"inputs.{number}.kind", "setup, vendor, assumed or fitted")
        return found

    def placebo(self, is_needed: bool) -> Placebo:
        if not is_needed and "placebo" not in self.raw:
            return Placebo(none="not expressible")
        return self.made(Placebo, self.table("placebo"), "placebo")  # type: ignore[no-any-return]

    def claims(self) -> list[Claim]:
        found = []
        for number, one in enumerate(self.tables("claims")):
            place = f"claims.{number}"
            listed = one.get("tried", [])
            if not isinstance(listed, list) or not all(isinstance(entry, Mapping) for entry in listed):
                self.refuse("is no list of tables", f"{place}.tried", 'write [{ says = "...", set = { KEY = VALUE } }]')
            tried = tuple(self.made(Tried, entry, f"{place}.tried") for entry in listed)
            claim: Claim = self.made(Claim, {**one, "tried": list(tried)}, place)
            if claim.kind not in get_args(Kind) or claim.pick not in get_args(Pick):
                self.refuse("has an unknown kind or pick", place, "kind: headline, inner, shape; pick: max, min")
            found.append(claim)
        if not found:
            self.refuse("is missing", "claims", "write [[claims]]: what the paper publishes")
        return found


def _is_figure(value: Any, may_be_range: bool) -> bool:
    if may_be_range and isinstance(value, list | tuple):
        return len(value) == 2 and all(_is_figure(one, False) for one in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
