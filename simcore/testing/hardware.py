"""Contracts that every hardware spec must pass: they catch a sparse peak, a doubled bandwidth, a GB/GiB slip."""

from __future__ import annotations

from collections.abc import Iterator

from simcore.spec.base import Sourced
from simcore.spec.hardware import Chip, ComputeUnit

BF16_PER_UNIT_CLOCK = {
    "volta": (1024,),
    "turing": (1024,),
    "ampere": (2048,),
    "ampere-ga102": (1024, 512),
    "hopper": (4096,),
    "ada": (1024, 512),
    "blackwell": (8192,),
    "blackwell-ultra": (8192,),
    "blackwell-gb202": (1024, 512),
    "cdna2": (1024,),
    "cdna3": (2048,),
    "cdna4": (4096,),
}
"""dense BF16 FLOP per SM (CU) and clock; GeForce has half rate with FP32 accumulation"""

RATIOS = {
    ("fp16", "bf16"): (1.0,),
    ("tf32", "bf16"): (0.5,),
    ("fp8", "bf16"): (2.0,),
    ("fp6", "fp8"): (1.0,),
    ("fp4", "fp8"): (2.0, 3.0, 4.0),
    ("int8", "bf16"): (1.0, 2.0, 4.0),
    ("int4", "int8"): (2.0,),
}
"""peak of the first format over the second, dense; an integer path may also be nearly absent, and GeForce halves FP8
with FP32 accumulation"""


def check_chip(chip: Chip) -> None:
    """Raise AssertionError with every fact of the chip that contradicts another."""
    found = [*_peaks(chip), *_memory(chip), *_rest(chip), *_guesses(chip)]
    assert not found, f"{chip.name}: " + "; ".join(found)


def check_assumptions(spec: Sourced) -> None:
    """Raise AssertionError where an assumed number does not say why."""
    found = list(_guesses(spec))
    assert not found, f"{spec.name}: " + "; ".join(found)


def _peaks(chip: Chip) -> Iterator[str]:
    for name, unit in chip.compute.items():
        yield from _clocked(name, unit)
        yield from _siblings(name, unit)
        known = BF16_PER_UNIT_CLOCK.get(chip.architecture)
        per_clock = unit.flop_per_clock.get("bf16")
        if unit.kind == "tensor" and known and per_clock and per_clock not in known:
            yield f"{name}: {per_clock:g} BF16 FLOP per clock, {chip.architecture} does {known[0]}: a sparse figure?"
        for number_format, sparse in unit.sparse_peak_flop_per_s.items():
            if sparse < 1.2 * unit.peak_flop_per_s.get(number_format, 0.0):
                yield f"{name}: sparse {number_format} peak is not above the dense one"


def _clocked(name: str, unit: ComputeUnit) -> Iterator[str]:
    if not (unit.count and unit.clock_hz):
        return
    for number_format, width in unit.flop_per_clock.items():
        product = unit.count * unit.clock_hz * width
        peak = unit.peak_flop_per_s[number_format]
        if abs(product / peak - 1) > 0.03:
            yield f"{name}: {number_format} peak {peak:.4g} but count x clock x width is {product:.4g} FLOP/s"


def _siblings(name: str, unit: ComputeUnit) -> Iterator[str]:
    peaks = unit.peak_flop_per_s
    for (one, other), ratios in RATIOS.items():
        if unit.kind == "vector" or one not in peaks or other not in peaks:
            continue
        ratio = peaks[one] / peaks[other]
        cut = one == "int8" and ratio < 0.15
        if not cut and not any(abs(ratio / expected - 1) < 0.05 for expected in ratios):
            yield f"{name}: {one} is {ratio:.3g} x {other}, expected {ratios}"


def _memory(chip: Chip) -> Iterator[str]:
    main = chip.memory[chip.main_tier]
    cited = chip.citations[f"memory.{chip.main_tier}.capacity"]
    gigabytes = main.capacity_bytes / 1e9
    if chip.sources[cited.source].kind == "vendor" and abs(gigabytes - round(gigabytes)) > 1e-6:
        yield f"capacity {cited.text}: vendors print whole GB, is this a GiB slip?"
    l2 = chip.memory.get("l2")
    if l2 is not None and not (l2.read_bytes_per_s > main.read_bytes_per_s and l2.capacity_bytes < main.capacity_bytes):
        yield "the l2 tier must be smaller and faster than the main tier"
    peak = chip.compute[chip.main_unit].peak_flop_per_s
    top = peak.get("bf16", peak.get("fp16"))
    if chip.compute[chip.main_unit].kind in ("tensor", "systolic") and top:
        balance = top / main.read_bytes_per_s
        if not 10 < balance < 800:
            yield f"{balance:.0f} BF16 FLOP per byte of memory bandwidth: a sparse peak or a unit slip?"


def _rest(chip: Chip) -> Iterator[str]:
    if not 0 < chip.power.idle_w < chip.power.tdp_w:
        yield "idle power must lie between 0 and tdp"
    if chip.issue.graph_kernel_s > chip.issue.kernel_launch_s:
        yield "a kernel in a graph must not cost more than one launched by itself"
    main = chip.memory[chip.main_tier]
    for name, link in chip.links.items():
        if link.bytes_per_s > main.read_bytes_per_s:
            yield f"link {name} is faster than memory: both directions counted, or Gb for GB?"


def _guesses(spec: Sourced) -> Iterator[str]:
    for path, cited in spec.citations.items():
        source = spec.sources[cited.source]
        if source.kind == "assumed" and not (cited.note or source.note):
            yield f"{path} is assumed without saying why"
