"""Training: the whole plan space of GPT3-175B on 1,024 chips, scheduled operations, months of failures."""

from __future__ import annotations

import resource
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SHAPES = (("1f1b", 16, 1, 2048), ("interleaved", 16, 4, 512), ("dualpipe", 16, 2, 1024), ("zb-h1", 16, 1, 1024))
"""(schedule, ranks, chunks, microbatches)"""
FAILURE_S = 3.09 * 3600.0
"""between unexpected interruptions of 16,384 chips (Llama 3 report, section 3.3.4)"""


def figures() -> dict[str, float]:
    return {**space(), "schedule_ops_per_cpu_s": schedules(), "failure_months_1000_cpu_s": failures()}


def space() -> dict[str, float]:
    """CPU seconds and memory of the process for 11,698,528 plans."""
    import numpy as np

    from planners.training.search import search
    from planners.training.terms import Costs
    from scenarios.read import read
    from scenarios.training import question_of

    job = question_of(read(EXAMPLES / "train-space.toml")).job
    before = time.process_time()
    found = search(Costs(job, 25e9), 1024, 1536)
    cpu_s = time.process_time() - before
    assert found.plans == 11_698_528 and np.isfinite(found.best[0].step_s)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"training_space_cpu_s": cpu_s, "training_space_peak_mb": peak_mb}


def schedules() -> float:
    """Operations per CPU second over four schedules, orders at hand."""
    import numpy as np

    from simcore.engine.training.pipeline import StageTimes, program, run

    operations, cpu_s = 0, 0.0
    for shape in SHAPES:
        order = program(*shape)
        ones = np.ones(order.stages)
        times = StageTimes(ones, ones, ones)
        run(order, times)
        before = time.process_time()
        for _ in range(10):
            run(order, times)
        cpu_s += time.process_time() - before
        operations += 10 * len(order.rows)
    return operations / cpu_s


def failures() -> float:
    """CPU seconds of 1,000 months of 16,384 chips."""
    from simcore.engine.training.faults import Faults, best_interval, months

    faults = best_interval(Faults(1.0 / FAILURE_S, 600.0, stop_s=30.0, down_s=600.0, spares=16, repair_s=14400.0))
    months(faults, 2)
    before = time.process_time()
    months(faults, 1000)
    return time.process_time() - before
