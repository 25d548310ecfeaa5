"""Self-contained HTML pages: one file, no scripts from elsewhere, readable on screen and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1d2733; background: #fff;
  max-width: 1180px; margin: 0 auto; padding: 28px 32px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; }
p { max-width: 78ch; margin: 6px 0; } .lead { color: #566270; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; }
.tile { border: 1px solid #d5dae1; border-radius: 6px; padding: 10px 16px; min-width: 130px; }
.tile b { display: block; font-size: 21px; } .tile span { color: #566270; font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; margin: 8px 0; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: right; border-bottom: 2px solid #1d2733; padding: 4px 7px; font-weight: 600; }
td { text-align: right; border-bottom: 1px solid #e6e9ee; padding: 3px 7px; white-space: nowrap; }
th.text, td.text { text-align: left; } td.wrap { white-space: normal; text-align: left; }
figure { margin: 10px 0; } figure svg { width: 100%; height: auto; max-width: 980px; }
figcaption { color: #566270; font-size: 13px; max-width: 90ch; }
.warn { border-left: 4px solid #d9822b; padding: 6px 12px; background: #fdf6ec; }
@media print { body { padding: 0; font-size: 10.5px; max-width: none; } table { font-size: 8px; }
  h2 { break-after: avoid; } details::details-content { content-visibility: visible; display: block; }
  figure, tr, .tile { break-inside: avoid; } @page { size: A4 landscape; margin: 12mm; } }
"""


def page(title: str, body: Sequence[str]) -> str:
    """A complete document."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    top = f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>'
    return f"{top}\n<body>\n{''.join(body)}\n</body></html>\n"


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[str] = (), wrap: Sequence[str] = ()
) -> str:
    """A table; columns named in `text` are aligned left, those in `wrap` may break lines."""
    kinds = ["wrap" if h in wrap else "text" if h in text else "" for h in header]
    top = "".join(f'<th class="{"text" if k else ""}">{escape(h)}</th>' for h, k in zip(header, kinds, strict=True))
    lines = ["".join(f'<td class="{k}">{escape(c)}</td>' for c, k in zip(row, kinds, strict=True)) for row in rows]
    return (
        f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(f'<tr>{line}</tr>' for line in lines)}</tbody></table>\n"
    )


def figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>\n"


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>\n"


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>\n'


def tiles(items: Sequence[tuple[str, str]]) -> str:
    """(value, what it is) boxes."""
    inner = "".join(f'<div class="tile"><b>{escape(v)}</b><span>{escape(w)}</span></div>' for v, w in items)
    return f'<div class="tiles">{inner}</div>\n'


def details(summary: str, inner: str) -> str:
    """A part that opens on a click and is always open on paper."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>\n"
