"""A chip where it stands: in a node, in a cluster, with a host."""

from __future__ import annotations

from simcore.spec.base import Spec
from simcore.spec.hardware import Chip, Cluster, Level, MemoryTier, Node


class System(Spec):
    """Hardware for one scenario. Without a node the chip stands alone; without a cluster the node does."""

    chip: Chip
    node: Node | None = None
    cluster: Cluster | None = None

    @classmethod
    def of(cls, chip: Chip, node: Node | None = None, cluster: Cluster | None = None) -> System:
        """Specs that were checked, put together."""
        return cls.model_construct(chip=chip, node=node, cluster=cluster)

    @property
    def name(self) -> str:
        return (self.cluster or self.node or self.chip).name

    @property
    def levels(self) -> tuple[Level, ...]:
        """Link hierarchy, innermost first."""
        node = self.node.levels if self.node else ()
        return node + (self.cluster.levels if self.cluster else ())

    @property
    def chips_per_node(self) -> int:
        return self.node.chips if self.node else 1

    @property
    def max_chips(self) -> int:
        return self.chips_per_node * (self.cluster.nodes if self.cluster else 1)

    def tier(self, name: str) -> tuple[MemoryTier, float]:
        """A memory tier by name and the share of it that one chip has (1 for the chip's own tiers).

        Raises KeyError with the tiers that exist.
        """
        if name == "main":
            name = self.chip.main_tier
        if name in self.chip.memory:
            return self.chip.memory[name], 1.0
        if self.node and name in self.node.memory:
            return self.node.memory[name], 1.0 / self.node.chips
        node_tiers = list(self.node.memory) if self.node else []
        raise KeyError(f"{self.name} has no memory tier {name!r}; it has {', '.join([*self.chip.memory, *node_tiers])}")

    def assumptions(self) -> dict[str, str]:
        """Every assumed number of chip, node and cluster."""
        parts = [p for p in (self.chip, self.node, self.cluster) if p is not None]
        return {f"{p.name}: {path}": text for p in parts for path, text in p.assumptions().items()}
