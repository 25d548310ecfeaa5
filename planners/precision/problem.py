"""What each layer costs and loses in each format: from a deployment's priced step and a table of losses.

A file holds a scenario's tables, `[asked]` (what a step holds, as for `simcore step`) and

    [precision]
    formats = ["bf16", "fp8", "int4-marlin"]
    most_loss = 0.5                    # or most_time = "20 ms", or both; most_memory = "40 GB" besides
    [precision.loss]
    fp8 = 0.002                        # of every layer, or a list: one number a layer
    int4-marlin = [0.1, 0.05, ...]

Losses add up over layers, as second-order estimates of accuracy say (HAWQ, OHQ); a format without a loss loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.precision.table import PRECISION, precision_table
from scenarios.asked import ASKED, check_schema, options_of
from scenarios.formats import format_named
from scenarios.one_step import AskedStep, asked_step, one_layer
from scenarios.read import from_raw
from scenarios.resolved import Resolved, resolve
from simcore.cost.memory import layer_weight_bytes
from simcore.errors import InputError, said_in
from simcore.ops.op import plan_columns
from simcore.spec.formats import number_format
from simcore.spec.load import read_file
from simcore.step.price import price

Floats = NDArray[np.float64]
MATRICES = ("matrix", "expert")


@dataclass(frozen=True)
class PrecisionProblem:
    """Choose one format for every layer."""

    formats: tuple[str, ...]
    time_s: Floats
    """of a layer's matrices in a step, [layers, formats]"""
    weights_bytes: Floats
    """of a layer on one chip, [layers, formats]"""
    loss: Floats
    """[layers, formats]"""
    other_s: float = 0.0
    """of the step, what no choice changes"""
    most_loss: float | None = None
    most_s: float | None = None
    """of the whole step"""
    most_bytes: float | None = None
    """of all layers' weights on one chip"""

    def __post_init__(self) -> None:
        if self.most_loss is None and self.most_s is None:
            raise InputError("nothing bounds it", key="precision", fix="give most_loss or most_time")


def read_problem(path: Path, changes: Mapping[str, Any] | None = None) -> PrecisionProblem:
    """From a file. Raises InputError, with file and key."""
    return problem_of(read_tables(path, changes), str(path))


def read_tables(path: Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A file's tables with some keys changed. Raises InputError."""
    from simcore.spec.scenario import put

    found = read_file(path, "scenario")
    check_schema(found, str(path))
    raw = {key: value for key, value in found.items() if key != "schema"}
    for key, value in (changes or {}).items():
        put(raw, key, value, "--set")
    return raw


def problem_of(raw: Mapping[str, Any], file: str) -> PrecisionProblem:
    """From the tables of a file. Raises InputError."""
    table = precision_table(raw, file)
    step = asked_step(options_of(raw, file), file)
    scenario = from_raw({"schema": "scenario/2", **{k: v for k, v in raw.items() if k not in (PRECISION, ASKED)}}, file)
    found = resolve(scenario).checked()
    texts = [format_named(name, file, "precision.formats") for name in table.formats]
    costs = [costs_of(found, text, step) for text in texts]
    losses = table.loss
    labels = [label_of(name, text) for name, text in zip(table.formats, texts, strict=True)]
    layers = found.model.layer_count
    for label in losses if isinstance(losses, dict) else ():  # also of formats that are not asked for
        if label not in labels:
            with said_in(file, f"precision.loss.{label}"):
                number_format(format_named(label, file, f"precision.loss.{label}"))
        _losses(losses, label, layers, file)
    loss = np.stack([_losses(losses, label, layers, file) for label in labels], axis=1)
    whole = costs[0][2]
    return PrecisionProblem(
        tuple(labels),
        np.stack([one[0] for one in costs], axis=1),
        np.stack([one[1] for one in costs], axis=1),
        loss,
        whole - float(costs[0][0].sum()),
        table.most_loss,
        table.most_time,
        table.most_memory,
    )


def label_of(value: Any, text: str) -> str:
    """The name by which a plan tells a format."""
    return value if isinstance(value, str) else number_format(text).name


def costs_of(found: Resolved, text: str, step: AskedStep) -> tuple[Floats, Floats, float]:
    """(seconds of each layer's matrices, its bytes, seconds of the step) with every layer in one format."""
    plan = found.plan.replace(weights=text, experts=text)
    here = replace(found, scenario=found.scenario.model_copy(update={"plan": plan}))
    columns, physics = plan_columns(plan), here.physics()
    times: list[float] = []
    sizes: list[float] = []
    for group in found.model.layers:
        priced = price(one_layer(physics, group), columns, step.columns, step.graphs).only(
            lambda op: op.role in MATRICES and op.name != "lm_head"
        )
        times += [float(np.max(sum(priced.sum().values(), 0.0)))] * group.count
        sizes += [float(np.max(layer_weight_bytes(found.model, group, columns)))] * group.count
    whole = float(np.max(price(physics, columns, step.columns, step.graphs).totals().time_s))
    return np.array(times), np.array(sizes), whole


def _losses(table: Any, label: str, layers: int, file: str) -> Floats:
    value = table.get(label, 0.0) if isinstance(table, dict) else None
    numbers = value if isinstance(value, list) else [value] * layers
    good = [isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < np.inf for one in numbers]
    if len(numbers) != layers or not all(good):
        what = f"holds {len(numbers)} numbers for {layers} layers" if all(good) else "holds what is no loss"
        raise InputError(what, file=file, key=f"precision.loss.{label}", fix="one number of 0 or more, or one a layer")
    return np.array(numbers, float)
