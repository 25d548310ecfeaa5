"""What keeps a study honest, checked before it is evaluated: it cannot be written so that it must agree."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator

from scenarios.fields import quantity
from simcore.errors import InputError
from simcore.spec.expression import Expression
from studies.form import MOST_PERCENT, Claim, Input, Settings, Study

LISTED = (
    *("policy.host", "policy.draft", "policy.acceptance_ratio", "policy.imbalance_ratio", "policy.detokenise"),
    *("policy.communication_overlap_ratio", "policy.swap_bandwidth", "policy.offload_bandwidth", "policy.output"),
    *("plan.weights.unpack_flop", "plan.weights.outlier_ratio", "plan.weights.extra_kernels", "plan.kv.unpack_flop"),
    *("plan.weights.other_ratio", "plan.experts.unpack_flop", "plan.weights.extra_passes"),
    *("asked.schedule.page_flop", "asked.schedule.compute_ratio", "asked.schedule.memory_ratio"),
    *("synthetic.skew", "synthetic.affinity"),
    *("policy.compile", "policy.batch_wait", "hardware.chip.", "hardware.node.", "hardware.cluster."),
    *("training.imbalance_ratio", "training.straggler_ratio", "training.capacity_ratio", "training.failures."),
    *("training.checkpoint.", "fleet.transfer.", "attention_ffn.bandwidth", "attention_ffn.latency", "economics."),
)
"""keys that decide the answer and that no plan or server states: each is an input with a source"""
FACTORS = ("steps", "policy.imbalance_ratio", "training.straggler_ratio")
"""factors on time, or times: no variant may set them; a published one is an input of a variant"""
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def check(study: Study) -> None:
    """Raises InputError, with file and key, for the first rule that a study breaks."""
    for key, what, fix in broken(study):
        raise InputError(what, file=study.file, key=key, fix=fix)


def broken(study: Study) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong, how to mend it) of every rule that a study breaks."""
    if study.ask is None:
        return
    kinds = [claim.kind for claim in study.claims]
    if "inner" not in kinds:
        yield "claims", "has no inner claim", "add a time, a byte count or a utilisation"
    if len(set(kinds)) < 2 or not {"headline", "shape"} & set(kinds):
        yield "claims", "has no headline and no shape claim", "add what the paper is known for"
    yield from _placebo(study)
    yield from _inputs(study)
    for variant in study.ask.variants:
        yield from _settings(variant.set, f"variants.{variant.label}.set")
    yield from _unlisted(study)
    for number, claim in enumerate(study.claims):
        place = f"claims.{number}"
        yield from _figure(claim, place)
        if claim.ours and not claim.missing:
            yield from expression(claim.ours, study, f"{place}.ours")
        elif not claim.missing:
            yield f"{place}.ours", "is missing", "write an expression over VARIANT.metric, or what is missing"
        for changes in (claim.at, *claim.set.values(), *(one.set for one in claim.tried)):
            yield from _settings(changes, place)
        yield from _sourced(study, place, [*claim.at, *(key for part in claim.set.values() for key in part)])


def _placebo(study: Study) -> Iterator[tuple[str, str, str]]:
    assert study.ask is not None
    placebo, labels = study.placebo, [v.label for v in study.ask.variants]
    if placebo.none:
        return
    for key in ("variant", "baseline"):
        if getattr(placebo, key) not in labels:
            yield f"placebo.{key}", "names no variant", f"known: {', '.join(labels)}; or write none = why"
    if placebo.variant == placebo.baseline:
        yield "placebo.variant", "is the baseline", "name the system, and `off` what turns its mechanism off"
    yield from _settings({**placebo.at, **placebo.off}, "placebo.off")


def _inputs(study: Study) -> Iterator[tuple[str, str, str]]:
    assert study.ask is not None
    claims, labels = {claim.name for claim in study.claims if claim.name}, {v.label for v in study.ask.variants}
    for one in study.inputs:
        place = f"inputs.{one.name}"
        if not one.source.strip():
            yield f"{place}.source", "is missing", "say where the number stands"
        if one.kind == "assumed" and one.range is None:
            yield f"{place}.range", "is missing", "an assumed input is swept: write range = [low, high]"
        if one.kind == "fitted" and (not one.fitted_to or set(one.fitted_to) - claims):
            yield f"{place}.fitted_to", "names no claim", "name the claims that it was chosen by; they leave the count"
        if one.range is not None and len(one.range) != 2:
            yield f"{place}.range", "is no range", "write range = [low, high]"
        if set(one.variants) - labels:
            yield f"{place}.variants", "names no variant", f"known: {', '.join(sorted(labels))}"
        if one.is_free and one.variants and one.key.startswith(FACTORS):
            yield place, "is a free factor on one variant's time", "take a published figure, or give it to all variants"


def _settings(settings: Settings, place: str) -> Iterator[tuple[str, str, str]]:
    for key, value in settings.items():
        text = str(value)
        if key.startswith(FACTORS) or (text.endswith("x") and text[:-1].replace(".", "", 1).isdigit()):
            yield f"{place}.{key}", "is a factor on time", "a published one is an input with variants = [...]"


NAMED = ("values.", "resources.", "stores.", "energy.")
"""numbers of a written schedule: each is an input with a source, unless it is arithmetic on names"""


def _numbers(settings: Settings, study: Study, place: str) -> Iterator[tuple[str, str, str]]:
    """Numbers of a schedule that have no source; 0 and 1 are switches."""
    listed = {one.key for one in study.inputs}
    for key, value in settings.items():
        if key.startswith(NAMED) and key not in listed and _is_bare(quantity(value)):
            yield f"{place}.{key}", "has no source", "make it one of [[inputs]]"


