"""Pipeline schedules by name, one file each; `simcore.testing.check_schedule` holds what a file promises.

A file says where the chunks of the model lie and in which order a rank works:

    place(ranks, chunks) -> [chains, stages] of ranks     a microbatch goes through the stages of one chain
    SPLITS                                                whether weight gradients are operations of their own
    problem(ranks, chunks, microbatches) -> str | None    why it cannot run so
    order(rank, ranks, chunks, microbatches, out) -> int  compiled; fills rows (kind, cell, other cell), gives how many
    closed_form_s(ranks, chunks, microbatches, times)     for equal stages without latency; None where there is none

A cell is stage x microbatches + microbatch, stages counted through the chains. Kinds are those of `_base`.
"""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

schedules = PluginRegistry("schedule", "simcore.engine.training.schedules", "order", GROUPS["schedule"])

__all__ = ["schedules"]
