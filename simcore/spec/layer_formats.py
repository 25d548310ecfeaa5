"""Number formats of some layers of a model, where they differ from the plan's."""

from __future__ import annotations

from pydantic import model_validator

from simcore.errors import SimcoreError
from simcore.spec.base import Spec

CLASSES = ("mixer", "ffn", "experts", "kv")


def _known(name: str) -> None:
    """Raises ValueError for what is no format."""
    from simcore.spec.formats import number_format

    try:
        number_format(name)
    except SimcoreError as error:
        raise ValueError(str(error)) from None


class LayerFormats(Spec):
    """Formats by class of tensors; what is left out is the plan's. Names, or tables as their JSON text."""

    weights: str | None = None
    """of mixer, ffn and experts, where these say nothing"""
    mixer: str | None = None
    """matrices of attention or of what stands for it"""
    ffn: str | None = None
    """matrices that every token uses, shared experts among them"""
    experts: str | None = None
    """routed experts; None: as ffn"""
    kv: str | None = None
    """of their KV cache"""

    @model_validator(mode="after")
    def _all_known(self) -> LayerFormats:
        for name in (self.weights, *(getattr(self, kind) for kind in CLASSES)):
            if name is not None:
                _known(name)
        return self

    def of(self, kind: str) -> str | None:
        """Format of a class; None: the plan's."""
        own: str | None = getattr(self, kind)
        if own is None and kind == "experts":
            own = self.ffn
        return own if own is not None or kind == "kv" else self.weights

    @property
    def names(self) -> tuple[str, ...]:
        """All that are named, once each."""
        return tuple(dict.fromkeys(name for kind in CLASSES if (name := self.of(kind)) is not None))
