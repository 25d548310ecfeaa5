"""A chosen precision as a scenario of its own, which every verb answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from planners.precision.problem import label_of
from planners.precision.solve import PrecisionPlan
from planners.precision.table import PRECISION
from scenarios.asked import ASKED
from scenarios.formats import format_named
from simcore.errors import InputError
from simcore.spec.formats import INLINE


def chosen_scenario(raw: Mapping[str, Any], plan: PrecisionPlan, file: str = "") -> dict[str, Any]:
    """The tables of a problem's file with `[[plan.layers]]` for what was asked.

    Formats by path become tables, so that the file may lie anywhere. Raises InputError for a plan that names layers
    already.
    """
    tables = {key: value for key, value in raw.items() if key not in (PRECISION, ASKED, "schema")}
    own = dict(tables.get("plan", {}))
    if "layers" in own:
        raise InputError("names layers already", file=file, key="plan.layers", fix="leave it out of the problem")
    texts = [(value, format_named(value, file, "precision.formats")) for value in raw[PRECISION]["formats"]]
    values = {label_of(value, text): json.loads(text) if text.startswith(INLINE) else text for value, text in texts}
    rows, first = [], 0
    for label, same in groupby(plan.formats):
        last = first + len(list(same)) - 1
        rows.append({"layers": str(first) if first == last else f"{first}-{last}", "weights": values[label]})
        first = last + 1
    return {"schema": "scenario/2", **tables, "plan": {**own, "layers": rows}}
