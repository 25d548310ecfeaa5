"""What the analytic engine does not read is refused where it would move the answer, and told where a bound is meant."""

from __future__ import annotations

from typing import Any

import pytest

import simcore
from simcore.errors import InputError

ASKED: dict[str, Any] = {"traffic": {"input_tokens": 500, "output_tokens": 100, "batch": 4}}


def test_drafts_are_refused() -> None:
    question = simcore.scenario("llama-3.1-8b", "l40s", policy={"draft_tokens": 3, "acceptance_ratio": 0.7}, **ASKED)
    with pytest.raises(InputError, match=r"policy\.draft_tokens"):
        simcore.estimate(question)
    assert simcore.simulate(question).flat["feasible"]


def test_bounds_and_caches_are_told() -> None:
    plain = simcore.estimate(simcore.scenario("llama-3.1-8b", "l40s", **ASKED))
    more = {"slo": {"itl_p99": "50 ms", "e2e": "9 s"}, "policy": {"prefix_cache": True}}
    told = simcore.estimate(simcore.scenario("llama-3.1-8b", "l40s", **ASKED, **more))
    notes = " ".join(told.notes)
    assert "slo.e2e, slo.itl_p99" in notes and "prefix_cache" in notes
    assert "slo." not in " ".join(plain.notes)
