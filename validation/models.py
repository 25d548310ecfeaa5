"""The models of a proof: a folder of config.json files asked before the names that simcore knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from scenarios.variants import candidates
from simcore.errors import InputError, UnknownName
from simcore.registry import normal


@dataclass
class Models:
    """Specs by the names that tables give. `folder` holds `ORG--NAME.json`; InputError where it is none."""

    folder: Path | None = None
    _specs: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def files(self) -> dict[str, str]:
        """name -> absolute path."""
        if self.folder is None:
            return {}
        if not self.folder.is_dir():
            fix = "give a folder of ORG--NAME.json files"
            raise InputError("is no folder", file=str(self.folder), key="models", fix=fix)
        found = sorted(self.folder.glob("*.json"))
        return {normal(path.stem.replace("--", "/")): str(path.resolve()) for path in found}

    def value(self, name: str) -> str:
        """What a scenario says of the model: a path of the folder, else the name."""
        if normal(name) in self.files:
            return self.files[normal(name)]
        try:
            self._resolved(name)
        except UnknownName:
            same = (n for n, number in candidates(name) if not number)
            return next((self.files[normal(n)] for n in same if normal(n) in self.files), name)
        return name

    def __call__(self, kind: str, name: str) -> Any:
        """The spec. Raises UnknownName."""
        return self._resolved(self.value(name))

    def _resolved(self, value: str) -> Any:
        from simcore import api

        if value not in self._specs:
            self._specs[value] = api.resolve("model", value)
        return self._specs[value]
