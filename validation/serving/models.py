"""The model behind the name that a serving table gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from simcore.errors import UnknownName

QUANTISED = re.compile(
    r"[-_](bf16|fp8|fp4|nvfp4|mxfp4|int8|int4|awq|gptq|w4a16|w8a8)([-_](block|dynamic|v\d+))*$", re.I
)
"""what a checkpoint's name adds for the format of its weights; the row's precision says the same"""


def served_model(resolve: Callable[[str, str], Any], name: str) -> Any:
    """The spec of a served checkpoint.

    A name that no spec knows is tried again without the format of its weights, then without its owner too: a quantised
    copy has the architecture of the original. Raises UnknownName (of the name as given) if that is unknown as well.

    >>> served_model(lambda kind, name: {"qwen3-8b": 8}[name.lower()], "qwen3-8b")
    8
    """
    try:
        return resolve("model", name)
    except UnknownName as unknown:
        base = QUANTISED.sub("", name)
        for known in dict.fromkeys((base, base.split("/")[-1])):
            try:
                return resolve("model", known)
            except UnknownName:
                continue
        raise unknown


def is_dense(resolve: Callable[[str, str], Any], name: str) -> bool:
    """Whether a served checkpoint has no experts; False for an unknown name."""
    try:
        return not served_model(resolve, name).is_moe
    except UnknownName:
        return False
