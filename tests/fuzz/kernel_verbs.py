"""Files of `step`, `plan precision` and `tasks`, formats and studies of one's own, spoilt."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from tests.fuzz.mutate import as_toml
from tests.fuzz.spoil import Input, files, tree, write_spoilt
from tests.shared import ROOT

LAYER = {"schema": "scenario/2", "name": "one", "model": {"name": "llama-3.1-8b"}, "plan": {"tp": 1}}
LOAD = {"requests": 8, "rate_per_s": 5.0, "input_tokens": 64, "output_tokens": 8}
ONE = LAYER | {"hardware": {"system": "h100-sxm", "stack": "datasheet"}, "traffic": LOAD}
DEALT = {
    "asked": {
        "decode": {"batch": 4, "context_tokens": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128},
        "schedule": {"deal": "fixed", "tile_tokens": 64},
    },
    "chip": "a100-sxm",
}
STEPS = (
    ONE | {"asked": {"decode_sequences": 16, "context_tokens": 1024}},
    ONE | {"asked": {"prefill_sequences": 4, "prefill_tokens": 512, "micro_batches": 2, "late": True}},
    DEALT,
)


def step(folder: Path, draw: random.Random) -> Input:
    """One step, in streams too, or a kernel's schedule."""
    change = write_spoilt(folder / "s.toml", draw.choice(STEPS), draw)
    return Input(change, ("step", str(folder / "s.toml"), "--json"))


def precision(folder: Path, draw: random.Random) -> Input:
    """Losses and bounds of layers."""
    change = write_spoilt(folder / "s.toml", tree(ROOT / "examples/plan-precision.toml"), draw)
    return Input(change, ("plan", "precision", str(folder / "s.toml"), "--json"))


def schedule(folder: Path, draw: random.Random) -> Input:
    """A written schedule; a negative number may be an index or a term."""
    change = write_spoilt(folder / "s.toml", tree(ROOT / "examples/stream-weights.toml"), draw)
    return Input(replace(change, nonsense=False), ("tasks", str(folder / "s.toml"), "--json"))


def number_format(folder: Path, draw: random.Random) -> Input:
    """A format of one's own, in a file or in place."""
    raw = tree(draw.choice(files("hardware_specs/formats/*.toml")))
    if draw.random() < 0.3:
        table = {key: value for key, value in raw.items() if key not in ("schema", "aliases", "sources")}
        change = write_spoilt(folder / "s.toml", ONE | {"plan": {"tp": 1, "weights": table}}, draw)
    else:
        change = write_spoilt(folder / "f.toml", raw, draw)
        (folder / "s.toml").write_text(as_toml(ONE | {"plan": {"weights": str(folder / "f.toml")}}), encoding="utf-8")
    return Input(change, (draw.choice(("estimate", "simulate")), str(folder / "s.toml"), "--json"))
