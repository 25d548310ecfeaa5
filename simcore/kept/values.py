"""Values kept between processes: specs, dataclasses of arrays, numbers and words, found again by what made them.

A file is the digest of all that follows, then the length of a JSON text, the text (fields, and the type and shape of
each array), and the arrays. Nothing in it is executed: only classes that the reader names are made. Whatever is
missing, cut, changed or of another class is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simcore.kept.files import PACKAGE, home, keep_latest, write_aside

ROOT = PACKAGE.parent
KEPT = 64
"""files of one kind, where nobody says another number"""
DIGEST, LENGTH = 32, 8
"""bytes of the digest, and of the length of the text"""
SET = "__pydantic_fields_set__"
KINDS = "biuf"
"""of arrays that are kept: numbers"""


def kept_value(kind: str, key: str, classes: Iterable[type]) -> Any:
    """The value kept under a key, made of these classes; None where there is none to be trusted."""
    file = _place(kind, key)
    try:
        data = file.read_bytes()
        if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
            return None
        begin = DIGEST + LENGTH
        end = begin + int.from_bytes(data[DIGEST:begin], "little")
        told = json.loads(data[begin:end])
        return _made(told["value"], _arrays(data, end, told["arrays"]), {one.__name__: one for one in classes})
    except (OSError, ValueError, KeyError, TypeError, LookupError):
        return None


def keep_value(kind: str, key: str, value: Any, most: int = KEPT) -> bool:
    """Keep a value under a key beside the `most` latest of its kind; False where it holds what cannot be kept, or
    nothing can be written."""
    arrays: list[Any] = []
    try:
        plain = _plain(value, arrays)
    except TypeError:
        return False
    shapes = [[array.dtype.str, list(array.shape)] for array in arrays]
    text = json.dumps({"value": plain, "arrays": shapes}).encode()
    body = len(text).to_bytes(LENGTH, "little") + text + b"".join(array.tobytes() for array in arrays)
    done = write_aside(_place(kind, key), hashlib.sha256(body).digest() + body)
    keep_latest(home() / kind, "*", most)
    return done


def once(kind: str, key: str, classes: tuple[type, ...], make: Callable[[], Any]) -> Any:
    """The value kept under a key, else the one that `make` makes, kept from then on; the first class is the value's."""
    found = kept_value(kind, key, classes)
    if not isinstance(found, classes[0]):
        found = make()
        keep_value(kind, key, found)
    return found


def text_of(value: Any) -> str:
    """A text that two values share only if they are equal: what a key is made of. Raises TypeError."""
    arrays: list[Any] = []
    text = json.dumps(_plain(value, arrays))
    return text + "".join(hashlib.sha256(array.tobytes()).hexdigest() for array in arrays)


def contents(*files: Path) -> str:
    """A digest of what files hold. Raises OSError."""
    return " ".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)


def _place(kind: str, key: str) -> Path:
    return home() / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.bin"


def _plain(value: Any, arrays: list[Any]) -> Any:
    """A value as JSON; its arrays go to a list. Raises TypeError."""
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        arrays.append(np.ascontiguousarray(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_plain(one, arrays) for one in value]}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"table": {name: _plain(one, arrays) for name, one in value.items()}}
    if hasattr(value, SET):
        held, extra = vars(value), value.__pydantic_extra__
        named = {name: _plain(held[name], arrays) for name in type(value).model_fields}
        told = {"fields": named, "set": sorted(getattr(value, SET)), "extra": _plain(extra, arrays)}
        return {"class": type(value).__name__} | told
    if is_dataclass(value) and not isinstance(value, type):
        named = {f.name: _plain(getattr(value, f.name), arrays) for f in fields(value)}
        return {"class": type(value).__name__, "fields": named}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _made(plain: Any, arrays: list[Any], classes: dict[str, type]) -> Any:
    if not isinstance(plain, dict):
        return plain
    if "array" in plain:
        return arrays[plain["array"]]
    if "tuple" in plain:
        return tuple(_made(one, arrays, classes) for one in plain["tuple"])
    if "list" in plain:
        return [_made(one, arrays, classes) for one in plain["list"]]
    if "table" in plain:
        return {name: _made(one, arrays, classes) for name, one in plain["table"].items()}
    named = {name: _made(one, arrays, classes) for name, one in plain["fields"].items()}
    kind = classes[plain["class"]]
    return _spec(kind, named, plain["set"], _made(plain["extra"], arrays, classes)) if "set" in plain else kind(**named)


def _spec(kind: Any, named: dict[str, Any], given: list[str], extra: Any) -> Any:
    """A pydantic model as it was, not checked again: its schema need not be built (as `model_construct` does)."""
    made = kind.__new__(kind)
    put = object.__setattr__
    put(made, "__dict__", named)
    put(made, SET, set(given))
    put(made, "__pydantic_extra__", extra)
    put(made, "__pydantic_private__", None)
    return made


def _arrays(data: bytes, at: int, shapes: list[Any]) -> list[Any]:
    """Arrays of their own, one after the other."""
    found = []
    for kind, shape in shapes:
        count = int(np.prod(shape, dtype=np.int64))
        found.append(np.frombuffer(data, np.dtype(kind), count, at).reshape(shape).copy())
        at += found[-1].nbytes
    return found


@cache
def state_of(*folders: str) -> str:
    """A digest of the names, sizes and times of all files below some folders of the packages."""
    found: list[str] = []
    todo = [str(ROOT / folder) for folder in folders]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo += [] if entry.name == "__pycache__" else [entry.path]
                    continue
                state = entry.stat()
                found.append(f"{entry.path} {state.st_size} {state.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()
