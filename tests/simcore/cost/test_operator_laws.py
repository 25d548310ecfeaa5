"""Laws of physics that every operation's law keeps, on every measured chip, with every efficiency in use."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from hardware_specs import calibration, chip
from simcore.cost.calibrated import OperatorModel
from simcore.cost.facts import ChipFacts, chip_facts, kernel_format
from simcore.cost.laws._base import Setting, roofline_s
from simcore.cost.operator_laws import law, shape_arrays
from simcore.errors import InputError, UnknownName

CHIPS = ("a100-sxm-80gb", "h200-sxm", "b200-sxm", "l40s", "arc-pro-b60", "b300-sxm")
GROWS = {
    "gemm": {"m": 300, "n": 2048, "k": 4096},
    "attention_prefill": {"batch_size": 3, "isl": 700},
    "attention_decode": {"batch_size": 12, "step": 3000},
    "mla_prefill": {"batch_size": 3, "isl": 700, "num_heads": 16},
    "mla_decode": {"batch_size": 9, "step": 3000, "num_heads": 16},
    "moe": {"num_tokens": 400, "hidden_size": 4096, "inter_size": 1536},
    "collective": {"message_bytes": 1e6, "ranks": 4},
    "allreduce_custom": {"message_bytes": 1e6, "ranks": 4},
    "linear_attention_gdn": {"batch_size": 3, "seq_len": 700},
    "mamba2": {"batch_size": 3, "seq_len": 700},
}
FIXED = {
    "attention_prefill": {"num_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
    "attention_decode": {"num_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
    "moe": {"topk": 8, "num_experts": 128},
    "collective": {"op": "all_reduce"},
    "linear_attention_gdn": {
        "num_k_heads": 16,
        "head_k_dim": 128,
        "num_v_heads": 32,
        "head_v_dim": 128,
        "step": "rule_prefill",
    },
    "mamba2": {"nheads": 64, "head_dim": 64, "n_groups": 8, "d_state": 128, "step": "conv_prefill"},
}


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("operation", sorted(GROWS))
def test_more_work_is_never_faster(operation: str, name: str) -> None:
    model = calibration(name)
    factors = np.unique(np.concatenate([np.arange(1, 200) / 40, [10.0, 40.0, 200.0]]))
    for column, size in GROWS[operation].items():
        grown = np.maximum(np.round(size * factors), 2 if column == "ranks" else 1)
        if column == "ranks":
            grown = np.unique(np.minimum(grown, 64))
        columns = {**FIXED.get(operation, {}), **GROWS[operation], column: grown}
        time_s = model.predict(operation, columns).time_s
        assert (np.diff(time_s) >= -1e-12 * time_s[1:]).all(), (column, grown[np.argmin(np.diff(time_s))])


@pytest.mark.parametrize("operation", sorted(GROWS))
@given(factor=st.floats(0.01, 50.0))
@settings(max_examples=15, deadline=None)
def test_the_data_sheet_never_beats_the_roofline(operation: str, factor: float) -> None:
    model = calibration("h200-sxm")
    columns = {**FIXED.get(operation, {}), **GROWS[operation]}
    for column, size in GROWS[operation].items():
        columns[column] = max(2.0, round(size * factor)) if column != "ranks" else size
    rule = law(operation)
    setting = Setting(model.chip, kernel_format("bf16"))
    work = rule.work(shape_arrays(rule, columns), setting)
    assert model.predict(operation, columns).time_s[0] >= roofline_s(work, setting)[0] * (1 - 1e-12)


def faster(facts: ChipFacts, **changes: float) -> OperatorModel:
    from dataclasses import replace

    return OperatorModel(replace(facts, **changes), "datasheet", (), calibration("h200-sxm").datasheet)


@pytest.mark.parametrize("operation", sorted(GROWS))
def test_more_bandwidth_is_never_slower(operation: str) -> None:
    facts = chip_facts(chip("h200-sxm"))
    columns = {**FIXED.get(operation, {}), **GROWS[operation]}
    plain = faster(facts).predict(operation, columns).time_s
    doubled = {"memory_bytes_per_s": facts.memory_bytes_per_s * 2, "link_bytes_per_s": facts.link_bytes_per_s * 2}
    assert faster(facts, **doubled).predict(operation, columns).time_s <= plain * (1 + 1e-12)


@pytest.mark.parametrize("operation", ["collective", "allreduce_custom"])
def test_one_rank_communicates_nothing(operation: str) -> None:
    columns = {"message_bytes": 1e6, "ranks": 1, **({"op": "all_gather"} if operation == "collective" else {})}
    assert calibration("h200-sxm").predict(operation, columns).time_s[0] == 0.0


def test_bad_input_is_told_in_one_line() -> None:
    model = calibration("h200-sxm")
    with pytest.raises(InputError, match="needs column 'k'"):
        model.predict("gemm", {"m": 1, "n": 1})
    with pytest.raises(InputError, match="no column 'q'"):
        model.predict("gemm", {"m": 1, "n": 1, "k": 1, "q": 1})
    with pytest.raises(InputError, match="unknown op 'gossip'"):
        model.predict("collective", {"op": "gossip", "message_bytes": 1, "ranks": 2})
    with pytest.raises(UnknownName, match="kernel format"):
        model.predict("gemm", {"m": 1, "n": 1, "k": 1}, "fp7")
    with pytest.raises(UnknownName, match="stack"):
        calibration("h200-sxm", "tensorflow")


def test_a_split_cache_holds_half_of_what_is_read_again() -> None:
    from dataclasses import replace

    whole = replace(chip_facts(chip("h200-sxm")), architecture="hopper-whole")
    split = replace(whole, architecture="hopper")
    rule = law("attention_decode")
    columns = {**FIXED["attention_decode"], "batch_size": 8, "step": np.array([127.0, 1023.0, 131071.0])}
    shapes = shape_arrays(rule, columns)
    times = []
    for facts in (whole, split):
        setting = Setting(replace(facts, memory_bytes_per_s=1e12), kernel_format("bf16"))
        times.append(rule.time_s(rule.work(shapes, setting), setting, np.array(rule.start)))
    assert (whole.l2_copies, split.l2_copies) == (1.0, 2.0)
    assert (times[1] >= times[0]).all() and times[1][1] > times[0][1]
