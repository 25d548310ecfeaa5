"""Numbered laws that every finished run obeys; `--check` and the tests ask for violations."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from simcore.engine.serving import ServingRun
from simcore.policy.records import DONE, LOST, REFUSED

TOLERANCE = 1e-9


def requests_conserved(run: ServingRun) -> bool:
    """Every request is done, refused or counted as lost; nobody waits for ever."""
    return bool(np.isin(run.requests["state"], (DONE, REFUSED, LOST)).all())


def times_ordered(run: ServingRun) -> bool:
    """arrival <= ready <= scheduled <= first token <= done, for requests that were served."""
    rows = run.requests[run.requests["state"] == DONE]
    names = ("arrival_s", "scheduled_s", "first_token_s", "done_s")
    return all(bool((rows[a] <= rows[b] + TOLERANCE).all()) for a, b in itertools.pairwise(names))


def tokens_complete(run: ServingRun) -> bool:
    """A served request has generated exactly its output, a refused one nothing."""
    rows = run.requests
    served = rows["state"] == DONE
    return bool(
        (rows["generated_tokens"][served] == rows["output_tokens"][served]).all()
        and (rows["generated_tokens"][rows["state"] == REFUSED] == 0).all()
    )


def blocks_returned(run: ServingRun) -> bool:
    """KV used + free = capacity: when all is done, every block is free again (cached prefixes count as free)."""
    fleet = run.replicas[run.replicas["up"] == 1]
    return bool((fleet["free_blocks"] == fleet["kv_blocks"]).all() and (run.requests["blocks"] == 0).all())


def work_accounted(run: ServingRun) -> bool:
    """Decoded tokens + one per completed prefill = generated tokens; prefilled = inputs - cached, without restarts."""
    rows, fleet = run.requests, run.replicas
    if rows["preemptions"].sum() or fleet["draft_tokens"].any() or (rows["state"] == LOST).any():
        return True
    served = rows["state"] == DONE
    if (rows["goal_tokens"][served] != rows["output_tokens"][served]).any():
        return True
    decoded = int((rows["output_tokens"] - 1)[served].sum())
    prefilled = int((rows["input_tokens"] - rows["cached_tokens"])[served].sum())
    return decoded == int(fleet["decode_tokens"].sum()) and prefilled == int(fleet["prefill_tokens"].sum())


def energy_is_the_integral_of_power(run: ServingRun) -> bool:
    """The series of each replica sum to its counters."""
    fleet = run.replicas
    energy = np.allclose(fleet["energy"].sum(axis=1), fleet["energy_j"], rtol=1e-6, atol=1e-9)
    return bool(energy and np.allclose(fleet["busy"].sum(axis=1), fleet["busy_s"], rtol=1e-6, atol=1e-9))


def busy_within_the_clock(run: ServingRun) -> bool:
    """No replica is busy longer than its clock ran."""
    fleet = run.replicas
    return bool((fleet["busy_s"] <= fleet["now_s"] * (1 + 1e-9) + 1e-6).all())


def nobody_left_inside(run: ServingRun) -> bool:
    """Queues, running sets and outstanding counters are empty at the end."""
    fleet = run.replicas[run.replicas["up"] == 1]
    names = ("queue_count", "decode_count", "prefill_count", "outstanding", "outstanding_tokens", "decode_kv_tokens")
    return all(bool((fleet[name] == 0).all()) for name in names)


INVARIANTS: dict[int, Callable[[ServingRun], bool]] = {
    1: requests_conserved,
    2: times_ordered,
    3: tokens_complete,
    4: blocks_returned,
    5: work_accounted,
    6: energy_is_the_integral_of_power,
    7: busy_within_the_clock,
    8: nobody_left_inside,
}


def violations(run: ServingRun) -> list[str]:
    """One line per broken invariant: its number and what it says."""
    return [
        f"invariant {number}: {(law.__doc__ or '').splitlines()[0]}"
        for number, law in INVARIANTS.items()
        if not law(run)
    ]
