"""Lengths without arrivals, ShareGPT-style: `input_tokens,output_tokens`. All requests arrive at time 0.

Give them arrivals with `workloads.generate.with_arrivals`. Named outright it says that no column is an arrival.
"""

from __future__ import annotations

from workloads.traces._options import Form

FORM = Form({"arrival": ""})
