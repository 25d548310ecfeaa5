"""`link = "nvlink4"` in a chip, node or cluster file: the named link file's numbers and sources put in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from simcore.spec.load import read_toml

Raw = dict[str, Any]


def resolve_links(raw: Raw, link_text: Callable[[str], tuple[str, str]]) -> Raw:
    """Replace every link given by name by the link file of that name.

    Names stand in `links.X` and in `levels[i].link`; a memory tier's `link` is a reference inside the same file and
    stays. The link's sources join the file's own as `nvlink4:ds`. Raises UnknownName for a name that no file has.
    """
    written = raw.get("sources", {})
    if not isinstance(written, dict):  # told with file and key when the spec is built
        return raw
    sources = dict(written)
    for holder, key in _places(raw):
        if isinstance(holder[key], str):
            name = holder[key]
            link = read_toml(*link_text(name))
            for unused in ("schema", "name", "aliases"):
                link.pop(unused, None)
            own = link.pop("sources", {})
            sources |= {f"{name}:{source}": value for source, value in own.items()}
            holder[key] = {k: _requote(v, name, own) for k, v in link.items()}
    return {**raw, "sources": sources} if sources else raw


def _places(raw: Raw) -> Iterator[tuple[Raw, str]]:
    links = raw.get("links")
    if isinstance(links, dict):
        yield from ((links, key) for key in list(links))
    levels = raw.get("levels")
    for level in levels if isinstance(levels, list) else []:
        if isinstance(level, dict) and "link" in level:
            yield level, "link"


def _requote(value: Any, name: str, own: Raw) -> Any:
    if isinstance(value, dict) and isinstance(value.get("source"), str) and value["source"] in own:
        return {**value, "source": f"{name}:{value['source']}"}
    return value
