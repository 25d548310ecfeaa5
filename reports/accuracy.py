"""Plots of predictions against measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw_operators(path: Path, scored: Any) -> None:
    """Predicted against measured time, and the relative error by measured time; one colour per stack."""
    import matplotlib
    import numpy as np

    from reports.style import write_png

    matplotlib.use("Agg")
    from matplotlib import pyplot

    good = np.isfinite(scored.measured_s) & np.isfinite(scored.predicted_s) & (scored.measured_s > 0)
    stacks = np.array([scored.label[g][0] if g >= 0 else "" for g in scored.group], object)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), constrained_layout=True)
    for stack in sorted(set(stacks[good])):
        mask = good & (stacks == stack)
        measured_us, predicted_us = scored.measured_s[mask] * 1e6, scored.predicted_s[mask] * 1e6
        left.plot(measured_us, predicted_us, ".", markersize=1.5, label=stack, rasterized=True)
        right.plot(measured_us, 100 * (predicted_us / measured_us - 1), ".", markersize=1.5, rasterized=True)
    low, high = scored.measured_s[good].min() * 1e6, scored.measured_s[good].max() * 1e6
    left.plot([low, high], [low, high], color="black", linewidth=0.6)
    left.set(xscale="log", yscale="log", xlabel="measured [us]", ylabel="predicted [us]", title=scored.operation)
    left.legend(markerscale=6)
    right.axhline(0, color="black", linewidth=0.6)
    right.set(xscale="log", xlabel="measured [us]", ylabel="error [%]", ylim=(-60, 60), title="error by size")
    write_png(path, figure, 130)
    pyplot.close(figure)
