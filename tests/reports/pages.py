"""A page as a reader of its source sees it: tags, text and data."""

from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Shown(HTMLParser):
    """Tags and their attributes, the text outside scripts and styles, the figures' data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text, self.figures, self._inside = "", list[dict[str, Any]](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self._inside = "data" if ("id", "data") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.figures = json.loads(data)
        elif self._inside not in ("script", "style"):
            self.text += data

    def figure(self, title: str) -> dict[str, Any]:
        """The first figure whose title begins so."""
        return next(one for one in self.figures if one["title"].startswith(title))


def shown(path: Path) -> Shown:
    """A page of a file."""
    return Shown(path.read_text(encoding="utf-8"))
