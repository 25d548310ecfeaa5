"""Plan evaluations per CPU second, memory of five million plans."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from benchmarks._process import cpu_and_peak

STUDY = Path(__file__).with_name("plans.toml")


def figures() -> dict[str, float]:
    _, peak_mb = cpu_and_peak(["-c", "from benchmarks.plans import stream; stream(5_000_000)"], repeats=1)
    return {
        "plans_per_cpu_s": rate(1_000_000),
        "plans_calibrated_per_cpu_s": rate(1_000_000, stack="vllm"),
        "plans_unshared_per_cpu_s": rate(300_000, share_steps=False),
        "plans_5m_peak_mb": peak_mb,
    }


def rate(plans: int, stack: str = "datasheet", share_steps: bool = True) -> float:
    """Plans per CPU second on one core, all figures of each plan, the summary (frontier, ranking) included.

    Plans whose prefill or decode step is the same share its cost, unless `share_steps` is off.
    """
    stream(50_000, stack, share_steps)
    began = time.process_time()
    done = stream(plans, stack, share_steps)
    return done / (time.process_time() - began)


def stream(plans: int, stack: str = "datasheet", share_steps: bool = True) -> int:
    """Evaluate the first `plans` plans of the study, keeping only what a sweep keeps; returns how many there were."""
    from planners.sweep import SweepSummary, prepare
    from scenarios.read import read

    study = read(STUDY)
    prepared = prepare(study.replace(hardware=study.hardware.replace(stack=stack)))
    prepared = replace(prepared, evaluator=replace(prepared.evaluator, share_steps=share_steps))
    summary = SweepSummary(prepared.study)
    for table in prepared.tables():
        summary.add(table)
        if summary.evaluated >= plans:
            break
    return summary.evaluated
