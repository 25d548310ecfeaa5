"""Agreement with Vidur on its own physics: five recorded runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simcore.calibration.importers.vidur import vidur_step_times
from simcore.engine.serving import serve
from simcore.engine.settings import ReplicaSettings
from simcore.spec.traffic import Trace
from tests.shared import shared

SARATHI = ReplicaSettings(
    kv_blocks=7424, watermark_blocks=74, max_running=128, token_budget=512, whole_prompt=True, spare_block=True
)
VLLM = replace(SARATHI, scheduler="prefill-first", token_budget=4096)


@pytest.mark.parametrize("name", ["s512", "s2048", "s10000", "s512q645b", "v2048"])
def test_quantiles_agree_within_a_percent_and_a_half(name: str) -> None:
    peer = shared("peers/vidur")
    times = vidur_step_times(peer / "a100_llama2-7b_mlp.csv", peer / "a800_llama2-7b_attention.csv", layers=32)
    table = np.genfromtxt(peer / f"{name}.csv", delimiter=",", names=True)
    tokens = [table[column].astype(np.int64) for column in ("input_tokens", "output_tokens")]
    run = serve(Trace(table["arrival_s"], tokens[0], tokens[1]), times, VLLM if name == "v2048" else SARATHI)
    rows = run.requests
    ours = {
        "ttft": rows["first_token_s"] - rows["arrival_s"],
        "tpot": (rows["done_s"] - rows["first_token_s"]) / rows["output_tokens"],
        "e2e": rows["done_s"] - rows["arrival_s"],
    }
    for metric, values in ours.items():
        for quantile in (50, 90):
            theirs = np.percentile(table[f"vidur_{metric}_s"], quantile)
            error = np.percentile(values, quantile) / theirs - 1
            assert abs(error) < 0.015, (metric, quantile, error)
