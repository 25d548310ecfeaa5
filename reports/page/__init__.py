"""Pages: one builder for every kind of run; see `blocks` for what a page is made of."""

from reports.page.blocks import (
    Actions,
    Axis,
    Bars,
    Heat,
    Lines,
    Links,
    Notes,
    Page,
    Parallel,
    Points,
    Ranges,
    Spans,
    Table,
    Tiles,
)
from reports.page.build import html, write_own_page, write_page

__all__ = [
    "Actions",
    "Axis",
    "Bars",
    "Heat",
    "Lines",
    "Links",
    "Notes",
    "Page",
    "Parallel",
    "Points",
    "Ranges",
    "Spans",
    "Table",
    "Tiles",
    "html",
    "write_own_page",
    "write_page",
]
