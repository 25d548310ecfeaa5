"""A whole mixture-of-experts model never measured: every model is left out once, and predicted from the others.

Shapes of one model resemble each other, so a fifth of shapes held out says little about a model that no table has.
Here the models (hidden size, expert size, experts chosen, experts in all) are dealt to a few folds; a fold is predicted
by the shipped method fitted to the other folds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.calibration.build import table_groups
from simcore.calibration.fit import fit_kernel, sample
from simcore.calibration.models_apart import models_of
from simcore.calibration.tables import Group
from simcore.calibration.validate import errors
from simcore.cost.facts import ChipFacts

COLUMNS = ("hidden_size", "inter_size", "topk", "num_experts")
FOLDS = 5
ROWS = 8000
"""of a kernel's table, drawn at random: half an hour per chip becomes a few minutes"""
MINIMUM_MODELS = 5
"""in a kernel's table, below which leaving one out leaves too little"""


def left_out(group: Group, chip: ChipFacts) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds `[rows]` of every row by fits that have seen no row of its model, and the model of every row."""
    models, index = models_of(group, COLUMNS)
    fold = index % min(FOLDS, len(models))
    predicted = np.empty(len(index))
    for part in range(int(fold.max()) + 1):
        fit, _ = fit_kernel(group.take(fold != part), chip)
        unseen = group.take(fold == part)
        predicted[fold == part] = fit.time_s(unseen.shapes, chip)
    return predicted, index


def unseen_models(
    chips: Iterable[tuple[ChipFacts, Path]], say: Callable[[str], None] = lambda text: None
) -> Iterator[dict[str, Any]]:
    """One line per kernel measured with enough models: errors over all rows, and the mean error of the worst model."""
    for chip, folder in chips:
        for found in table_groups(folder, ["moe"]):
            group = sample(found, ROWS)
            if len(models_of(group, COLUMNS)[0]) < MINIMUM_MODELS:
                continue
            predicted_s, index = left_out(group, chip)
            wrong = np.abs(predicted_s / group.time_s - 1.0)
            by_model = [float(wrong[index == one].mean()) for one in range(int(index.max()) + 1)]
            names = {"chip": chip.name, "stack": group.stack, "format": group.format, "kernel": group.kernel}
            line = names | {"models": len(by_model)} | errors(predicted_s, group.time_s)
            line |= {"mean_of_models": float(np.mean(by_model)), "worst_model": max(by_model)}
            say(f"{chip.name} {group.stack} {group.format} {group.kernel[:28]}: mean {line['mean']:.1%}")
            yield line


def unseen_page(lines: list[dict[str, Any]]) -> str:
    """Markdown of the models left out."""
    text = [
        "## Mixture-of-experts models never measured",
        "",
        "Every model (hidden size, expert size, experts chosen, experts) is left out once and predicted from the other",
        f"models of the same table ({FOLDS} folds, at most {ROWS} rows); errors in per cent over all rows; `worst`",
        "is the model with the greatest mean error.",
        "",
        "| chip | stack | format | kernel | models | rows | median | mean | P90 | bias | worst |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        numbers = " | ".join(f"{100 * line[key]:.1f}" for key in ("median", "mean", "p90", "bias", "worst_model"))
        names = f"| {line['chip']} | {line['stack']} | {line['format']} | {line['kernel'][:40]} "
        text.append(f"{names}| {line['models']} | {line['rows']} | {numbers} |")
    return "\n".join(text) + "\n"
