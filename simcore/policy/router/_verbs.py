"""What routers are written with."""

from __future__ import annotations

from typing import Any

from numba import int64, types

from simcore.cost.jit import compiled, from_dtype, njit
from simcore.policy.records import BLOCK, REPLICA, REQUEST

REPLICAS_TYPE = types.Array(from_dtype(REPLICA), 1, "C")
ROUTE_SIGNATURE = int64(
    REPLICAS_TYPE,
    types.Array(from_dtype(REQUEST), 1, "C"),
    int64,
    types.Array(types.int32, 1, "C"),
    types.Array(from_dtype(BLOCK), 1, "C"),
)
ROUTE_TYPE = types.FunctionType(ROUTE_SIGNATURE)


def policy(function: Any) -> Any:
    """Compile a router with the one signature that the engine calls."""
    return compiled(function, ROUTE_SIGNATURE)


@njit(cache=True)
def scrambled(number: int) -> Any:
    """A well-mixed non-negative integer from a small one (the finaliser of splitmix64)."""
    mixed = types.uint64(number) * types.uint64(0x9E3779B97F4A7C15) + types.uint64(0x632BE59BD9B4E019)
    mixed = (mixed ^ (mixed >> types.uint64(30))) * types.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> types.uint64(27))) * types.uint64(0x94D049BB133111EB)
    return int64((mixed ^ (mixed >> types.uint64(31))) >> types.uint64(2))


@njit(cache=True)
def up_count(replicas: Any) -> int:
    """How many replicas are up; 1 if none is, so that it can divide."""
    count = 0
    for at in range(replicas.size):
        count += int(replicas[at].up == 1)
    return max(1, count)


@njit(cache=True)
def nth_up(replicas: Any, place: int) -> int:
    """The place-th replica that is up; 0 if there is none."""
    seen = -1
    for at in range(replicas.size):
        seen += int(replicas[at].up == 1)
        if replicas[at].up == 1 and seen == place:
            return at
    return 0
