"""The JSON that servers' own benchmarks save: lists `input_lens` and `output_lens`, one entry per request.

It says how long requests were, not when they came: all arrive at time 0 unless it also has `start_times`.
"""

from __future__ import annotations

from workloads.traces._options import Form

FORM = Form(
    {"input": "input_lens", "output": "output_lens"},
    note="a benchmark result: the lengths of its requests",
)
