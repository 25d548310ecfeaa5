"""Contract of an engine: the same fields from the same question, and hardware that helps never hurts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

Answer = Callable[[Any], dict[str, Any]]
TRAFFIC = {"input_tokens": 512, "output_tokens": 64, "users": 4, "requests": 24}
BIG = {"model.name": "llama-3.1-405b"}
NEEDED = ("ttft_mean_s", "tpot_mean_s", "e2e_mean_s", "throughput_tokens_per_s", "chip_power_w", "kv_tokens")


def check_engine(answer: Answer) -> None:
    """Raise AssertionError with everything that an engine's answers get wrong."""
    asked = question()
    found = [*_answers(answer, asked), *_directions(answer, asked), *_too_big(answer, asked)]
    assert not found, "engine: " + "; ".join(found)


def question(**more: Any) -> Any:
    """A small scenario, with tables of its own."""
    from simcore import api

    return api.scenario("llama-3.1-8b", "h100-sxm", stack="datasheet", **{"traffic": TRAFFIC, **more})


def _answers(answer: Answer, asked: Any) -> Iterator[str]:
    first, second = answer(asked), answer(asked)
    if first != second:
        yield "two answers to one question differ"
    if not first.get("feasible"):
        yield f"a small model does not fit: {first.get('reason')}"
        return
    for name in NEEDED:
        value = first.get(name)
        if value is None or not math.isfinite(value) or value <= 0:
            yield f"{name} is {value}"
    e2e_s = (first.get("ttft_mean_s") or 0.0) + 63 * (first.get("tpot_mean_s") or 0.0)
    if not math.isclose(first.get("e2e_mean_s") or 0.0, e2e_s, rel_tol=0.02):
        yield "e2e is not ttft + (output - 1) tpot"
    if answer(asked.set({"name": "another", "title": "words"})) != first:
        yield "the name of a question changes its answer"


def _directions(answer: Answer, asked: Any) -> Iterator[str]:
    """Bandwidth and peaks help, longer prompts and more users hurt."""
    base = answer(asked)
    faster = answer(asked.set({"hardware.chip": {"memory.main.read_bandwidth": "2x"}}))
    if not (faster.get("tpot_mean_s") or 0.0) < (base.get("tpot_mean_s") or 0.0):
        yield "twice the bandwidth decodes no faster"
    longer = answer(asked.set({"traffic.input_tokens": 4096}))
    if not (longer.get("ttft_mean_s") or 0.0) > (base.get("ttft_mean_s") or 0.0):
        yield "longer prompts are not slower"
    more = answer(asked.set({"traffic.users": 16}))
    if not (more.get("throughput_tokens_per_s") or 0.0) > (base.get("throughput_tokens_per_s") or 0.0):
        yield "more users have no more throughput"


def _too_big(answer: Answer, asked: Any) -> Iterator[str]:
    """What does not fit is an answer."""
    found = answer(asked.set(BIG))
    if found.get("feasible") or not found.get("reason"):
        yield "a model larger than the chip has no reason"
    if found.get("throughput_tokens_per_s"):
        yield "a model that does not fit has a throughput"
