"""Contract of a serving stack: what it names exists, and its rules of memory are monotone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simcore.cost.memory import Home, Load, footprint
from simcore.policy.scheduler import schedulers
from simcore.spec.stack import Stack
from simcore.testing.cost_models import MODELS
from simcore.testing.models import plan_of


def check_stack(stack: Stack) -> None:
    """Raise AssertionError with everything about a stack that contradicts itself or names what is not there."""
    found = [*_names(stack), *_memory(stack), *_serving(stack)]
    assert not found, f"stack {stack.name}: " + "; ".join(found)


def _names(stack: Stack) -> Iterator[str]:
    from simcore import api

    if stack.serving.scheduler not in schedulers.names():
        yield f"no scheduler is called {stack.serving.scheduler!r}"
    try:
        api.cost_model("h100-sxm", stack)
    except Exception as error:
        yield f"its kernels cannot be timed: {error}"
    if any(value < 0 for value in stack.adds.stated.values()):
        yield "what it adds is negative"


def _memory(stack: Stack) -> Iterator[str]:
    """More memory, a larger fraction and fewer sequences never leave less room."""
    home, load = Home(80e9, stack.memory), Load(sequences=8.0, sampled=64.0)
    room = [_room(replace(home, reported_bytes=size), load) for size in (40e9, 80e9, 160e9)]
    if not room[0] < room[1] < room[2]:
        yield "more memory leaves no more room"
    if not _room(replace(home, fraction=0.5), load) < _room(replace(home, fraction=0.9), load):
        yield "a larger fraction leaves no more room"
    if room[1] > home.reported_bytes - 2.0 * MODELS[0].parameters:
        yield "leaves more room than the card has beside the weights"


def _room(home: Home, load: Load) -> float:
    return float(np.max(footprint(MODELS[0], plan_of(), load, home).room_bytes))


def _serving(stack: Stack) -> Iterator[str]:
    memory, serving = stack.memory, stack.serving
    if serving.budget(200e9, memory) < serving.budget(16e9, memory):
        yield "a larger card has a smaller token budget"
    if memory.sampled(200e9) < memory.sampled(16e9):
        yield "a larger card has fewer sequences"
