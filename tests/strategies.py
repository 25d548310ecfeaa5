"""Hypothesis strategies used by many tests."""

from __future__ import annotations

from hypothesis import strategies as st

from simcore.spec.case import Case
from tests.cases import case

CHIPS = ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200-sxm", "l40s", "mi300x")
degrees = st.sampled_from([1, 2, 4, 8])
formats = st.sampled_from(["bf16", "fp8", "int8", "int4", "fp4"])
tokens = st.integers(1, 8192)
batches = st.integers(1, 512)


@st.composite
def scenarios(draw: st.DrawFn) -> Case:
    """A Llama-70B scenario on one of the usual chips."""
    return case(
        "llama-3.1-70b",
        draw(st.sampled_from(CHIPS)),
        tp=draw(degrees),
        pp=draw(st.sampled_from([1, 2, 4])),
        batch=draw(batches),
        input_tokens=draw(tokens),
        output_tokens=draw(tokens),
        weights=draw(formats),
        kv=draw(st.sampled_from(["bf16", "fp8"])),
    )
