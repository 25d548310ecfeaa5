"""The project's own CSV: `arrival_s,input_tokens,output_tokens` and, where known, `session,turn,pause_s,prefix_hashes,
priority,slo_class`.

`prefix_hashes` are integers joined by spaces; each covers `block_tokens` (512 unless a column `prefix_block_tokens`
says otherwise). `slo_class` is a name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simcore.spec.traffic import Trace
from workloads.traces._options import Form

FORM = Form({"arrival": "arrival_s", "input": "input_tokens", "output": "output_tokens"}, "s", 512)


def write(trace: Trace, file: Path) -> None:
    """Write a trace in this format, whole or not at all."""
    import csv

    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        optional = [name for name in ("session", "turn", "priority") if getattr(trace, name) is not None]
        optional += ["pause_s"] if trace.pause_s is not None else []
        named = trace.slo_class is not None
        hashed = trace.prefix_start is not None
        extra = (["slo_class"] if named else []) + (["prefix_hashes", "prefix_block_tokens"] if hashed else [])
        out.writerow(["arrival_s", "input_tokens", "output_tokens", *optional, *extra])
        for at in range(len(trace)):
            row: list[Any] = [repr(float(trace.arrival_s[at])), trace.input_tokens[at], trace.output_tokens[at]]
            row += [getattr(trace, name)[at].item() for name in optional]
            if trace.slo_class is not None:
                row.append(trace.slo_names[trace.slo_class[at]])
            if trace.prefix_start is not None and trace.prefix_hashes is not None:
                own = trace.prefix_hashes[trace.prefix_start[at] : trace.prefix_start[at + 1]]
                row += [" ".join(str(value) for value in own), trace.prefix_block_tokens]
            out.writerow(row)
    temporary.replace(file)
