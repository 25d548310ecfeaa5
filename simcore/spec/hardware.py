"""Facts of hardware: chips with compute units attached to memory tiers, nodes, clusters.

A compute unit names the tier it reads. A PIM unit is a compute unit on the HBM tier with its own internal bandwidth and
a cost per tile; a computational SSD is one on the flash tier. Tiers of the node (host DRAM, CXL, NVMe) hang on a link.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simcore.spec.base import Count, Sourced, Spec
from simcore.units import (
    Bytes,
    BytesPerS,
    Capacity,
    FlopPerS,
    Hertz,
    JoulePerByte,
    JoulePerFlop,
    Kilograms,
    Seconds,
    Usd,
    UsdPerHour,
    Watts,
)

Format = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp6", "fp4", "int4"]
ChipKind = Literal["gpu", "npu", "tpu", "cpu", "pim", "accelerator"]
UnitKind = Literal["tensor", "vector", "systolic", "pim", "logic"]
TierKind = Literal["sram", "hbm", "gddr", "dram", "cxl", "flash"]
LinkKind = Literal[
    "on-package", "nvlink", "xgmi", "ici", "ub", "pcie", "host", "infiniband", "ethernet", "slingshot", "cxl"
]
"""`host`: messages between chips go through the host's memory, for want of peer-to-peer; no table was taken over one"""


class PimTiming(Spec):
    """Timing of the DRAM around a unit in its banks, per channel."""

    precharge_s: Seconds = Field(alias="precharge")
    """tRP, closing a row"""
    activate_to_read_s: Seconds = Field(alias="activate_to_read")
    """tRCD"""
    four_activates_s: Seconds = Field(alias="four_activates")
    """tFAW, between activations of groups of banks"""
    read_to_precharge_s: Seconds = Field(alias="read_to_precharge")
    """tRTP within a group"""
    column_s: Seconds = Field(alias="column")
    """one access of a column"""
    command_s: Seconds = Field(alias="command")
    """tCK, one command on the bus"""
    refresh_s: Seconds = Field(alias="refresh")
    """tRFC"""
    refresh_interval_s: Seconds = Field(alias="refresh_interval")
    """tREFI of a rank"""
    ranks: Count
    """of a channel"""
    bank_groups: Count
    """per rank"""
    banks_per_group: Count
    """of one group"""
    row_buffers: Literal[1, 2] = 1
    """2: rows for the unit and rows for the host are open in a bank at once"""

    @property
    def banks(self) -> int:
        """Of a channel."""
        return self.ranks * self.bank_groups * self.banks_per_group


class ComputeUnit(Spec):
    """One kind of engine on a chip: peaks per number format, dense, for the whole chip."""

    kind: UnitKind
    """tensor and systolic units multiply matrices, vector ones do elementwise work, pim and logic ones sit at their
    memory and do decode attention"""
    reads: str
    """the memory tier that feeds it"""
    peak_flop_per_s: dict[Format, FlopPerS] = Field(alias="peak", min_length=1)
    """number format -> operations per second of all its units, dense"""
    sparse_peak_flop_per_s: dict[Format, FlopPerS] = Field(default_factory=dict, alias="sparse_peak")
    """number format -> the peak where two of four weights are zero and skipped; empty: none"""
    count: Count | None = None
    """how many units make the peak (SMs, cores, arrays, banks)"""
    clock_hz: Hertz | None = Field(default=None, alias="clock")
    """the clock at which the published peak holds"""
    flop_per_clock: dict[Format, Annotated[float, Field(gt=0)]] = Field(default_factory=dict, alias="flop_per_clock")
    """per unit and clock, dense; peak = count x clock x this, checked by a test where all are published"""
    exponentials_per_clock: float | None = Field(default=None, gt=0, le=1e6)
    """per unit and clock, of its special-function units: a second resource of attention beside the multiplications;
    None: 16, as on every NVIDIA SM but Blackwell Ultra's"""
    array_rows: Count | None = None
    """rows of one systolic array; None: the unit is none, or its shape is not counted"""
    array_columns: Count | None = None
    """systolic array shape; `count` of them share a product fold by fold"""
    dataflow: str | None = None
    """which operand stays in the cells: output, weight or input (a file of `simcore.cost.dataflows`). None: weights,
    and only rows that too few inputs stream through are counted"""
    internal_bytes_per_s: BytesPerS | None = Field(default=None, alias="internal_bandwidth")
    """bandwidth the unit sees where that differs from the tier's external one (PIM, in-storage compute)"""
    tile_bytes: Capacity | None = Field(default=None, alias="tile_size")
    """of one tile of `tile_time` or `timing`: a row in every bank of a channel; None: no tiles"""
    tile_s: Seconds | None = Field(default=None, alias="tile_time")
    """one tile of `tile_size`, in one channel (PIM: one row in all banks)"""
    operand_load_s: Seconds = Field(default=0.0, alias="operand_load_time")
    """loading the vector operand before a run of tiles"""
    timing: PimTiming | None = None
    """of the DRAM, from which the time of a tile of `tile_size` follows; instead of `tile_time`"""
    channels: Count | None = None
    """of the memory, each with a tile under way at a time; None: 1"""
    energy_j_per_flop: JoulePerFlop | None = Field(default=None, alias="energy")
    """of one operation, its operands at hand; told beside the power of the board"""
    concurrent_with_host: bool = False
    """may run while the chip's main unit works on the same tier"""


