"""A space as others see it: Optuna trials and distributions, Gymnasium action spaces. Arrays are `Space.units`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from planners.search.space import Point, Space
from simcore.errors import InputError

BINS = 10
"""levels that a continuous parameter has where levels are needed"""
_ABSENT = object()


def optuna() -> Any:
    """The module, quiet. Raises InputError saying how to install it."""
    try:
        import optuna as module
    except ImportError:
        raise InputError("this needs Optuna", fix="pip install 'simcore[search]'") from None
    module.logging.set_verbosity(module.logging.WARNING)
    return module


def cmaes() -> Any:
    """The module. Raises InputError saying how to install it."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cmaes as module
    except ImportError:
        raise InputError("this needs cmaes", fix="pip install 'simcore[search]'") from None
    return module


def gymnasium() -> Any:
    """The module. Raises InputError saying how to install it."""
    try:
        import gymnasium as module
    except ImportError:
        raise InputError("this needs Gymnasium", fix="pip install 'simcore[search]'") from None
    return module


def suggest(trial: Any, space: Space) -> Point:
    """A point from an Optuna trial, define-by-run: only active parameters are suggested, ordered ones by level."""
    point: Point = {}
    for p in space.parameters:
        if any(point.get(name, _ABSENT) not in values for name, values in p.when.items()):
            continue
        if p.levels is None:
            point[p.name] = trial.suggest_float(p.name, p.low, p.high, log=p.log)
        elif p.ordered:
            point[p.name] = p.values()[trial.suggest_int(p.name, 0, p.levels - 1)]
        else:
            point[p.name] = p.choices[trial.suggest_categorical(p.name, list(range(len(p.choices))))]
    return point


def distributions(space: Space) -> dict[str, Any]:
    """Optuna distributions of all parameters, as `suggest` uses them; conditions are not part of them."""
    module = optuna().distributions
    found: dict[str, Any] = {}
    for p in space.parameters:
        if p.levels is None:
            found[p.name] = module.FloatDistribution(p.low, p.high, log=p.log)
        elif p.ordered:
            found[p.name] = module.IntDistribution(0, p.levels - 1)
        else:
            found[p.name] = module.CategoricalDistribution(list(range(len(p.choices))))
    return found


def levels(space: Space) -> list[int]:
    """Levels per parameter; BINS for a continuous one."""
    return [p.levels or BINS for p in space.parameters]


def action_space(space: Space) -> Any:
    """Gymnasium's MultiDiscrete with one action per parameter."""
    return gymnasium().spaces.MultiDiscrete(levels(space))


def point_of(space: Space, actions: NDArray[Any]) -> Point:
    """The point of one action per parameter; the middle of the bin where a parameter is continuous."""
    units = (np.asarray(actions, float) + 0.5) / np.array(levels(space))
    return space.points(space.canonical(units[None]))[0]
