"""Mooncake traces: JSON lines with timestamp (whole ms), input_length, output_length and hash_ids of 512-token blocks.

Other traces have the same keys with seconds or other blocks: fractions of a timestamp, or numbers of hashes that do not
agree with 512 tokens, say that a file is one of those.
"""

from __future__ import annotations

from workloads.traces._options import Form

FORM = Form(
    {"arrival": "timestamp", "input": "input_length", "output": "output_length"},
    time_unit="ms",
    hash_tokens=512,
    whole_times=True,
)
