"""Plots say what they show: text as given, parts of a step in their own colours."""

from __future__ import annotations

import re
from pathlib import Path

import simcore
from reports.style import category, figure, save


def test_a_dollar_is_a_dollar_and_a_power_of_ten_a_power(tmp_path: Path) -> None:
    fig, axes = figure()
    axes[0, 0].set(xscale="log", xlim=(1e-3, 1e3), title="$1 to $2")
    axes[0, 0].barh(["$5"], [1.0])
    text = save(fig, tmp_path, "plot")
    drawn = re.sub(r"<!--.*?-->", "", text)
    assert "mathdefault" not in drawn and ">$1 to $2<" in drawn and ">$5<" in drawn


def test_what_the_server_adds_is_no_matrix_product() -> None:
    """Every part of a step that is priced without a kernel has a colour of its own."""
    result = simcore.estimate("llama-3.1-70b", "dgx-h200", stack="vllm", tp=4, users=8, weights="fp8")
    names = {op.name for op in result.operations if op.flop == 0 and op.bound == "launch" and op.moved_bytes == 0}
    assert {"host", "kernel_gaps"} <= names
    assert {category(name) for name in names} <= {"launch and host", "elementwise"}
