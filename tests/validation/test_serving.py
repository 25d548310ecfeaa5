"""Serving measurements: repair rules, recipes, what may be read, and a few rows end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenarios.read import from_raw
from scenarios.resolved import resolve
from scenarios.steps import kept_steps
from tests.shared import shared
from validation.models import Models
from validation.serving.choice import Service
from validation.serving.fit import Measured, distinct, fold_of, names, parameters, solve, start
from validation.serving.inputs import replayer
from validation.serving.measures import errors, spearman
from validation.serving.question import chosen, scenario_tables
from validation.serving.recipes import recipe
from validation.serving.report import answers
from validation.serving.rows import Pool, read_row, repaired_pool, wide_pools
from validation.serving.score import campaign_factors, coverage_across_folds

ROW = {
    "id": "a",
    "silicon_data_source": "source_file=2026.csv; silicon_concurrency=16; measured=2025-10-29T00:00:00Z",
    "backend": "vllm",
    "backend_version": "0.11",
    "model_path": "meta-llama/Llama-3.1-70B",
    "system": "h200_sxm",
    "precision": "fp8",
    "mode": "agg",
    "isl": 1024,
    "osl": 1024,
    "batch_size": 8,
    "tp_size": 4,
    "attention_dp_size": 1,
    "moe_tp_size": 4,
    "moe_ep_size": 1,
}


@pytest.mark.parametrize(
    ("tp", "dp", "moe_tp", "ep", "pool"),
    [
        (64, 1, 8, 8, Pool(8, 1, 8)),
        (1, 64, 8, 8, Pool(1, 8, 8)),
        (4, 4, 1, 16, Pool(1, 4, 4)),
        (8, 1, 8, 1, Pool(8, 1, 1)),
        (2, 0, 0, 0, Pool(2, 1, 1)),
    ],
)
def test_plans_are_repaired_by_rule(tp: int, dp: int, moe_tp: int, ep: int, pool: Pool) -> None:
    row = {"tp_size": tp, "attention_dp_size": dp, "moe_tp_size": moe_tp, "moe_ep_size": ep, "batch_size": 1}
    found, _ = repaired_pool(row)
    assert (found.tp, found.attention_dp, found.ep) == (pool.tp, pool.attention_dp, pool.ep)


def test_users_are_the_batch_of_all_ranks_unless_the_id_says_so() -> None:
    assert read_row(ROW).question.users == 8
    assert read_row(ROW | {"id": "model_h200_agg_1024x1024_c48_tp4"}).question.users == 48
    assert (
        read_row(ROW | {"attention_dp_size": 4, "tp_size": 1, "moe_tp_size": 1, "moe_ep_size": 4}).question.users == 32
    )


def test_missing_precision_is_bf16_and_marked() -> None:
    row = read_row(ROW | {"precision": float("nan")})
    assert row.question.precision == "bf16" and "bf16" in row.repairs[0]


def test_relabelled_copies_share_a_fold() -> None:
    names = ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3")
    one, other = (read_row(ROW | {"model_path": name}).question for name in names)
    assert one.curve == other.curve and fold_of(one) == fold_of(other)


def test_disaggregated_rows_without_workers_are_refused_or_inferred() -> None:
    row = ROW | {"mode": "disagg", "decode_tp_size": 8, "prefill_tp_size": 8}
    assert read_row(row).question is None
    assert read_row(row, infer_workers=True).question.prefill.workers == 1


def test_wide_plans_keep_their_chips() -> None:
    decode, prefill = wide_pools(Pool(72, 1, 1), 4096)
    assert decode.chips * decode.workers + prefill.chips * prefill.workers == 72
    assert wide_pools(Pool(36, 1, 1), 64)[0] == Pool(8, 1, 8, 4)


def test_later_rules_of_a_recipe_win() -> None:
    question = read_row(ROW).question
    assert chosen(recipe("vllm"), question)["kv"] == "fp8"
    assert chosen({"default": {"kv": "a"}, "rule": [{"when": {"users": [1, 4]}, "set": {"kv": "b"}}]}, question) == {
        "kv": "a"
    }


def test_columns_of_measurements_are_not_read() -> None:
    bare = {name: value for name, value in ROW.items() if not name.startswith("silicon_")}
    assert read_row(ROW | {"silicon_ttft_ms": 1.0, "silicon_tpot_ms": 1.0}).question == read_row(bare).question


def test_a_stall_counts_for_the_first_burst() -> None:
    question = read_row(ROW).question
    tokens, default = question.users * question.input_tokens, recipe("vllm")["default"]

    def compiled(stall_tokens: int) -> object:
        asked = {"default": default | {"stall_s": 20.0, "stall_tokens": stall_tokens}}
        return scenario_tables(question, asked, Models())["policy"].get("compile")

    assert compiled(tokens + 1) is None and compiled(tokens) == "20 s"


def test_attention_ranks_follow_the_experts_where_they_are_not_stated() -> None:
    found = read_row(ROW | {"tp_size": 1, "attention_dp_size": "", "moe_tp_size": 2, "moe_ep_size": 1})
    assert found.question.pool.attention_dp == 2 and "attention dp" in found.repairs[0]
    assert read_row(ROW | {"id": "x_c4_cfg7"}).question.numbered and not read_row(ROW).question.numbered


def test_experts_of_another_stack_change_experts_alone() -> None:
    row = ROW | {"model_path": "openai/gpt-oss-120b", "precision": "fp4", "tp_size": 2, "moe_tp_size": 2}
    question = read_row(row).question
    default = recipe("vllm")["default"]
    own, other = (
        kept_steps(resolve(from_raw(scenario_tables(question, {"default": default | more}, Models()))))
        for more in ({}, {"expert_kernels": "sglang"})
    )
    mine, theirs = own.sampled.pure.work, other.sampled.pure.work
    assert np.array_equal(mine.matrix, theirs.matrix)
    assert not np.allclose(mine.expert, theirs.expert, rtol=0.01)


def test_solve_finds_a_shift() -> None:
    count = len(start())
    slopes = np.zeros((400, count))
    ratio = names("vllm").index("large_ratio")
    slopes[:, ratio] = 0.2
    found = solve(np.full(400, 0.3), slopes, start())
    assert found[ratio] == pytest.approx(start()[ratio] - 1.5, abs=0.15)
    assert parameters(found, "vllm").large_ratio == pytest.approx(np.exp(-0.3), rel=0.05)


def test_gaps_of_layers_are_of_quantised_activations_under_vllm_alone() -> None:
    shift = start()
    shift[names("vllm").index("quantise_layer_s")] = 2.0
    mine, other = (parameters(shift, stack) for stack in ("vllm", "trtllm"))
    assert (mine.layer_s, mine.quantise_layer_s) == (0.0, 1e-5)
    assert (other.layer_s, other.quantise_layer_s) == (1e-5, 0.0)
    assert mine.on(False, 1.0).layer_s == 0.0 and mine.on(True, 1.0).layer_s == 1e-5


def test_campaign_factors_remove_a_common_error() -> None:
    question = read_row(ROW).question
    rows = [Measured(question, 1.0, 0.01)] * 8
    found = campaign_factors(rows, np.full(8, 2.0), np.full(8, 0.5))
    assert found["all"]["tpot"]["rows"] == 5 and found["all"]["tpot"]["median"] == pytest.approx(0.0)
    assert errors(np.array([0.5, 1.0, 2.0]))["median"] == pytest.approx(0.5)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0])) == pytest.approx(1.0)


def test_choices_under_a_bound() -> None:
    """Two plans of two loads each; the better one by a tenth is predicted, or missed where TPOT is told too long."""
    tpot_s, real = np.array([0.01, 0.02, 0.01, 0.02]), np.array([100.0, 180.0, 110.0, 200.0])
    right = Service(("a", "a", "b", "b"), tpot_s, real, tpot_s, real)
    assert right.row_choice(0.02) == right.plan_choice(0.02) == 1.0 and right.round_bounds_s() == [0.01, 0.015]
    late = Service(("a", "a", "b", "b"), tpot_s, real, tpot_s * np.array([1.0, 1.0, 1.0, 1.01]), real)
    assert late.row_choice(0.02) == pytest.approx(0.9) and late.among_met(0.02) == 1.0
    assert late.plan_choice(0.02) == 1.0 and late.row_choice(0.005) is None


def test_a_few_measured_rows() -> None:
    """Twelve dense rows: half of them within 20 % of the measured TPOT, and equal rows counted once."""
    import pandas as pd

    from validation.serving.rows import read_rows

    table = pd.read_csv(shared("measured/serving/silicon_serving.csv"), low_memory=False)
    some = table[(table["model_path"].str.contains("Llama-3.1-70B")) & (table["system"] == "h200_sxm")]
    some = some[(some["backend"] == "vllm") & (some["tp_size"] == 4)].head(12)
    rows = read_rows(pd.concat([some, some]))
    assert len(distinct(rows, pd.concat([some, some]))) <= 12
    found = answers(replayer(), rows[: len(some)])
    ratio = np.array([a.tpot_s for a in found]) * 1e3 / some["silicon_tpot_ms"].to_numpy()
    assert np.median(np.abs(ratio - 1.0)) < 0.2


def test_predictions_do_not_depend_on_results_or_day(tmp_path: Path) -> None:
    import pandas as pd

    from validation.serving.report import write_predictions
    from validation.serving.rows import read_rows

    table = pd.DataFrame([ROW | {"id": str(n), "silicon_ttft_ms": 10.0 * n, "silicon_tpot_ms": 1.0} for n in (1, 2)])
    bare = table.drop(columns=[name for name in table.columns if name.startswith("silicon_")])
    texts = []
    for number, frame in enumerate((table, bare)):
        rows = read_rows(frame)
        out = tmp_path / f"{number}.csv"
        write_predictions(out, rows, answers(replayer(), rows))
        texts.append(out.read_bytes())
    assert texts[0] == texts[1] and b"1," in texts[0]
    low, high = (float(cell) for cell in texts[0].splitlines()[1].split(b",")[4:6])
    assert low < float(texts[0].splitlines()[1].split(b",")[1]) * 1.5 and low < high


def test_intervals_are_learnt_on_the_other_folds() -> None:
    """Two folds with opposite errors: intervals from the one never cover the other; mixed folds do."""
    rows = [Measured(read_row(ROW).question, 1.0, 0.01)] * 40
    logs = np.repeat([[0.5, 0.5], [-0.5, -0.5]], 20, axis=0) + np.linspace(-0.01, 0.01, 40)[:, None]
    apart = coverage_across_folds(rows, logs, np.repeat([0, 1], 20))
    mixed = coverage_across_folds(rows, logs, np.tile([0, 1], 20))
    assert apart["tpot"] == 0.0 and mixed["tpot"] > 0.7
