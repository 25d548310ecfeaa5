"""CPU seconds to predict every row of the measured serving table on one core."""

from __future__ import annotations

import os
import time
from pathlib import Path


def figures() -> dict[str, float]:
    """Nothing where the measured table is not at hand."""
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("SIMCORE_SHARED", root.parent / "shared"))
    table = shared / "measured" / "serving" / "silicon_serving.csv"
    if not table.is_file():
        return {}
    from validation.serving.inputs import read_frame, replayer
    from validation.serving.report import answers
    from validation.serving.rows import read_rows

    start_s = time.process_time()
    found = answers(replayer(), read_rows(read_frame(table)))
    spent_s = time.process_time() - start_s
    return {"serving_table_cpu_s": spent_s, "serving_table_predicted_rows": float(sum(not a.reason for a in found))}
