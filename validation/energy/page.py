"""The page of throughput and board power."""

from __future__ import annotations

from typing import Any

MEASURES = ("output_tokens_per_s", "chip_power_w")
HEADER = """## Throughput and board power of measured servers

Rows of `power_and_itl.csv` (vLLM 0.11.1, H100 and B200; the ML.ENERGY benchmark), each a scenario answered by `simcore
simulate`: `simcore validate energy --table power_and_itl.csv{flag}`.

Three seconds of that release and six numbers of the law of board power are fitted on these rows{how}.

Prompts, the number of requests and the spread of answers are assumed (`validation/energy/question.py`). Errors in per
cent; `signed` is the median of each quartile of running sequences per chip, from few to many.

| group | rows | tokens/s median | P90 | signed by load | W median | P90 | signed by load |
|---|---|---|---|---|---|---|---|
"""
NOTES = """
One-GPU B200 rows look like a loaded host (steps of 30 ms at 8 sequences), which no column explains. Attention-dp rows
are {dp}: what that server does between its ranks is not modelled. Both are shown, not judged.
"""


def page(report: dict[str, Any], held_out: bool) -> str:
    """Markdown."""
    how = ";\nevery row is predicted by numbers that have seen no row of its architecture" if held_out else ""
    lines = [f"| {name} | {one['rows']} | {' | '.join(cells(one))} |" for name, one in report.items()]
    far = report.get("attention dp", {}).get("output_tokens_per_s", {}).get("median")
    wrong = "not there" if far is None else f"{100 * far:.0f} % off"
    return (
        HEADER.format(flag=" --held-out" if held_out else "", how=how)
        + "\n".join(lines)
        + "\n"
        + NOTES.format(dp=wrong)
    )


def cells(one: dict[str, Any]) -> list[str]:
    """Median, P90 and signed errors of one group, tokens per second and watts, as text."""
    found: list[str] = []
    for name in MEASURES:
        errors = one.get(name)
        if errors is None:
            found += ["", "", ""]
            continue
        signed = " ".join("-" if v is None else f"{100 * v:+.0f}" for v in errors["signed_by_quartile"])
        found += [f"{100 * errors['median']:.1f}", f"{100 * errors['p90']:.0f}", signed]
    return found
