"""The few facts of a chip that operator laws read, and the number formats of kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simcore.errors import UnknownName
from simcore.kept.lazy import dataclass

DEFAULT_L2_BYTES_PER_CLOCK = 64.0
"""bytes an SM reads from L2 in one clock; vendor white papers since Volta"""
REFERENCE_CLOCK_HZ = 1.83e9
PACE_EXPONENT = 0.5
"""between 0 (host and memory) and 1 (cycles of the chip's clock); the best of 0, 0.5 and 1 on chips left out"""
REFERENCE_FLOP_PER_J = 1.4e12
"""of an H100 SXM: the points where the laws' latencies and efficiencies are quoted"""
EXPONENTIALS_PER_CLOCK = 16.0
"""of an SM that says nothing: four special-function units of four lanes"""


@dataclass(frozen=True)
class ChipFacts:
    """What a law may know of a chip: the numbers of its data sheet, SI units."""

    name: str
    peak_flop_per_s: Mapping[str, float]
    """dense peak by number format of the spec (bf16, fp8, fp4, int8, ...)"""
    clock_hz: float
    sm_count: float
    memory_bytes_per_s: float
    l2_bytes: float
    l2_bytes_per_s: float
    link_bytes_per_s: float
    """one direction; the link between chips of one node"""
    tdp_w: float = 0.0
    idle_w: float = 0.0
    architecture: str = ""

    link_kind: str = ""
    exponentials_per_clock: float = EXPONENTIALS_PER_CLOCK
    """per SM, of its special-function units"""

    @property
    def generation(self) -> str:
        """Chips of one generation share kernels: an "-ultra" refresh counts with its base."""
        return self.architecture.removesuffix("-ultra")

    @property
    def attention_family(self) -> str:
        """The attention kernels that stacks choose for a generation (vLLM documentation of its attention back ends)."""
        return _ATTENTION_FAMILY.get(self.generation, "fa2")

    @property
    def runs_known_attention(self) -> bool:
        """Whether `attention_family` is what its stacks really run, not the nearest guess."""
        return self.generation in _ATTENTION_FAMILY

    @property
    def feeds_by_warp(self) -> bool:
        """Whether single warps feed the tensor cores (PTX documentation: mma, against wgmma and tcgen05)."""
        return self.generation in _WARP_FED

    @property
    def l2_copies(self) -> float:
        """How often the same bytes lie in L2: once per partition (NVIDIA, A100 Tensor Core GPU Architecture)."""
        return 2.0 if self.generation in _SPLIT_L2 else 1.0

    @property
    def pace(self) -> float:
        """How much longer start-up latencies last than at the reference clock (part cycles, part memory and host)."""
        return float((REFERENCE_CLOCK_HZ / self.clock_hz) ** PACE_EXPONENT)

    @property
    def cycle_ratio(self) -> float:
        """How much longer a cycle lasts than at the reference clock."""
        return REFERENCE_CLOCK_HZ / self.clock_hz

    @property
    def density(self) -> float:
        """Peak bf16 flop per second and watt, relative to REFERENCE_FLOP_PER_J; 1 where the power is unknown."""
        return self.peak("bf16") / self.tdp_w / REFERENCE_FLOP_PER_J if self.tdp_w else 1.0

    @property
    def sm_bytes_per_s(self) -> float:
        """What one SM can read from L2."""
        return DEFAULT_L2_BYTES_PER_CLOCK * self.clock_hz

    def peak(self, number: str) -> float:
        """Dense peak [flop/s] of a spec format; a chip without it computes in the next wider one it has."""
        for candidate in _WIDER[number]:
            if candidate in self.peak_flop_per_s:
                return float(self.peak_flop_per_s[candidate])
        return max(self.peak_flop_per_s.values())


_ATTENTION_FAMILY = {
    "ampere": "fa2",
    "ampere-ga102": "fa2",
    "ada": "fa2",
    "blackwell-gb202": "fa2",
    "hopper": "fa3",
    "blackwell": "trtllm-gen",
}
"""FlashAttention-3 on Hopper, the generated kernels of TensorRT-LLM on data-centre Blackwell, FlashAttention-2 else"""

_SPLIT_L2 = ("ampere", "hopper", "blackwell")
"""two partitions, each with a copy of what its own units read (GA100, after it GH100; GB100 joins two dies)"""

_WARP_FED = ("volta", "turing", "ampere", "ampere-ga102", "ada", "blackwell-gb202")

_WIDER: dict[str, tuple[str, ...]] = {
    "fp32": ("fp32", "tf32", "bf16"),
    "bf16": ("bf16", "fp16"),
    "fp8": ("fp8", "bf16", "fp16"),
    "int8": ("int8", "fp8", "bf16", "fp16"),
    "fp4": ("fp4", "fp8", "bf16", "fp16"),
}


def chip_facts(chip: Any) -> ChipFacts:
    """ChipFacts of a `simcore.spec.hardware.Chip` (any chip: what a spec leaves out is taken from what it has).

    A chip without a count of units counts as one of 128 parts, without a clock as one of 1.7 GHz; a chip without an
    on-chip tier has no L2 (capacity 0); the link is the fastest one that is not PCIe, else PCIe, else 25 GB/s.
    """
    unit = chip.compute[chip.main_unit]
    tier = chip.memory[unit.reads]
    caches = [t for t in chip.memory.values() if t.kind == "sram"]
    cache = max(caches, key=lambda t: t.capacity_bytes) if caches else None
    count = float(unit.count or 128)
    clock = float(unit.clock_hz or 1.7e9)
    links = sorted(chip.links.values(), key=lambda link: (link.kind != "pcie", link.bytes_per_s))
    return ChipFacts(
        name=chip.name,
        peak_flop_per_s={str(k): float(v) for k, v in unit.peak_flop_per_s.items()},
        clock_hz=clock,
        sm_count=count,
        memory_bytes_per_s=float(tier.read_bytes_per_s),
        l2_bytes=float(cache.capacity_bytes) if cache else 0.0,
        l2_bytes_per_s=float(cache.read_bytes_per_s) if cache else float(tier.read_bytes_per_s),
        link_bytes_per_s=float(links[-1].bytes_per_s) if links else 25e9,
        tdp_w=float(chip.power.tdp_w),
        idle_w=float(chip.power.idle_w),
        architecture=chip.architecture,
        link_kind=str(links[-1].kind) if links else "pcie",
        exponentials_per_clock=float(unit.exponentials_per_clock or EXPONENTIALS_PER_CLOCK),
    )


@dataclass(frozen=True)
class KernelFormat:
    """How a kernel stores and multiplies numbers."""

    name: str
    compute: str
    """spec format of the multiply"""
    weight_bytes: float
    activation_bytes: float
    output_bytes: float = 2.0


FORMATS: dict[str, KernelFormat] = {
    f.name: f
    for f in (
        KernelFormat("fp32", "fp32", 4.0, 4.0, 4.0),
        KernelFormat("bf16", "bf16", 2.0, 2.0),
        KernelFormat("fp8", "fp8", 1.0, 1.0),
        KernelFormat("fp8_block", "fp8", 1.0, 1.0),
        KernelFormat("nvfp4", "fp4", 0.5625, 0.5625),
        KernelFormat("int8", "int8", 1.0, 1.0),
        KernelFormat("int8_weights", "bf16", 1.0, 2.0),
        KernelFormat("int4", "bf16", 0.5, 2.0),
        KernelFormat("mxfp4_weights", "bf16", 0.53125, 2.0),
        KernelFormat("mxfp4_fp8", "fp8", 0.53125, 1.0),
    )
}
"""nvfp4 carries one scale byte per 16 values, mxfp4 one per 32"""

_ALIASES = {
    "bfloat16": "bf16",
    "float16": "bf16",
    "float32": "fp32",
    "half": "bf16",
    "fp16": "bf16",
    "int8_wo": "int8_weights",
    "int4_wo": "int4",
    "sq": "int8",
    "fp4": "nvfp4",
    "w4a16_mxfp4": "mxfp4_weights",
    "w4a8_mxfp4_mxfp8": "mxfp4_fp8",
    "fp8_static": "fp8",
}


def kernel_format(name: str) -> KernelFormat:
    """The kernel format of a name or of a data set's spelling; raises UnknownName.

    >>> kernel_format("bfloat16").name, kernel_format("nvfp4").weight_bytes
    ('bf16', 0.5625)
    """
    key = str(name).strip().lower()
    key = _ALIASES.get(key, key)
    if key not in FORMATS:
        raise UnknownName("kernel format", str(name), [*FORMATS, *_ALIASES])
    return FORMATS[key]
