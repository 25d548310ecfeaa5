"""numba's `njit`, with a cache that knows what every kernel says.

numba's own index compares the time of the one file that holds a function: a kernel that calls a changed function of
another file would be taken as it was, and a changed comment compiles everything again. Here each function is kept
under the digest of its own code, of all that it reaches (`simcore.cost.sources`) and of numba's version; its file's
time does not count. Functions of other packages are left to numba. numba's index of a folder knows neither other
versions nor other writers (it is read, added to and written, and only then the code): so each version has folders of
its own, and one process at a time compiles.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numba
from numba import cfunc, from_dtype, types
from numba import njit as njit_with_memory
from numba.core import caching, options
from numba.extending import intrinsic

from simcore.cost.libraries import keep, toolchain
from simcore.cost.sources import ROOT, digest_of, reaches_packages
from simcore.kept.files import alone, home, keep_latest

__all__ = [
    "Entry",
    "addresses_of",
    "bits_of",
    "compiled",
    "entry",
    "float_of",
    "from_dtype",
    "gate_address",
    "njit",
    "njit_with_memory",
    "pointer",
]

njit = partial(njit_with_memory, _nrt=False) if hasattr(options.DefaultOptions, "_nrt") else njit_with_memory
"""for kernels that make no arrays: without reference counts of those that they are given, LLVM inlines what it can
(half the time per step, the same bytes)"""

GATE = types.void(types.CPointer(types.int64))
"""what every gate is: a C function of an array of whole numbers"""

KEPT = 600
"""folders of kept functions, one per function and state of its code"""


class CodeLocator(caching._CacheLocator):  # type: ignore[misc]
    """Where numba keeps a function: a folder named by its code."""

    def __init__(self, name: str, digest: str) -> None:
        self.name, self.digest = name, digest

    def get_cache_path(self) -> str:
        """The folder of this state of the function."""
        return str(home() / "kernels" / f"{self.name}-{self.digest}")

    def ensure_cache_path(self) -> None:
        """Make room before the first write."""
        _make_room()
        super().ensure_cache_path()

    def get_source_stamp(self) -> str:
        """What must be equal for a kept function to be used."""
        return self.digest

    def get_disambiguator(self) -> str:
        """numba puts the line here, which a comment moves."""
        return ""

    @classmethod
    def from_function(cls, function: Any, file: str) -> CodeLocator | None:
        """None, so that numba goes on with its own ways, for functions that have nothing to do with simcore."""
        name = function.__qualname__
        try:
            if "<" in name or not reaches_packages(file):
                return None
            return cls(f"{Path(file).stem}.{name}", f"{digest_of(file, name)}-{_toolchain_digest()}")
        except (OSError, SyntaxError, ValueError):
            return None


@cache
def _toolchain_digest() -> str:
    """A numba of another version would take the code of this one's index for its own."""
    return hashlib.sha256(toolchain().encode()).hexdigest()[:8]


@cache
def _make_room() -> None:
    """Once a process: forget the states of kernels that were written first."""
    keep_latest(home() / "kernels", "*", KEPT)


def install() -> None:
    """Put the locator before numba's own: as numba documents it (`NUMBA_CACHE_LOCATOR_CLASSES`), or as it once was."""
    if not hasattr(numba.config, "CACHE_LOCATOR_CLASSES"):
        caching.CacheImpl._locator_classes.insert(0, CodeLocator)
        return
    others = numba.config.CACHE_LOCATOR_CLASSES or ",".join(
        one + "CacheLocator" for one in ("UserProvided", "InTree", "UserWide", "IPython", "Zip")
    )
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.CodeLocator,{others}"


class Entry:
    """A kernel that Python calls: compiled, or taken from the kept ones, at its first call and not before."""

    def __init__(self, function: Any, signature: Any) -> None:
        self.function, self.signature = function, signature
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    @cached_property
    def compiled(self) -> Any:
        """numba's dispatcher, for the one signature."""
        return compiled(self.function, self.signature)

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)


def entry(signature: Any) -> Callable[[Any], Entry]:
    """As `njit(signature, cache=True)` for a kernel that only Python calls: nothing is compiled until then."""
    return lambda function: Entry(function, signature)


def compiled(function: Any, signature: Any) -> Any:
    """A function compiled for one signature; says so on standard error where no kept one can be had."""
    ours = Path(function.__code__.co_filename).is_relative_to(ROOT / "simcore")
    with alone(home() / "compiling", _is_kept(function)):
        tell(function)
        made = (njit if ours else njit_with_memory)(signature, cache=True)(function)  # one's own may make arrays
    code = getattr(made, "overloads", {})
    for result in code.values():
        keep_code(function, result.library, _symbols(result))
    return made


def addresses_of(made: Any, signature: Any) -> tuple[int, ...]:
    """Addresses of something compiled: its C function, and the one behind it, which numba's own calls take."""
    result = made.get_compile_result(signature)
    return tuple(int(result.library.get_pointer_to_function(symbol)) for symbol in _symbols(result))


def _symbols(result: Any) -> tuple[str, ...]:
    return result.fndesc.llvm_cfunc_wrapper_name, result.fndesc.llvm_func_name


def keep_code(function: Any, library: Any, symbols: tuple[str, ...]) -> None:
    """Keep the object code of something just compiled as a library, if it is simcore's and can be linked.

    numba hands the code out once, to its own cache and to whoever asks; what it took from its cache has none.
    """
    file, name = function.__code__.co_filename, function.__qualname__
    try:
        code = library._get_compiled_object()
    except (AttributeError, RuntimeError, ValueError):
        return
    if isinstance(code, bytes) and Path(file).is_relative_to(ROOT / "simcore"):
        keep(file, name, code, symbols)


@intrinsic
def pointer(typing: Any, number: Any) -> Any:
    """A whole number as an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@intrinsic
def bits_of(typing: Any, number: Any) -> Any:
    """The 64 bits of a float as a whole number: sign, 11 of the exponent (1023 for 1.0), 52 of the mantissa."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), code


@intrinsic
def float_of(typing: Any, bits: Any) -> Any:
    """The float of those bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), code


_GATES: dict[tuple[str, str], Any] = {}


def gate_address(function: Any, say: bool = True) -> int:
    """The C function of a gate, compiled (or taken from numba's cache) now, and kept as a library if it can be."""
    place = (function.__code__.co_filename, function.__qualname__)
    if place not in _GATES:
        with alone(home() / "compiling", _is_kept(function)):
            if say:
                tell(function)
            made = _GATES[place] = cfunc(GATE, cache=True)(function)
        keep_code(function, made._library, (made.native_name,))
    return int(_GATES[place].address)


def tell(function: Any) -> None:
    """Say on standard error, once a process, that something is compiled, where no kept one can be had."""
    if not _is_kept(function):
        _tell()


def _is_kept(function: Any) -> bool:
    found = CodeLocator.from_function(function, function.__code__.co_filename)
    return found is None or any(Path(found.get_cache_path()).glob("*.nbc"))


@cache
def _tell() -> None:
    """Once a process."""
    print(
        "simcore: compiling the event engine, once after an install or a change: about half a minute", file=sys.stderr
    )


install()
