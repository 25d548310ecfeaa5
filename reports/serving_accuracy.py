"""Plots of the serving proof: predicted against measured, and error against load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw_serving(path: Path, scored: Mapping[str, Any]) -> None:
    """TTFT and TPOT: predicted over measured (log axes, one colour per stack), and predicted / measured by users."""
    import matplotlib

    from reports.style import write_png

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    rows = scored["rows"]
    stacks = np.array([row.question.stack for row in rows])
    users = np.array([row.question.users for row in rows], dtype=float)
    figure, axes = plt.subplots(2, 2, figsize=(10, 8), constrained_layout=True)
    for column, name in enumerate(("ttft_s", "tpot_s")):
        measured = np.array([getattr(row, name) for row in rows]) * 1e3
        predicted = scored[name] * 1e3
        upper, lower = axes[0, column], axes[1, column]
        for stack in np.unique(stacks):
            mine = (stacks == stack) & np.isfinite(predicted)
            upper.loglog(measured[mine], predicted[mine], ".", markersize=3, label=str(stack))
            lower.loglog(users[mine], predicted[mine] / measured[mine], ".", markersize=3)
        ends = [measured.min(), measured.max()]
        upper.plot(ends, ends, color="grey", linewidth=0.8)
        lower.axhline(1.0, color="grey", linewidth=0.8)
        label = name.removesuffix("_s").upper()
        upper.set(xlabel=f"measured {label} in ms", ylabel=f"predicted {label} in ms")
        lower.set(xlabel="concurrent users", ylabel=f"predicted / measured {label}")
        upper.legend()
    write_png(path, figure, 120)
    plt.close(figure)