class MemoryTier(Spec):
    """A place where tensors live. Bandwidths are one direction, aggregate over the chip (or node) that owns it."""

    kind: TierKind
    """what it is made of: the largest sram of a chip is its cache"""
    capacity_bytes: Capacity = Field(alias="capacity")
    """as the data sheet prints it"""
    reported_ratio: float = Field(default=1.0, gt=0.5, lt=1.2)
    """what the driver reports over the printed capacity: cards printed in GB hold GiB, less a share of their own"""
    read_bytes_per_s: BytesPerS = Field(alias="read_bandwidth")
    """of all of it together"""
    write_bytes_per_s: BytesPerS | None = Field(default=None, alias="write_bandwidth")
    """None: as fast as reading"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """until an access is answered; of the main tier it is hidden by what streams"""
    granularity_bytes: Capacity = Field(default=64.0, alias="granularity")
    """of one access"""
    queue_depth: Count | None = None
    """accesses of `granularity` under way at once, each for `latency`; None: enough for the bandwidth"""
    energy_j_per_byte: JoulePerByte | None = Field(default=None, alias="energy")
    """of a byte read or written; None: not counted"""
    endurance_bytes: Capacity | None = Field(default=None, alias="endurance")
    """that may be written before it is worn out, as drives state in TB; None: without bound"""
    link: str | None = None
    """the link crossed to reach it from the chip; None: local"""

    @property
    def reported_bytes(self) -> float:
        """The capacity that software sees."""
        return self.capacity_bytes * self.reported_ratio


class Link(Spec):
    """A connection, per chip and one direction."""

    kind: LinkKind
    """what it is: `host` goes through the host's memory, for want of peer-to-peer"""
    bytes_per_s: BytesPerS = Field(alias="bandwidth")
    """of one chip, in one direction"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """of one message; cost models take 2 us for a level whose link says 0"""
    energy_j_per_byte: JoulePerByte | None = Field(default=None, alias="energy")
    """of a byte over it; None: not counted"""


class NamedLink(Sourced):
    """A link that node and cluster files refer to by name (`link = "nvlink4"`), per port and one direction."""

    kind: LinkKind
    """what it is: `host` goes through the host's memory, for want of peer-to-peer"""
    bytes_per_s: BytesPerS = Field(alias="bandwidth")
    """of one port, in one direction"""
    latency_s: Seconds = Field(default=0.0, alias="latency")
    """of one message; cost models take 2 us for a level whose link says 0"""
    energy_j_per_byte: JoulePerByte | None = Field(default=None, alias="energy")
    """of a byte over it; None: not counted"""

    @property
    def link(self) -> Link:
        """The bare link, for a `Level`."""
        return Link(
            kind=self.kind,
            bytes_per_s=self.bytes_per_s,
            latency_s=self.latency_s,
            energy_j_per_byte=self.energy_j_per_byte,
        )


class Power(Spec):
    """Board power."""

    tdp_w: Watts = Field(alias="tdp")
    """power limit of a board; of a node: what it draws beyond its chips at full load"""
    idle_w: Watts = Field(alias="idle")
    """drawn without work; of a node: beyond its chips"""


class Money(Spec):
    """Purchase and rental of one unit (chip, or node beyond its chips)."""

    purchase_usd: Usd | None = Field(default=None, alias="purchase")
    """price of one; None: not known"""
    rental_usd_per_hour: UsdPerHour | None = Field(default=None, alias="rental")
    """price of an hour; None: not known"""


class Material(Spec):
    """What making one unit took, and what is in it."""

    embodied_kg: Kilograms | None = Field(default=None, alias="embodied")
    """CO2 equivalent of its making"""
    masses_kg: dict[str, Kilograms] = Field(default_factory=dict, alias="masses")
    """by element or material"""


class Issue(Spec):
    """How kernels reach the chip from its host."""

    kernel_launch_s: Seconds = Field(alias="kernel_launch")
    """one kernel launched by itself"""
    graph_kernel_s: Seconds = Field(alias="graph_kernel")
    """one kernel inside a captured graph"""
    graph_launch_s: Seconds = Field(alias="graph_launch")
    """launching a captured graph once"""
    thread_ratio: float = Field(default=1.0, gt=0, le=10)
    """of a host: the speed of one thread over that of a Xeon 8480C, on which servers' host times were measured"""


