"""Compiled kernels kept as shared libraries: found and called without the compiler that made them.

A kernel of one file and name has a key: its code with all that it reaches (`simcore.cost.sources`), the versions of
numba and llvmlite and their settings, Python's version, the processor. Its library is written aside and renamed, in a
folder that only its user may write, and its content's digest is compared BEFORE it is loaded: half a library would end
the process. Whatever is missing, foreign or damaged is as if it were not there, and numba compiles. Linux only, and
only where a C compiler links; elsewhere numba's own cache serves.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from simcore.cost.sources import digest_of, origin
from simcore.kept.files import home, keep_latest, read_json, write_aside

KEPT = 120
"""files, two a library"""
STUBS = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
"""
FREXP = "double numba_frexp(double x, int *e) { if (!isfinite(x)) { *e = 0; return x; } return frexp(x, e); }\n"
LDEXP = "double numba_ldexp(double x, int e) { return ldexp(x, e); }\n"
NOTHING = "void *%s(void) { return 0; }\n"
"""numba's own functions in the way of an error: no exception is made, the caller sees that the kernel did not end"""
NEVER = '__attribute__((noreturn)) void %s(void) { fputs("simcore: %s was called\\n", stderr); abort(); }\n'
"""memory of numba's runtime: no kernel that is kept has any"""
_HELD: list[Any] = []


def find(file: str, name: str) -> tuple[int, ...] | None:
    """The addresses of a kept kernel's functions; None where there is none to be trusted."""
    library = _place(file, name)
    if library is None:
        return None
    told = read_json(library.with_suffix(".json"))
    try:
        if not _private(library.parent) or hashlib.sha256(library.read_bytes()).hexdigest() != told.get("sha256"):
            return None
        loaded = ctypes.CDLL(str(library))
        symbols = [loaded[str(symbol)] for symbol in told["symbols"]]
    except (OSError, AttributeError, ValueError, KeyError, TypeError):
        return None
    for file_kept in (library, library.with_suffix(".json")):
        with contextlib.suppress(OSError):
            os.utime(file_kept)  # the latest to be used are kept: numba would not give the code of this one again
    _HELD.append(loaded)
    return tuple(ctypes.cast(symbol, ctypes.c_void_p).value or 0 for symbol in symbols)


def keep(file: str, name: str, code: bytes, symbols: tuple[str, ...]) -> bool:
    """Link object code with the functions `symbols` into a library and keep it; False where that is not possible."""
    library = _place(file, name)
    if library is None or not shutil.which("cc") or not shutil.which("nm"):
        return False
    import subprocess

    try:
        linked = _link(code)
    except (OSError, subprocess.SubprocessError):
        return False
    told = {"sha256": hashlib.sha256(linked).hexdigest(), "symbols": symbols}
    done = write_aside(library, linked) and write_aside(library.with_suffix(".json"), json.dumps(told).encode())
    keep_latest(library.parent, "*", KEPT)
    return done


def compiles_nothing() -> bool:
    """Whether the user has told numba to leave functions as they are."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def _link(code: bytes) -> bytes:
    """Object code as a shared library, with what numba's runtime would have given it."""
    with tempfile.TemporaryDirectory() as folder:
        made, stubs, library = (Path(folder) / part for part in ("kernel.o", "stubs.c", "kernel.so"))
        made.write_bytes(code)
        missing = _run("nm", "-u", "--format=just-symbols", str(made)).split()
        stubs.write_text(STUBS + "".join(_stub(symbol) for symbol in missing))
        flags = ("-shared", "-O2", "-w", "-fPIC", "-Wl,-z,notext,-Bsymbolic", "-o", str(library))
        _run("cc", str(made), str(stubs), *flags, "-lm")
        return library.read_bytes()


def _stub(symbol: str) -> str:
    known = {"numba_frexp": FREXP, "numba_ldexp": LDEXP}
    if symbol in known:
        return known[symbol]
    if symbol.startswith("numba_"):
        return NOTHING % symbol
    return NEVER % (symbol, symbol) if symbol.startswith("NRT_") else ""


def _run(*command: str) -> str:
    import subprocess

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def _private(folder: Path) -> bool:
    """Whether nobody but its user (or root) may write a folder."""
    state = folder.stat()
    return state.st_uid in (os.getuid(), 0) and not state.st_mode & 0o022


def _place(file: str, name: str) -> Path | None:
    """Where the library of this state of a kernel lies; None where no library can be."""
    if sys.platform != "linux" or compiles_nothing():
        return None
    try:
        file, name = origin(file, name)
        key = hashlib.sha256(f"{digest_of(file, name)} {toolchain()}".encode()).hexdigest()[:20]
    except (OSError, SyntaxError, ValueError):
        return None
    return home() / "libraries" / f"{Path(file).stem}.{name}-{key}.so"


@cache
def toolchain() -> str:
    """What compiled code depends on besides its source."""
    settings = sorted((k, v) for k, v in os.environ.items() if k.startswith("NUMBA_") and "CACHE" not in k)
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            lines = stream.read(8192).splitlines()
    except OSError:
        lines = []
    processor = sorted({line for line in lines if line.startswith(("flags", "Features", "model name", "CPU part"))})
    versions = [_version(package) for package in ("numba", "llvmlite")]
    return str((sys.version_info[:3], os.uname().machine, processor, versions, settings))


def _version(package: str) -> str:
    """An installed package's version, by the name of its folder of notes; the standard library's way takes longer."""
    for place in sys.path:
        for folder in Path(place or ".").glob(f"{package}-*.dist-info"):
            return folder.name.removesuffix(".dist-info").partition("-")[2]
    from importlib import metadata

    return metadata.version(package)
