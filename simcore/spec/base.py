"""What every spec has in common: frozen, strict about keys, every number with a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args, get_origin

from pydantic import (
    VERSION,
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

MOST_COUNT = 2**31 - 1
"""of anything counted: the engines keep counts and token numbers in 32 bits"""
MOST_INTEGER = 2**53
"""whole numbers beyond are not exact as floats"""
MOST_FLOAT = 1e30
"""no number of hardware, time, energy or money is larger, nor smaller than one over it: products stay finite"""
WRITES_UNFINISHED = tuple(map(int, VERSION.split(".")[:2])) >= (2, 14)
NO_NUMBER = "no_number"
"""type of the complaint about true or false where a number belongs; it names its `key`"""
OURS = ("citations", "file", "notes")
"""fields that no file says"""
NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")

Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Whole = Annotated[int, Field(ge=0, le=MOST_COUNT)]
"""a count that may be none"""
Portion = Annotated[float, Field(gt=0, le=1)]
"""a share of a whole, not nothing"""
checked_whole = model_validator(mode="after")
"""for a method that looks at several fields: it raises ValueError or gives itself back"""


def _file_name(value: str) -> str:
    if not NAME.fullmatch(value) or set(value) == {"."}:
        raise ValueError("a name holds letters, digits, '.', '_' and '-' only")
    return value


FileName = Annotated[str, AfterValidator(_file_name)]
"""a name that becomes a file or a folder: never a path"""


def name_of(path: str | Path) -> str:
    """A file's stem as a name.

    >>> name_of("runs/my run (2).toml")
    'my-run-2'
    """
    found = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-.")
    return found[:200] or "unnamed"


SourceKind = Literal["vendor", "paper", "measured", "derived", "assumed"]


class Spec(BaseModel):
    """A frozen value read from TOML. Keys are written without units (`read_bandwidth`), fields carry them."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=False,
        allow_inf_nan=False,
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, raw: Any) -> Any:
        """true is no 1, nor in a list or a table of numbers."""
        for key, value in raw.items() if isinstance(raw, dict) else ():
            if holds_truth(value) and key in numbers_alone(cls):
                raise PydanticCustomError(NO_NUMBER, "true and false are no numbers", {"key": str(key)})
        return raw

    @field_validator("*")
    @classmethod
    def _within_bounds(cls, value: Any) -> Any:
        """Whole numbers are exact as floats, all have a size, and no two entries of one list have the same name."""
        check_numbers(value)
        if isinstance(value, tuple) and len(value) > 1:
            names = [entry.name for entry in value if isinstance(entry, Spec) and hasattr(entry, "name")]
            if len(set(names)) < len(names):
                twice = next(name for at, name in enumerate(names) if name in names[:at])
                raise ValueError(f"two entries have the same name, {twice!r}: give each its own")
        return value

    @classmethod
    def plain(cls) -> Self:
        """With nothing said: the defaults, which nobody checks, so that no schema is built for them at import."""
        return cast("Self", cls.model_construct())

    def model_dump_json(self, **options: Any) -> str:
        """As pydantic's."""
        finish()
        return super().model_dump_json(**options)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """As pydantic's."""
        finish()
        return super().model_dump(**options)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed (values in SI)."""
        return self.model_copy(update=changes)


def holds_truth(value: Any) -> bool:
    """Whether it is true or false, or a list or table in which one stands."""
    if value is True or value is False:
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(one is True or one is False for one in inner)


@cache
def numbers_alone(kind: type[Spec]) -> frozenset[str]:
    """Keys whose values are numbers, or lists and tables of them: none of which is true or false."""
    found: set[str] = set()
    for name, info in kind.model_fields.items():
        types = set(leaves(info.annotation))
        if types & {int, float} and not types & {bool, Any}:
            found |= {name, info.alias or name}
    return frozenset(found)


def leaves(annotation: Any) -> Iterator[Any]:
    """The plain types that an annotation is made of; those of the values that it lists."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        inner = tuple(type(value) for value in inner)
    yield from (leaf for one in inner for leaf in leaves(one)) if inner else (annotation,)


def finish() -> None:
    """Pydantic before 2.14 writes no field of any kind whose class has a schema that was put off: build them now."""
    if not WRITES_UNFINISHED:
        todo: list[type[BaseModel]] = [Spec]
        while todo:
            here = todo.pop()
            todo += here.__subclasses__()
            if not here.__pydantic_complete__:
                here.model_rebuild(raise_errors=False)


def check_numbers(value: Any) -> None:
    """Raise ValueError for a number beyond MOST_INTEGER or MOST_FLOAT, however deep in tables and lists it stands."""
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        raise ValueError("the number is too large: whole numbers go to 2 ** 53")
    if isinstance(value, float) and value and not 1 / MOST_FLOAT <= abs(value) <= MOST_FLOAT:
        raise ValueError(f"{value:g} has no size that means something: from {1 / MOST_FLOAT:g} to {MOST_FLOAT:g}")
    if isinstance(value, dict):
        for inner in value.values():
            check_numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_numbers(inner)


class Source(Spec):
    """Where numbers come from."""

    kind: SourceKind
    """what stands behind a number: a vendor's document, a paper, a measurement, arithmetic on others, or an
    assumption"""
    title: str
    """of the document, or how the number was found"""
    url: str | None = None
    """where it can be read; None: nowhere"""
    date: str | None = None
    """when it was read or measured; None: not said"""
    note: str | None = None
    """what a reader of the number should know; None: nothing"""


class Citation(Spec):
    """The source of one number."""

    source: str
    note: str | None = None
    text: str
    """the quantity as written"""


class Sourced(Spec):
    """A spec whose numbers carry citations, keyed by their dotted TOML path (`memory.hbm.capacity`)."""

    name: FileName
    """by which other files and commands name it"""
    aliases: tuple[str, ...] = ()
    """other names by which it is found"""
    sources: dict[str, Source] = Field(default_factory=dict)
    """name -> where numbers come from; quantities name one of them, `{ value = "80 GB", source = "..." }`"""
    citations: dict[str, Citation] = Field(default_factory=dict)

    def assumptions(self) -> dict[str, str]:
        """Dotted path -> text of every number whose source is `assumed`."""
        return {
            path: f"{c.text}" + (f" ({c.note})" if c.note else "")
            for path, c in self.citations.items()
            if self.sources[c.source].kind == "assumed"
        }
