"""Fits that stand on another stack's fit of the same operation on the same chip.

A small table next to a large one says mostly what the large one says: the same library, another caller. Its fit is then
the large one's law and trees and a few trees of its own,

    time_s = law(shape; base's efficiencies) * exp(base's trees + own trees)

In memory such a fit is whole, so that nothing else need know; on disk it holds its own trees and names its base with a
check sum, because a base that has been fitted again no longer fits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from simcore.cost.calibrated import Artefact, KernelFit
from simcore.errors import InputError


def base_name(stack: str, base: KernelFit) -> str:
    """How a fit names its base: stack, kernel and check sum."""
    return f"{stack}|{base.kernel}|{zlib.crc32(_bytes(base)):08x}"


def _bytes(fit: KernelFit) -> bytes:
    return np.asarray(fit.parameters, np.float32).tobytes() + np.asarray(fit.words, np.uint32).tobytes()


def on_base(own: KernelFit, base: KernelFit) -> KernelFit:
    """The whole fit of `own` trees on `base`."""
    words: NDArray[np.uint32] = np.concatenate([base.words, own.words])
    return replace(own, parameters=base.parameters, words=words, base_words=len(base.words))


def own_part(fit: KernelFit) -> KernelFit:
    """What a fit adds to its base; a fit without one is its own part."""
    if not fit.base:
        return fit
    return replace(fit, parameters=np.empty(0), words=fit.words[fit.base_words :], base_words=0)


def whole(artefact: Artefact, find: Callable[[str], Artefact | None], file: str = "") -> Artefact:
    """The artefact with every fit set on its base; raises InputError where a base is gone or has changed."""
    if not any(fit.base for fit in artefact.fits):
        return artefact
    return replace(artefact, fits=tuple(_whole(fit, artefact, find, file) for fit in artefact.fits))


def _whole(fit: KernelFit, artefact: Artefact, find: Callable[[str], Artefact | None], file: str) -> KernelFit:
    if not fit.base:
        return fit
    stack = fit.base.split("|")[0]
    other = artefact if stack == artefact.stack else find(stack)
    for base in other.fits if other else ():
        same = (base.operation, base.format, base.kv_format) == (fit.operation, fit.format, fit.kv_format)
        if same and base_name(stack, base) == fit.base:
            return on_base(fit, base)
    what = f"{fit.operation} {fit.format} of {fit.kernel or artefact.stack} was built on a fit of {stack}"
    raise InputError(f"{what} that is gone or has changed", file=file, fix="simcore calibrate with both stacks' tables")
