"""Cost of a calibrated operator, and the closed loop on this machine."""

from __future__ import annotations

import time
from statistics import median

import numpy as np


def operator_us() -> float:
    """Processor microseconds per operation, the worst of four kinds, in bulk."""
    from hardware_specs import calibration

    model = calibration("h200-sxm", "trtllm")
    rng = np.random.default_rng(0)
    rows = 200_000
    heads = {"num_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "batch_size": 2 ** rng.uniform(0, 8, rows)}
    experts = {"hidden_size": 4096, "inter_size": 1536, "topk": 8, "num_experts": 128}
    kinds = {
        "gemm": {name: 2 ** rng.uniform(4, 13, rows) for name in "mnk"},
        "attention_prefill": heads | {"isl": 2 ** rng.uniform(4, 13, rows)},
        "attention_decode": heads | {"step": 2 ** rng.uniform(4, 14, rows)},
        "moe": experts | {"num_tokens": 2 ** rng.uniform(0, 13, rows)},
    }
    costs = []
    for operation, columns in kinds.items():
        model.predict(operation, columns)
        start = time.process_time()
        model.predict(operation, columns)
        costs.append((time.process_time() - start) / rows * 1e6)
    return max(costs)


def closed_loop_percent() -> float:
    """Median error of the closed loop over its shapes: profile this machine, fit, run the transformer, compare."""
    import tempfile
    from pathlib import Path

    from simcore.calibration.build import build
    from simcore.calibration.host import closed_loop, host_facts, host_model
    from simcore.calibration.host_numpy import CASES, Transformer
    from simcore.calibration.profile import profile
    from simcore.calibration.store import save

    with tempfile.TemporaryDirectory() as name:
        folder = profile("cpu", "full", Path(name))
        for artefact in build(host_facts(folder), folder, "benchmark", rows_per_number=2.0).values():
            save(artefact, folder / "host")
        rows = closed_loop(host_model(folder), Transformer(), CASES)
    return 100.0 * median(abs(row["error"]) for row in rows)


def figures() -> dict[str, float]:
    return {"calibrated_op_us": operator_us(), "closed_loop_median_percent": closed_loop_percent()}
