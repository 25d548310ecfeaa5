"""Importers: right columns come through, wrong or empty ones are told in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from simcore.calibration.importers import importers
from simcore.calibration.tables import groups
from simcore.errors import InputError
from tests.shared import shared

NCCL = """# nThread 1 nGpus 4
#  Rank  0 Group  0 Pid 1 on host device  0
#  Rank  1 Group  0 Pid 1 on host device  1
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
           8             2     float     sum      -1    10.10    0.00    0.00      0    10.00    0.00    0.00      0
     1048576        262144     float     sum      -1    25.50   41.12   41.12      0    25.00   41.94   41.94      0
# Avg bus bandwidth    : 20.5
"""


def test_nccl_tests(tmp_path: Path) -> None:
    file = tmp_path / "all_reduce_perf.txt"
    file.write_text(NCCL)
    table = importers("nccl-tests")(file)["collective"]
    assert table["message_bytes"].tolist() == [8, 1048576] and set(table["num_gpus"]) == {2}
    assert table["latency_ms"].tolist() == pytest.approx([0.0101, 0.0255])
    assert sum(len(g.row) for g in groups(table, "collective")[0]) == 2
    file.write_text("# Rank 0\n# Rank 1\n")
    with pytest.raises(InputError, match="no measurement"):
        importers("nccl-tests")(file)


def test_generic_table(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = {
        "operation": ["gemm", "collective"],
        "time_s": [1e-5, 2e-5],
        "m": [8, None],
        "n": [64, None],
        "k": [32, None],
    }
    pd.DataFrame(rows | {"op": [None, "all_reduce"], "message_bytes": [None, 1e6], "ranks": [None, 4]}).to_csv(file)
    tables = importers("generic-table")(file)
    assert set(tables) == {"gemm", "collective"}
    assert all(sum(len(g.row) for g in groups(table, name)[0]) == 1 for name, table in tables.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_s": ["fast", 1e-5]}, "'fast' is not a number"),
        ({"time_s": [0.0, 0.0]}, "no value is positive"),
        ({"k": [None, None]}, "the column is empty"),
        ({"unread": [1.0, -1.0]}, "-1.0 is not a number from 0"),
        ({"unread": [1.0, float("inf")]}, "inf is not a number from 0"),
        ({"operation": ["gem", "gem"]}, "unknown operation 'gem'"),
    ],
)
def test_generic_table_says_what_is_wrong(tmp_path: Path, change: dict[str, list[object]], message: str) -> None:
    rows: dict[str, list[object]] = {
        "operation": ["gemm"] * 2,
        "time_s": [1e-5] * 2,
        "m": [8, 9],
        "n": [8, 9],
        "k": [8, 9],
    }
    file = tmp_path / "mine.csv"
    pd.DataFrame(rows | change).to_csv(file, index=False)
    with pytest.raises(InputError, match=message):
        importers("generic-table")(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        importers("generic-table")(tmp_path / "none.csv")
    for name in ("aiconfigurator", "vidur-profiles", "llmservingsim-layers", "nccl-tests"):
        with pytest.raises(InputError):
            importers(name)(tmp_path)


def test_vidur_profiles() -> None:
    tables = importers("vidur-profiles")(shared("peers/vidur"))
    assert set(tables) == {"gemm", "attention_prefill", "attention_decode"}
    (gemm,), reason = groups(tables["gemm"], "gemm")
    assert len(gemm.row) > 1000 and not any(reason)


def test_llmservingsim_layers() -> None:
    folder = shared("measured/layers/RTX4090/meta-llama/Llama-3.1-8B/bf16/tp1")
    tables = importers("llmservingsim-layers")(folder)
    (gemm,), _ = groups(tables["gemm"], "gemm")
    assert {4096.0, 6144.0, 28672.0} == set(gemm.shapes["n"])


def test_aiconfigurator() -> None:
    tables = importers("aiconfigurator")(shared("measured/operators/a100_sxm"))
    assert {"gemm", "moe", "collective"} <= set(tables)
