"""Models left out whole: no row of a model takes part in its own prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hardware_specs import chip
from simcore.calibration.models_apart import models_of
from simcore.calibration.tables import groups
from simcore.calibration.unseen import COLUMNS, left_out, unseen_models, unseen_page
from simcore.cost.facts import chip_facts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, law_time_s

MODELS = [(2048, 768, 8, 128), (4096, 1536, 8, 64), (7168, 2048, 8, 256), (4096, 14336, 2, 8), (3072, 1024, 4, 64)]


def made_up(slow: float = 1.0) -> pd.DataFrame:
    """A table that follows the law, but for the first model, which is `slow` times slower."""
    names = ("hidden_size", "inter_size", "topk", "num_experts")
    tokens = (1, 4, 16, 64, 256, 1024, 4096, 16384)
    rows = [dict(zip(names, model, strict=True)) | {"num_tokens": t} for model in MODELS for t in tokens]
    frame = pd.DataFrame(rows).assign(moe_tp_size=1, moe_ep_size=1, distribution="balanced", moe_dtype="bfloat16")
    frame = frame.assign(stack="own", stack_version="1", kernel_source="one", latency_ms=1.0)
    (group,), _ = groups(frame, "moe")
    rule, setting = law("moe"), Setting(chip_facts(chip("h100-sxm")), kernel_format("bf16"))
    time_s = law_time_s(rule, rule.work(group.shapes, setting), setting, np.array(rule.start))
    factor = np.where(frame["hidden_size"] == MODELS[0][0], slow, 1.0)
    return frame.assign(latency_ms=time_s * factor * 1e3)


def test_a_model_is_predicted_by_the_others_alone() -> None:
    facts = chip_facts(chip("h100-sxm"))
    (plain,), _ = groups(made_up(), "moe")
    (odd,), _ = groups(made_up(slow=3.0), "moe")
    first = models_of(plain, COLUMNS)[1] == 0
    one, _ = left_out(plain, facts)
    other, _ = left_out(odd, facts)
    assert np.allclose(one[first], other[first])
    assert np.abs(one / plain.time_s - 1.0).mean() < 0.05


def test_the_page_has_a_line_per_kernel(tmp_path) -> None:  # type: ignore[no-untyped-def]
    made_up().to_csv(tmp_path / "moe.csv", index=False)
    lines = list(unseen_models([(chip_facts(chip("h100-sxm")), tmp_path)]))
    assert [(line["models"], line["rows"]) for line in lines] == [(5, 40)]
    assert "| own | bf16 | one | 5 | 40 |" in unseen_page(lines)
