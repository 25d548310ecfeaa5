"""Kinds of blocks: one file each, named after the `kind` in a model file, that says its operations.

A file defines `lower(model, block, count, plan, step) -> list[Op]`: `count` equal blocks in one step, as one rank
executes them. What a block keeps per token and per sequence and which matrices it has its spec says
(`simcore.spec.block_kinds`). A kind of one's own is one such file that also names its spec,
`SPEC = MyMixer`, under the entry points `simcore.blocks` or given to `simcore.register("block", module, kind)`;
`simcore.testing.check_block` says whether the two agree.
"""

from __future__ import annotations

from simcore.registry import GROUPS, PluginRegistry

lowering = PluginRegistry("block", "simcore.ops.blocks", "lower", GROUPS["block"])

__all__ = ["lowering"]
