"""The order of a queue as a program: arithmetic on what a scheduler may know of a request, lowest first.

`policy.scheduler = "ranked"` with `policy.rank = "input_tokens - 200 * priority"`. A program is data: nothing of Python
is reachable (`simcore.spec.expression`). A server does not know `output_tokens`: who reads them is an oracle.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from simcore.errors import InputError, suggest
from simcore.spec.expression import Expression

KNOWN = ("arrival_s", "deadline_s", "input_tokens", "priority", "session", "tenant", "hash_count")
FORESEEN = ("output_tokens",)
"""what a server does not know"""
LAST = 1e300
"""rank of a request for which the program has no number"""


@cache
def rank_program(text: str) -> Expression:
    """The program of a text. Raises InputError for what is no arithmetic or reads what there is not."""
    found = Expression(text)
    for name in found.names:
        if name not in (*KNOWN, *FORESEEN):
            what = f"no request has {name!r}"
            raise InputError(what, key="policy.rank", fix=suggest(name, (*KNOWN, *FORESEEN)))
    return found


def ranks(text: str, requests: Any) -> Any:
    """Ranks of requests, records as arrays or one of them."""
    program = rank_program(text)
    columns = {name: np.asarray(requests[name], np.float64) for name in program.names}
    found = np.asarray(program.number(columns), np.float64)
    return np.where(np.isfinite(found), np.clip(found, -LAST, LAST), LAST)