def _is_bare(value: object) -> bool:
    """Whether a value is a number, or arithmetic on no name; 0 and 1 are not.

    >>> [_is_bare(v) for v in (0.3, "0.3", "2 * 3", "2 * x", 1, "none")]
    [True, True, True, False, False, False]
    """
    if isinstance(value, str):
        try:
            made = Expression(value)
            value = made.number({}) if not made.names else 0
        except InputError:
            return False  # told when it is worked out
    return isinstance(value, int | float) and value not in (0, 1)


def _unlisted(study: Study) -> Iterator[tuple[str, str, str]]:
    """Numbers of the scenario and of variants that decide the answer and have no source."""
    assert study.ask is not None
    yield from _sourced(study, "scenario", list(flat(study.ask.scenario)))
    for one in study.ask.variants:
        yield from _sourced(study, f"variants.{one.label}.set", list(one.set))
        yield from _numbers(one.set, study, f"variants.{one.label}.set")
    for part in NAMED:
        table = study.ask.scenario.get(part[:-1])
        if isinstance(table, dict):
            yield from _numbers({f"{part}{key}": value for key, value in table.items()}, study, "scenario")


def _sourced(study: Study, place: str, keys: list[str]) -> Iterator[tuple[str, str, str]]:
    """Keys that need a source and have none."""
    listed = {one.key for one in study.inputs}
    for key in keys:
        if any(f"{key}.".startswith(f"{part.rstrip('.')}.") for part in LISTED) and key not in listed:
            yield f"{place}.{key}", "has no source", "make it one of [[inputs]]"


def flat(table: Settings, prefix: str = "") -> Iterator[str]:
    """Dotted keys of nested tables; inline specs (`model`, `hardware.system`) are one key."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name not in ("model", "hardware.system"):
            yield from flat(value, f"{name}.")
        else:
            yield name


def _figure(claim: Claim, place: str) -> Iterator[tuple[str, str, str]]:
    bounds = claim.at_least is not None or claim.at_most is not None
    if claim.kind == "shape" and (claim.published is not None or not bounds):
        yield place, "is a shape without a bound", "write at_least or at_most, no published figure"
    if claim.kind != "shape" and (claim.published is None or bounds):
        yield place, "has no published figure", "write published = ...; bounds are for kind = shape"
    if not 0.0 <= claim.percent <= MOST_PERCENT:
        yield f"{place}.tolerance", f"is {claim.percent:g} %", f"at most {MOST_PERCENT:g} %"
    if claim.null not in (None, 0, 1):
        yield f"{place}.null", f"is {claim.null:g}", "0 or 1: no difference; left out, the expression tells"
    if claim.derived and (claim.kind != "inner" or not claim.basis):
        yield f"{place}.derived", "is for inner claims with a basis", "say the arithmetic in basis"
    if not claim.derived and not claim.where:
        yield f"{place}.where", "is missing", "say where the figure stands in the paper"


def expression(text: str, study: Study, place: str) -> Iterator[tuple[str, str, str]]:
    """What an expression may not hold: numbers of its own, functions, a metric twice, names of nothing."""
    assert study.ask is not None
    try:
        made = Expression(text)
    except InputError as error:
        yield place, error.problem, error.fix or "mend the expression"
        return
    tree = ast.parse(text, mode="eval").body
    names = [_dotted(node) for node in _names(tree)]
    labels = {v.label for v in study.ask.variants}
    inputs = {one.name: one for one in study.inputs}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and not is_plain(node.value):
            yield place, f"{ast.unparse(node)} is a number of its own", "use 0, 1, powers of ten, or a named input"
        if isinstance(node, ast.BinOp) and (not isinstance(node.op, OPERATORS) or not list(_names(node))):
            yield place, f"{ast.unparse(node)!r} is not possible", "use + - * / between metrics"
        if isinstance(node, ast.Call | ast.Compare | ast.BoolOp):
            yield place, f"{ast.unparse(node)!r} is not possible", "use + - * / between metrics"
    if not any(name.partition(".")[0] in labels and "." in name for name in names):
        yield place, "holds no VARIANT.metric", f"variants: {', '.join(sorted(labels))}"
    for name in made.names:
        if name.partition(".")[0] not in labels and name not in inputs:
            yield place, f"{name!r} is neither VARIANT.metric nor an input", f"variants: {', '.join(sorted(labels))}"
        if names.count(name) > 1:
            yield place, f"{name!r} stands twice", "each metric once: a share x / (x + y) is 1 / (1 + y / x)"


def is_plain(value: object) -> bool:
    """0, 1 and powers of ten, which change units only.

    >>> [is_plain(v) for v in (0, 1, 100, 1e-9, 1.5, 2, -1)]
    [True, True, True, True, False, False, False]
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if value in (0, 1):
        return True
    return value > 0 and math.isclose(10.0 ** round(math.log10(value)), value, rel_tol=1e-12)


def _names(node: ast.AST) -> Iterator[ast.expr]:
    """Dotted names as wholes."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node)


def metrics(claim: Claim, inputs: tuple[Input, ...]) -> list[tuple[str, str]]:
    """(variant, metric) of an expression, in order."""
    own = {one.name for one in inputs}
    return [(n.partition(".")[0], n.partition(".")[2]) for n in Expression(claim.ours).names if n not in own]
