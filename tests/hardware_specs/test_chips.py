"""Every chip file is consistent with itself; a new file is tested without an edit here."""

from __future__ import annotations

import pytest

import hardware_specs
from simcore.cost.pim_timing import tiles_of
from simcore.spec.hardware import Chip
from simcore.testing.hardware import check_chip

NAMES = {
    "a100_sxm": "a100-sxm-80gb",
    "a100": "a100-sxm-80gb",
    "a100-pcie": "a100-pcie-80gb",
    "H100_SXM": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "b200_sxm": "b200-sxm",
    "GB200": "gb200",
    "l40s": "l40s",
    "rtx_pro_6000_server": "rtx-pro-6000",
    "RTXPRO6000": "rtx-pro-6000",
    "RTX4090": "rtx-4090",
    "b60": "arc-pro-b60",
    "MI250X": "mi250x",
    "mi300x": "mi300x",
    "h800": "h800-sxm",
    "h20": "h20-sxm",
    "v5e": "tpu-v5e",
    "v5p": "tpu-v5p",
    "v6e": "tpu-v6e",
    "910c": "ascend-910c",
}

# printed by the vendor (dense, one chip): bf16 FLOP/s, capacity bytes, bandwidth bytes/s
PRINTED = {
    "a100-sxm-40gb": (312e12, 40e9, 1555e9),
    "a100-sxm-80gb": (312e12, 80e9, 2039e9),
    "h100-sxm": (989.4e12, 80e9, 3.35e12),
    "h200-sxm": (989.4e12, 141e9, 4.8e12),
    "b200-sxm": (2250e12, 180e9, 8e12),
    "gb200": (2500e12, 186e9, 8e12),
    "l40s": (362e12, 48e9, 864e9),
    "mi300x": (1307.4e12, 192e9, 5.3e12),
    "ascend-910c": (752e12, 128e9, 3.2e12),
    "tpu-v5e": (197e12, 16e9, 819e9),
}


@pytest.mark.parametrize("name", hardware_specs.chip.names())
def test_chip_is_consistent(name: str) -> None:
    chip = hardware_specs.chip(name)
    assert chip.name == name
    check_chip(chip)


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_aliases(name: str, expected: str) -> None:
    assert hardware_specs.chip(name).name == expected


@pytest.mark.parametrize("name", PRINTED)
def test_printed_figures(name: str) -> None:
    chip = hardware_specs.chip(name)
    main = chip.memory[chip.main_tier]
    found = (chip.compute[chip.main_unit].peak_flop_per_s["bf16"], main.capacity_bytes, main.read_bytes_per_s)
    assert found == pytest.approx(PRINTED[name], rel=1e-9)


def test_no_two_files_share_a_name_or_alias() -> None:
    for registry in (hardware_specs.chip, hardware_specs.node, hardware_specs.cluster, hardware_specs.link):
        seen: dict[str, str] = {}
        for stem in registry.names():
            for alias in {stem, *registry(stem).aliases}:
                assert seen.setdefault(alias, stem) == stem, f"{alias}: {stem} and {seen[alias]}"


@pytest.mark.parametrize("name", [n for n in hardware_specs.chip.names() if hardware_specs.chip(n).kind == "gpu"])
def test_gpus_have_what_models_rely_on(name: str) -> None:
    chip = hardware_specs.chip(name)
    assert {"tensor", "vector"} <= set(chip.compute) and "l2" in chip.memory
    assert chip.main_tier in ("hbm", "gddr") and chip.money.purchase_usd and chip.money.rental_usd_per_hour


def _with_peak(chip: Chip, factor: float) -> Chip:
    unit = chip.compute["tensor"]
    peaks = {k: v * factor for k, v in unit.peak_flop_per_s.items()}
    return chip.replace(compute={**chip.compute, "tensor": unit.replace(peak_flop_per_s=peaks)})


def _with_memory(chip: Chip, **changes: float) -> Chip:
    main = chip.memory[chip.main_tier].replace(**changes)
    return chip.replace(memory={**chip.memory, chip.main_tier: main})


def test_the_contract_catches_a_sparse_figure() -> None:
    with pytest.raises(AssertionError, match="count x clock x width"):
        check_chip(_with_peak(hardware_specs.chip("h100-sxm"), 2.0))


def test_the_contract_catches_a_sparse_figure_with_its_width() -> None:
    chip = _with_peak(hardware_specs.chip("h100-sxm"), 2.0)
    unit = chip.compute["tensor"]
    wide = unit.replace(flop_per_clock={k: 2 * v for k, v in unit.flop_per_clock.items()})
    with pytest.raises(AssertionError, match="a sparse figure"):
        check_chip(chip.replace(compute={**chip.compute, "tensor": wide}))


def test_the_contract_catches_one_sparse_format() -> None:
    chip = hardware_specs.chip("h20-sxm")
    unit = chip.compute["tensor"]
    peaks = {**unit.peak_flop_per_s, "fp8": 592e12}
    with pytest.raises(AssertionError, match="fp8 is 4 x bf16"):
        check_chip(chip.replace(compute={**chip.compute, "tensor": unit.replace(peak_flop_per_s=peaks)}))


def test_the_contract_catches_gib_for_gb() -> None:
    with pytest.raises(AssertionError, match="GiB slip"):
        check_chip(_with_memory(hardware_specs.chip("h100-sxm"), capacity_bytes=80 * 2.0**30))


def test_the_contract_catches_bits_for_bytes() -> None:
    with pytest.raises(AssertionError, match="unit slip"):
        check_chip(_with_memory(hardware_specs.chip("l40s"), read_bytes_per_s=864e9 / 8))


def test_the_pim_chip_comes_near_the_published_tile_time() -> None:
    """NeuPIMs' own scheduler counts 184 ns a tile, refresh apart."""
    pim = hardware_specs.chip("npu-pim").compute["pim"]
    assert pim.timing is not None and pim.tile_bytes == 32 * 1024 and pim.concurrent_with_host
    tiles = tiles_of(pim, pim.timing)
    assert (tiles.score_s + tiles.value_s) / 2 == pytest.approx(184e-9, rel=0.08)


def test_logic_pim_wins_below_the_published_op_per_byte() -> None:
    chip = hardware_specs.chip("h100-logic-pim")
    crossing = chip.compute["pim"].peak_flop_per_s["bf16"] / chip.memory["hbm"].read_bytes_per_s
    assert crossing == pytest.approx(32, rel=0.01)
