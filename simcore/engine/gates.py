"""Kernels behind one C signature, so that they can be called without numba: an array of whole numbers.

An array of records is its address and its length, a policy the addresses of its C function and of the one behind it,
which spares it an array's passage through C. The last number is set
to 1 at the end: where it is not, the kernel broke off. `simcore.engine.gate` calls them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, types
from numba.extending import intrinsic

from simcore.cost.jit import gate_address, pointer
from simcore.engine.closed_loop import serve_closed
from simcore.engine.feedback import LOOP
from simcore.engine.kernels import serve_open
from simcore.policy.records import BLOCK, REPLICA, REQUEST, STEP
from simcore.policy.router._verbs import ROUTE_TYPE
from simcore.policy.scheduler._verbs import COMPOSE_TYPE
from simcore.step.packed import STEP_TIMES


def _function(kind: Any) -> Any:
    """(int64, int64) -> a function of that type by its addresses; members of numba's structure that hold neither are
    empty. Older versions know the first alone."""

    @intrinsic
    def made(typing: Any, outer: Any, inner: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            structure = context.get_value_type(kind)
            value = ir.Constant(structure, None)
            for place, number in zip((0, 2), arguments, strict=True):
                if place < len(structure.elements):
                    address = builder.inttoptr(number, context.get_value_type(types.voidptr))
                    value = builder.insert_value(value, address, place)
            return value

        return kind(types.int64, types.int64), code

    return made


_composer = _function(COMPOSE_TYPE)
_router = _function(ROUTE_TYPE)


def open_loop(a: Any) -> None:
    """`serve_open`: replicas, requests, step times, hashes, caches, scheduler, router, looks, log."""
    serve_open(
        carray(pointer(a[0]), a[1], REPLICA),
        carray(pointer(a[2]), a[3], REQUEST),
        carray(pointer(a[4]), a[5], STEP_TIMES),
        carray(pointer(a[6]), a[7], np.int32),
        carray(pointer(a[8]), a[9], BLOCK),
        _composer(a[10], a[11]),
        _router(a[12], a[13]),
        a[14],
        carray(pointer(a[15]), a[16], STEP),
    )
    a[17] = 1


def closed_loop(a: Any) -> None:
    """`serve_closed`: replicas, requests, step times, hashes, caches, scheduler, log, loop, two of scratch."""
    serve_closed(
        carray(pointer(a[0]), a[1], REPLICA),
        carray(pointer(a[2]), a[3], REQUEST),
        carray(pointer(a[4]), a[5], STEP_TIMES),
        carray(pointer(a[6]), a[7], np.int32),
        carray(pointer(a[8]), a[9], BLOCK),
        _composer(a[10], a[11]),
        carray(pointer(a[12]), a[13], STEP),
        carray(pointer(a[14]), a[15], LOOP),
        carray(pointer(a[16]), a[17], np.float64),
        carray(pointer(a[18]), a[19], np.float64),
    )
    a[20] = 1


def address(name: str) -> int:
    """The C function of a gate."""
    return gate_address(globals()[name])
