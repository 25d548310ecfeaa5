"""Closed loops: which request is sent when another's answer is complete."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from simcore.errors import InputError
from simcore.kept.lazy import dataclass
from simcore.spec.traffic import Trace

LOOP = np.dtype([("users", "i8"), ("think_s", "f8"), ("token_s", "f8"), ("output_s", "f8"), ("hold_steps", "i8")])
"""the client and the frontend of a compiled loop; see `Clients` and `simcore.engine.serving.Ranks`"""
Sent = list[tuple[float, int]]
"""(arrival in seconds, number of the request)"""


@dataclass(frozen=True)
class Clients:
    """A closed loop: `users` send at once at time 0, and each sends again `think_s` after its answer is complete.

    The default think time is a moment, so that a request misses the step that starts when the one before it ended.
    `token_s` is what the server's frontend takes per input token to read a prompt, one prompt at a time; `output_s`
    what it takes per output token on the way back: where decodes are faster than that, tokens queue up there.
    """

    users: int
    think_s: float = 1e-6
    token_s: float = 0.0
    output_s: float = 0.0


class Feedback(Protocol):
    """Who sends what."""

    def first(self) -> Sent:
        """What is sent whatever happens."""

    def follow(self, number: int, done_s: float) -> Sent:
        """What the end of request `number` (served or refused) causes."""


class Users:
    """A fixed number of users who take the requests of a trace in order."""

    def __init__(self, clients: Clients, count: int) -> None:
        self.think_s, self.count = clients.think_s, count
        self.released = min(clients.users, count)

    def first(self) -> Sent:
        return [(0.0, number) for number in range(self.released)]

    def follow(self, number: int, done_s: float) -> Sent:
        if self.released >= self.count:
            return []
        self.released += 1
        return [(done_s + self.think_s, self.released - 1)]


class Turns:
    """Sessions: the requests of one turn go out together; the next turn's, when all answers of the last are complete,
    each after its own pause (a tool's, or a person's)."""

    def __init__(self, trace: Trace) -> None:
        if trace.session is None or trace.turn is None:
            raise InputError("waiting for answers needs sessions and turns", file=trace.source or None, key="turn")
        self.trace = trace
        order = np.lexsort((trace.turn, trace.session))
        keys = np.stack([trace.session[order], trace.turn[order]], axis=1)
        group = np.concatenate([[0], np.cumsum(np.any(np.diff(keys, axis=0) != 0, axis=1))])
        self.group = np.zeros(len(trace), np.int64)
        self.group[order] = group
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        self.members = np.split(order, starts[1:])
        self.left = np.array([len(rows) for rows in self.members])
        session = trace.session[order][starts]
        self.opens = np.concatenate([[True], np.diff(session) != 0])

    def first(self) -> Sent:
        arrival_s = self.trace.arrival_s
        return [(float(arrival_s[n]), int(n)) for g in np.flatnonzero(self.opens) for n in sorted(self.members[g])]

    def follow(self, number: int, done_s: float) -> Sent:
        group = int(self.group[number])
        self.left[group] -= 1
        coming = group + 1
        if self.left[group] > 0 or coming >= len(self.members) or self.opens[coming]:
            return []
        pause_s = self.trace.pause_s
        return [
            (done_s + (0.0 if pause_s is None else float(pause_s[n])), int(n)) for n in sorted(self.members[coming])
        ]


def feedback_of(clients: Clients | None, trace: Trace, wait: bool) -> Any:
    """The loop of a run: users, sessions that wait for their answers, or none."""
    if clients is not None:
        return Users(clients, len(trace))
    return Turns(trace) if wait else None
