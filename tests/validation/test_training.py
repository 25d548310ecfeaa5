"""Published training runs: exact memory, constants that saw other rows, and tables whose measurements are gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simcore.errors import InputError
from tests.shared import SHARED
from validation.training.answers import answers, report
from validation.training.tables import kind_of, read_frame, read_questions

FOLDER = SHARED / "measured" / "training"
needs_tables = pytest.mark.skipif(not FOLDER.is_dir(), reason="the measured tables are not here")


def scored(name: str, rows: slice = slice(None)) -> dict[str, Any]:
    frame = read_frame(FOLDER / name)
    asked = read_questions(frame)[rows]
    return dict(report(asked, answers(asked, frame.iloc[rows], False), frame.iloc[rows])["scores"])


@needs_tables
def test_activations_are_the_published_ones() -> None:
    found = scored("korthikanti_memory.csv")
    assert found["activation_gib"]["mean"] < 0.01
    assert found["activation_pct_of_none (points)"]["most"] < 0.5


@needs_tables
def test_constants_of_one_paper_predict_another() -> None:
    assert scored("megatron_korthikanti.csv")["step time, megatron-2022"]["mean"] < 3.5


@needs_tables
def test_predictions_do_not_look_at_measurements() -> None:
    frame = read_frame(FOLDER / "nvidia_megatron_bridge_automodel.csv").iloc[40:60].reset_index(drop=True)
    measured = ["tokens_per_s_per_gpu", "model_tflops_per_gpu", "step_time_s", "derived_step_time_s"]
    blind = frame.drop(columns=measured)
    one, other = (answers(read_questions(f), f, False) for f in (frame, blind))
    assert [a.step_s for a in one] == [a.step_s for a in other]
    assert np.isfinite([a.step_s for a in one]).all()


def test_an_unknown_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no training table"):
        kind_of(["a", "b"], "x.csv")
    (tmp_path / "x.csv").write_text("local_batch,fsdp,seq,gpu,model\nmany,8,8192,H100,llama3-8b\n")
    assert read_questions(read_frame(tmp_path / "x.csv"))[0].reason == "no gpus, local_batch"
