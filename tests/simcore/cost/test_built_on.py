"""A small table's fit on a large one's: whole in memory, its own part on disk, refused when the base has changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware_specs import calibration, chip
from simcore.calibration.fit import fit_kernel
from simcore.calibration.split import held_out
from simcore.calibration.tables import Group
from simcore.cost.artefact_io import from_arrays, to_arrays
from simcore.cost.built_on import base_name, whole
from simcore.cost.calibrated import Artefact, KernelFit
from simcore.cost.facts import chip_facts, kernel_format
from simcore.cost.laws._base import Setting
from simcore.cost.operator_laws import law, law_time_s
from simcore.errors import InputError

FACTS = chip_facts(chip("h100-sxm"))


def table(stack: str, rows: int, slower: float, habit: float = 1.0) -> Group:
    """A gemm table; callers share a library with a habit, and some are slower where k is short."""
    rng = np.random.default_rng(rows)
    rule, setting = law("gemm"), Setting(FACTS, kernel_format("bf16"))
    shapes = {c: (2 ** rng.uniform(5, 12, rows)).astype(int).astype(float) for c in "kmn"}
    ideal = law_time_s(rule, rule.work(shapes, setting), setting, np.array(rule.start))
    odd = 0.7 + 0.6 * (np.sin(3.0 * np.log(shapes["m"])) > 0) + 0.3 * (np.cos(4.0 * np.log(shapes["n"])) > 0)
    time_s = ideal * odd**habit * np.where(shapes["k"] < 512, slower, 1.0) * np.exp(rng.normal(0, 0.01, rows))
    return Group("gemm", stack, "1", "bf16", "", f"kernel of {stack}", shapes, time_s, np.arange(rows))


@pytest.fixture(scope="module")
def large() -> KernelFit:
    return fit_kernel(table("sglang", 6000, 1.0), FACTS)[0]


@pytest.fixture(scope="module")
def small(large: KernelFit) -> KernelFit:
    return fit_kernel(table("vllm", 900, 1.1), FACTS, bases={base_name("sglang", large): large})[0]


def test_a_small_table_stands_on_a_large_one_where_that_pays(large: KernelFit, small: KernelFit) -> None:
    alone, _ = fit_kernel(table("vllm", 900, 1.1), FACTS)
    fresh = table("vllm", 901, 1.1)
    fresh = fresh.take(held_out(fresh.shapes))
    wrong = [np.abs(fit.time_s(fresh.shapes, FACTS) / fresh.time_s - 1.0).mean() for fit in (small, alone)]
    assert small.base and wrong[0] < 0.7 * wrong[1]
    assert small.numbers <= 90 and len(small.words) > len(large.words)


def test_a_base_that_says_nothing_of_the_table_is_left(large: KernelFit) -> None:
    plain = table("trtllm", 900, 1.0, habit=0.0)
    assert not fit_kernel(plain, FACTS, bases={base_name("sglang", large): large})[0].base


def test_on_disk_it_is_its_own_part(large: KernelFit, small: KernelFit) -> None:
    theirs = Artefact("h100-sxm", "sglang", (large,), {})
    mine = Artefact("h100-sxm", "vllm", (small,), {})
    record = {"schema": "calibration/1", "chip": "h100-sxm", "stack": "vllm"}
    bare = from_arrays(to_arrays(mine), record)
    assert len(bare.fits[0].words) == len(small.words) - len(large.words) and not len(bare.fits[0].parameters)
    (again,) = whole(bare, {"sglang": theirs}.get).fits
    shapes = table("vllm", 50, 1.1).shapes
    assert np.allclose(again.time_s(shapes, FACTS), small.time_s(shapes, FACTS), rtol=1e-5)
    changed = replace(theirs, fits=(replace(large, words=large.words[:-2]),))
    for gone in ({"sglang": changed}, {}):
        with pytest.raises(InputError, match="gone or has changed"):
            whole(bare, gone.get)


def test_shipped_bases_are_found() -> None:
    (artefact, *_) = calibration("a100-sxm-80gb", "trtllm").artefacts
    fit = artefact.find("gemm", "bf16", "", None)
    assert fit is not None and fit.base.startswith("sglang|") and fit.numbers < len(fit.words)
