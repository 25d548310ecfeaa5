"""What every spec has in common: frozen, strict about keys, every number with a source."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

SourceKind = Literal["vendor", "paper", "measured", "derived", "assumed"]


class Spec(BaseModel):
    """A frozen value read from TOML. Keys are written without units (`read_bandwidth`), fields carry them."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=False)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed (values in SI)."""
        return self.model_copy(update=changes)


class Source(Spec):
    """Where numbers come from."""

    kind: SourceKind
    title: str
    url: str | None = None
    date: str | None = None
    note: str | None = None


class Citation(Spec):
    """The source of one number."""

    source: str
    note: str | None = None
    text: str
    """the quantity as written"""


class Sourced(Spec):
    """A spec whose numbers carry citations, keyed by their dotted TOML path (`memory.hbm.capacity`)."""

    name: str
    aliases: tuple[str, ...] = ()
    sources: dict[str, Source] = Field(default_factory=dict)
    citations: dict[str, Citation] = Field(default_factory=dict)

    def assumptions(self) -> dict[str, str]:
        """Dotted path -> text of every number whose source is `assumed`."""
        return {
            path: f"{c.text}" + (f" ({c.note})" if c.note else "")
            for path, c in self.citations.items()
            if self.sources[c.source].kind == "assumed"
        }
