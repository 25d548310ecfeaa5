"""Where the chips of a recorded run stood, and what their ranks exchange over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from simcore.spec.hardware import Chip, Link

BF16_BYTES = 2.0
Exchange = Callable[[Any], Any]


def system_of(name: str) -> Any:
    """A system by name or path. Raises UnknownName."""
    from scenarios.names import resolve

    return resolve("system", name).value


@dataclass(frozen=True)
class Home:
    """A chip, the node that is named, if any, and the two numbers of a host's link, if they are stated."""

    chip: Chip
    system: str | None = None
    link: str | None = None

    @property
    def hardware(self) -> dict[str, Any]:
        """[hardware] of the scenario."""
        return {"system": self.system or self.chip.name} | ({"link": self.link} if self.link else {})

    @property
    def host(self) -> Link | None:
        """The link through the host: as stated, or the node's where it says so."""
        if self.link:
            from scenarios.homes import host_link

            return host_link(self.link, key="--link")
        levels = system_of(self.system).levels if self.system else ()
        return levels[0].link if levels and levels[0].link.kind == "host" else None

    @property
    def bytes_per_s(self) -> float:
        """Of the link between chips that read each other's memory."""
        levels = system_of(self.system).levels if self.system else ()
        return float(levels[0].link.bytes_per_s if levels else next(iter(self.chip.links.values())).bytes_per_s)

    def all_reduce(self, ranks: int, width: int) -> Exchange:
        """`tokens -> seconds` of summing their hidden states."""
        from simcore.calibration.importers.layer_profile import all_reduce_over

        host = self.host
        if host is None:
            return cast(Exchange, all_reduce_over(self.bytes_per_s, ranks, width))
        return self._through(host, ranks, "all_reduce", width)

    def gather(self, ranks: int, width: int) -> Exchange:
        """`rows -> seconds` of gathering rows of which each rank holds a slice."""
        from simcore.calibration.importers.layer_profile import gather_over

        host = self.host
        if host is None:
            return cast(Exchange, gather_over(self.bytes_per_s, ranks, width))
        return self._through(host, ranks, "all_gather", width)

    def exchange(self, ranks: int, width: int) -> Exchange:
        """`tokens -> seconds` of taking the tokens of all ranks to the experts of a layer and back."""
        from simcore.calibration.importers.layer_profile import exchange_over

        if self.host is None:
            return cast(Exchange, exchange_over(self.bytes_per_s, ranks, width))
        there_s = self.gather(ranks, width)
        return lambda tokens: 2.0 * there_s(tokens)

    def _through(self, host: Link, ranks: int, name: str, width: int) -> Exchange:
        from simcore.cost.through_host import through_host

        seconds = through_host(host, ranks, name)
        return lambda rows: (rows > 0) * seconds(rows * width * BF16_BYTES)
