"""Disaggregated serving: prefill workers behind one queue, decode workers that share the users, in a closed loop.

Mean field: every decode step has the batch that the loop settles at; a prefill worker takes prompts one after the other
at its saturated rate. What is left out: transfer of KV over a busy link, batches that differ between workers.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.run import with_served
from scenarios.steps import hardware_steps
from simcore.step.served import Served
from simcore.step.times import Floats, StepTimes
from validation.serving.rows import Question

if TYPE_CHECKING:
    from validation.serving.replay import Answer, Replayer

SETTLE_ROUNDS = 4
PROMPTS = 16
SHORTEST = 0.8
MEAN_SHARE = 0.9
"""mean length over the largest, uniform between `SHORTEST` and 1"""
REQUESTS_PER_USER = 10


def disaggregated(replayer: Replayer, question: Question, by: Served, recipe: Mapping[str, Any]) -> Answer:
    """TTFT and TPOT of a deployment with separate prefill and decode pools; InputError where weights do not fit."""
    from validation.serving.replay import Answer

    assert question.prefill is not None
    share = 1.0 if question.fixed_lengths else MEAN_SHARE
    prefill = prefill_step(replayer, question, by)
    decode = with_served(replayer.pool_ready(question, question.pool), by)
    ranks = question.pool.workers * question.pool.attention_dp
    kv_tokens = share * (question.input_tokens + question.output_tokens / 2.0)
    times = decode.step_times
    decoding = float(question.users)
    ttft_s = tpot_s = 0.0
    low = 1.0 if question.fixed_lengths else SHORTEST / MEAN_SHARE
    spread = np.random.default_rng(0).uniform(low, 2.0 - low, REQUESTS_PER_USER * question.users)
    for _ in range(SETTLE_ROUNDS):
        tpot_s = decode_step(times, max(decoding / ranks, 1.0), kv_tokens)
        ttft_s, busy = loop(spread, question.prefill.workers, prefill, share * question.output_tokens * tpot_s)
        decoding = 0.5 * (decoding + busy)
    first_s = ttft_s + (int(recipe["stream_interval"]) - 1) * tpot_s
    return Answer(first_s + by.first_token_s, tpot_s)


@dataclass(frozen=True)
class PrefillStep:
    """One worker's prefill: a prompt alone, a prompt of many, and how many at once at most."""

    alone_s: float
    saturated_s: float
    most: int

    def span_s(self, prompts: int) -> float:
        """Seconds for so many prompts together."""
        return max(self.alone_s, prompts * self.saturated_s)


def prefill_step(replayer: Replayer, question: Question, by: Served) -> PrefillStep:
    """A prefill worker's step times, from the replay of one prompt and of many."""
    from simcore.engine.serving import Clients, serve_clients
    from simcore.spec.traffic import Trace

    assert question.prefill is not None
    pool = question.prefill
    worker = replayer.pool_ready(replace(question, output_tokens=1), pool)
    assert worker.resolved is not None
    every = replace(worker.resolved.adding(by), peer_share=1.0)  # all ranks of a prefill worker prefill
    how, times = worker.settings, hardware_steps(replace(worker.resolved, served=every))
    share = 1.0 if question.fixed_lengths else MEAN_SHARE

    def span_s(count: int) -> float:
        lengths = np.full(count, int(share * question.input_tokens))
        trace = Trace(np.zeros(count), lengths, np.ones(count, dtype=int))
        run = serve_clients(trace, times, how, Clients(count), ranks=pool.attention_dp)
        return float(run.requests["first_token_s"].max())

    count = PROMPTS * pool.attention_dp
    most = pool.attention_dp * max(1, how.token_budget // question.input_tokens)
    return PrefillStep(span_s(1), span_s(count) / count, most)


def decode_step(times: StepTimes, batch: float, kv_tokens: float) -> float:
    """Seconds of one decode step of a rank with `batch` sequences of `kv_tokens`."""
    from simcore.step.kernel import decode_step_s, pack

    return float(decode_step_s(pack(times)[0], batch, (kv_tokens, kv_tokens, kv_tokens)))


def loop(spread: Floats, workers: int, prefill: PrefillStep, decode_s: float) -> tuple[float, float]:
    """(mean seconds from arrival to the end of prefill, mean requests decoding) over 10 requests per user.

    A worker that comes free takes what waits, at most `prefill.most` prompts, and nobody enters before it is done.
    `spread`: each request's decode over the mean, `[requests]`.

    >>> first_s, decoding = loop(np.ones(10), 1, PrefillStep(1.0, 1.0, 8), 9.0)
    >>> first_s, round(decoding, 3)
    (1.0, 0.9)
    """
    total = len(spread)
    arrivals = [0.0] * (total // REQUESTS_PER_USER)
    free = [0.0] * workers
    waited_s, end_s, served = 0.0, 0.0, 0
    while served < total:
        start_s = max(heapq.heappop(free), arrivals[0])
        taken: list[float] = []
        while arrivals and arrivals[0] <= start_s and len(taken) < min(prefill.most, total - served):
            taken.append(heapq.heappop(arrivals))
        done_s = start_s + prefill.span_s(len(taken))
        for arrival_s in taken:
            waited_s += done_s - arrival_s
            heapq.heappush(arrivals, done_s + decode_s * float(spread[served]))
            served += 1
        end_s = max(end_s, done_s + decode_s)
        heapq.heappush(free, done_s)
    return waited_s / total, float(decode_s * spread.sum() / end_s)
