"""`simcore step`: what it answers, and bad tables refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from scenarios.asked import answer
from simcore.errors import InputError

BASE = {
    "model": {"name": "llama-3.1-8b"},
    "hardware": {"system": "dgx-h100", "stack": "roofline"},
    "plan": {"tp": 2},
    "traffic": {"batch": 1, "input_tokens": 100, "output_tokens": 10},
}
DECODE = {"batch": 1, "heads": 8, "kv_heads": 8, "head_dim": 128, "context_tokens": 4096}


def test_operations_and_parts_add_up_to_the_step() -> None:
    found = answer({**BASE, "asked": {"decode_sequences": 8, "context_tokens": 1000}}, "step.toml")
    assert sum(found["op_s"].values()) == pytest.approx(sum(found["part_s"].values()))
    assert found["time_s"] == pytest.approx(sum(found["op_s"].values()), rel=1e-6)
    alone = answer({**BASE, "asked": {"decode_sequences": 8, "context_tokens": 1000, "late": False}}, "step.toml")
    assert alone["time_s"] == pytest.approx(alone["alone_s"]) and alone["bound_s"] <= alone["time_s"]
    late = answer({**BASE, "asked": {"decode_sequences": 8, "context_tokens": 1000, "late": True}}, "step.toml")
    assert alone["bound_s"] <= late["time_s"] < alone["time_s"]


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({}, "asked"),
        ({"decode_sequences": "many"}, "asked.decode_sequences"),
        ({"decode_sequences": -1}, "asked.decode_sequences"),
        ({"decode_sequences": 1, "graphs": 1}, "asked.graphs"),
        ({"decode_sequence": 1}, "asked.decode_sequence"),
        ({"decode_sequences": 1, "micro_batches": 0}, "asked.micro_batches"),
        ({"decode_sequences": 1, "micro_batches": 1000}, "asked.micro_batches"),
        ({"decode": {"batch": 1}}, "asked.decode.heads"),
        ({"decode": DECODE, "schedule": {"deal": "best"}}, "asked.schedule.deal"),
        ({"decode": DECODE, "schedule": {"compute_ratio": 0}}, "asked.schedule.compute_ratio"),
        ({"product": {"size": 0, "tile": 4}}, "asked.product.size"),
    ],
)
def test_bad_tables_are_refused_by_name(asked: dict[str, Any], key: str) -> None:
    more = {"chip": "a100-sxm"} if {"decode", "product"} & set(asked) else BASE
    with pytest.raises(InputError) as told:
        answer({**more, "asked": asked}, "step.toml")
    assert (told.value.file, told.value.key) == ("step.toml", key)
