"""The model behind the name that a serving table gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simcore.errors import UnknownName


def is_dense(resolve: Callable[[str, str], Any], name: str) -> bool:
    """Whether a served checkpoint has no experts; False for an unknown name."""
    try:
        return not resolve("model", name).is_moe
    except UnknownName:
        return False
