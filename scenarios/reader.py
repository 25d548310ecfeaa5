"""Tables of one file read by hand, where no spec says their form: every complaint names file, key and fix."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from simcore.errors import InputError, suggest


@dataclass(frozen=True)
class TableReader:
    """The parsed tables of a file."""

    raw: Mapping[str, Any]
    file: str

    def refuse(self, what: str, key: str, fix: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(what, file=self.file, key=key, fix=fix)

    def known(self, table: Mapping[str, Any], names: Collection[str], place: str) -> None:
        """Refuse keys without a meaning."""
        for key in table:
            if key not in names:
                self.refuse("unknown key", f"{place}.{key}".strip("."), suggest(key, names))

    def table(self, key: str, default: dict[str, Any] | None = None) -> Mapping[str, Any]:
        """[key]; refused where it is missing and there is no default."""
        found = self.raw.get(key, default)
        if not isinstance(found, Mapping):
            self.refuse("is missing" if key not in self.raw else "is no table", key, f"write [{key}]")
        return found

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """[[key]], none of them where it is missing."""
        found = self.raw.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            self.refuse("is no list of tables", key, f"write [[{key}]]")
        return found
