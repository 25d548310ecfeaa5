"""BurstGPT: `Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type`, time stamps in seconds.

Failed calls (no response tokens) are malformed rows: use `skip_bad` to leave them out.
"""

from __future__ import annotations

from workloads.traces._options import Form

FORM = Form({"arrival": "Timestamp", "input": "Request tokens", "output": "Response tokens"}, time_unit="s")
