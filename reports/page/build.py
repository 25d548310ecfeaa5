"""A page as one file: the template filled in by Jinja2, which escapes; the data as JSON, the style, the scripts.

Nothing is fetched from anywhere: the page's own policy forbids it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from reports.files import write_own, write_text
from reports.page.blocks import FIGURES, Bars, Page, Parallel, Points, Ranges, Spans

HERE = Path(__file__).parent
SCRIPTS = ("d3.min.js", "plot.min.js", "page.js")
DIGITS = 6
"""of a number in a figure"""
LONG = 32
"""letters of a row's name that half of a page has room for"""


def write_page(folder: Path, name: str, page: Page, pictures: bool = False) -> None:
    """Write FOLDER/NAME; with `pictures` every figure also as PNG, SVG and CSV."""
    if pictures:
        from reports.pictures import write_pictures

        write_pictures(folder, page)
    write_text(folder / name, html(page))


def write_own_page(path: Path, page: Page, inputs: Sequence[Path] = ()) -> None:
    """Write a page to a file that the user names. Raises as `reports.files.own_file`."""
    write_own(path, html(page).encode("utf-8"), inputs)


def html(page: Page) -> str:
    """The whole document."""
    figures = [{"kind": one.kind, **plain_fields(one)} for one in page.blocks if isinstance(one, FIGURES)]
    data = json.dumps(figures, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    numbers = iter(range(len(figures)))
    blocks = [(one, next(numbers) if isinstance(one, FIGURES) else None) for one in page.blocks]
    return str(template().render(page=page, blocks=blocks, data=data))


@cache
def template() -> Any:
    """The template, with style and scripts that are ours and so stand as they are."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(HERE), trim_blocks=True)
    made.lstrip_blocks = True
    scripts = [Markup((HERE / name).read_text(encoding="utf-8")) for name in SCRIPTS]
    made.globals |= {"style": Markup((HERE / "page.css").read_text(encoding="utf-8")), "scripts": scripts}
    made.filters |= {"literal": Markup, "is_wide": is_wide}
    return made.get_template("page.html")


def is_wide(block: Any) -> bool:
    """Whether a figure takes the whole width: plans, tracks, and rows with long names."""
    if isinstance(block, Points | Parallel | Spans):
        return True
    return isinstance(block, Bars | Ranges) and any(len(row[0]) > LONG for row in block.rows)


def plain_fields(block: Any) -> dict[str, Any]:
    """The fields of a block as plain data."""
    return {one.name: plain(getattr(block, one.name)) for one in fields(block)}


def plain(value: Any) -> Any:
    """Numbers with few digits, None for those that are none, lists for whatever holds several."""
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return plain_fields(value)
    return [plain(one) for one in value]
