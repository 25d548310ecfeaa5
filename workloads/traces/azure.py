"""Azure LLM inference traces of 2023 and 2024: `TIMESTAMP,ContextTokens,GeneratedTokens`, dates with a time."""

from __future__ import annotations

from workloads.traces._options import Form

FORM = Form({"arrival": "TIMESTAMP", "input": "ContextTokens", "output": "GeneratedTokens"})
