"""The laws of all operations: shapes in, seconds out, from a data sheet and a few efficiencies.

`law(name)` finds `simcore/cost/laws/<name>.py`; `law_time_s` evaluates it with the roofline as a lower bound, so the
result is monotone in the work and never faster than the fastest tier that holds the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from simcore.cost.laws._base import Array, Law, Setting, roofline_s
from simcore.errors import InputError
from simcore.registry import PluginRegistry

law: PluginRegistry = PluginRegistry("operation", "simcore.cost.laws", "LAW")


def shape_arrays(rule: Law, columns: Mapping[str, Any]) -> dict[str, Array]:
    """Columns (scalars, arrays or labels) as float arrays of one length `[rows]`; raises InputError.

    A column that the law does not name is refused unless it only describes (dtype, stack, ...) and is not passed here.
    """
    known = {*rule.columns, *rule.defaults}
    missing = [name for name in rule.columns if name not in columns]
    if missing:
        raise InputError(f"{rule.operation} needs column {missing[0]!r}", fix=f"columns: {', '.join(rule.columns)}")
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise InputError(f"{rule.operation} has no column {unknown[0]!r}", fix=f"columns: {', '.join(sorted(known))}")
    named = {name: _numbers(rule, name, columns.get(name, rule.defaults.get(name))) for name in sorted(known)}
    arrays = np.broadcast_arrays(*(np.atleast_1d(value) for value in named.values()))
    return {name: np.asarray(a, float) for name, a in zip(named, arrays, strict=True)}


def _numbers(rule: Law, name: str, value: ArrayLike | None) -> Array:
    """A column as floats; a text column becomes the index of its label."""
    array = np.asarray(value)
    if name not in rule.categories or array.dtype.kind in "fiu":
        return np.asarray(array, float)
    labels = rule.categories[name]
    found, inverse = np.unique(array.astype(str), return_inverse=True)
    for text in found:
        if text not in labels:
            raise InputError(f"{rule.operation}: unknown {name} {str(text)!r}", fix=f"known: {', '.join(labels)}")
    codes = np.array([labels.index(text) for text in found], float)
    return np.asarray(codes[inverse].reshape(array.shape), float)


def law_time_s(rule: Law, work: dict[str, Array], setting: Setting, parameters: Array) -> Array:
    """Seconds `[rows]` of the law, never below the roofline."""
    return np.asarray(np.maximum(rule.time_s(work, setting, parameters), roofline_s(work, setting)))