class Chip(Sourced):
    """One accelerator or processor as software addresses it (one GCD of an MI250X, one package of an Ascend 910C)."""

    kind: ChipKind
    """what it is sold as"""
    vendor: str
    """who makes it"""
    architecture: str
    """its generation, such as hopper: laws of kernels go by it, and what was fitted on chips alike"""
    released: str | None = None
    """year and month when it came out, "2023-10"; None: not said"""
    home: str | None = None
    """the cluster or node it is usually found in, used where a scenario names only the chip"""
    compute: dict[str, ComputeUnit] = Field(min_length=1)
    """name -> a kind of engine on it; the first tensor or systolic one, else the first, is the main unit"""
    memory: dict[str, MemoryTier] = Field(min_length=1)
    """name -> a place of its own where tensors live; what the main unit reads is the main tier"""
    links: dict[str, Link] = Field(default_factory=dict)
    """name -> what joins it to other chips or to its host"""
    power: Power
    """of its board"""
    money: Money = Field(default_factory=Money)
    """what it costs"""
    material: Material = Field(default_factory=Material)
    """what making it took, and what is in it"""
    issue: Issue
    """how kernels reach it from its host; of a host: how fast its threads are"""
    reserve_bytes: Bytes = Field(default=0.0, alias="reserve")
    """memory that the chip's own system keeps, whatever the serving stack (a host's operating system)"""

    @model_validator(mode="after")
    def _units_read_known_tiers(self) -> Chip:
        for name, unit in self.compute.items():
            if unit.reads not in self.memory:
                raise ValueError(
                    f"compute.{name}.reads names tier {unit.reads!r}; the chip has {', '.join(self.memory)}"
                )
        return self

    @property
    def main_tier(self) -> str:
        """The tier that holds weights and KV by default: the one the main unit reads."""
        return self.compute[self.main_unit].reads

    @property
    def main_unit(self) -> str:
        """The unit that runs matrix work: tensor or systolic, else the first one."""
        for name, unit in self.compute.items():
            if unit.kind in ("tensor", "systolic"):
                return name
        return next(iter(self.compute))


class Level(Spec):
    """One level of the link hierarchy: `size` children joined by a link of this bandwidth per chip and direction."""

    name: str
    """what it is called, such as nvlink"""
    size: Count
    """children that it joins: chips of the innermost level, units of the level below of the others"""
    link: Link
    """what joins them: its numbers, or the name of a link file"""
    shape: Literal["switch", "ring", "mesh", "torus", "bus"] = "switch"
    """how they are joined; told with the topology, no time follows it"""
    oversubscription_ratio: float = Field(default=1.0, ge=1.0)
    """how many times the children's total bandwidth exceeds what crosses the level when all talk at once"""
    slowest_ratio: float = Field(default=1.0, gt=0.0, le=1.0)
    """of the link's bandwidth, what its slowest member has, or what other jobs leave: a collective waits for it"""

    @property
    def bytes_per_s(self) -> float:
        """What a chip gets when all talk at once."""
        return self.link.bytes_per_s / self.oversubscription_ratio * self.slowest_ratio


class Node(Sourced):
    """A server: chips, how they are joined, the host and the tiers it adds."""

    chip: str
    """name of its chips"""
    chips: Count
    """how many of them"""
    levels: tuple[Level, ...]
    """innermost first; sizes multiply to `chips`"""
    host: str | None = None
    """chip name of the host CPU"""
    hosts: Count = 1
    """processors of the host, whose operations its chips share"""
    memory: dict[str, MemoryTier] = Field(default_factory=dict)
    """node-level tiers, totals for the node; `link` names an entry of `links`"""
    links: dict[str, Link] = Field(default_factory=dict)
    """chip-to-host links, per chip"""
    power: Power | None = None
    """the node beyond its chips (host, fans, network)"""
    money: Money = Field(default_factory=Money)
    """the node beyond its chips"""

    @model_validator(mode="after")
    def _sizes_multiply(self) -> Node:
        product = 1
        for level in self.levels:
            product *= level.size
        if product != self.chips:
            raise ValueError(f"level sizes multiply to {product}, the node has {self.chips} chips")
        return self


class Cluster(Sourced):
    """Nodes and the levels above them."""

    node: str
    """name of its nodes"""
    nodes: Count
    """how many of them"""
    levels: tuple[Level, ...]
    """innermost first; sizes multiply to `nodes`"""
    pue_ratio: float | None = Field(default=None, ge=1.0)
    """power of the whole facility over that of its servers (PUE), where [economics] does not say it; None: the
    default"""

    @model_validator(mode="after")
    def _sizes_multiply(self) -> Cluster:
        product = 1
        for level in self.levels:
            product *= level.size
        if product != self.nodes:
            raise ValueError(f"level sizes multiply to {product}, the cluster has {self.nodes} nodes")
        return self
