"""Pieces of SVG: boxes with text, edges, a drawing.

Drawings have no background and use colours that read on white and on dark pages, since a
notebook or a page, not the drawing, decides what lies behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
import re

from optuna_popnas.visualization import palette


#: Lines and text outside boxes: contrast above 4:1 on white and on nearly black.
LINE = palette.NEUTRAL
INK = "#1b1f24"
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_NARROW = set("fijlrtI.,:;|!'()[]- ")
_WIDE = set("mwMW@%")
_SIZE = re.compile(r'width="([0-9.]+)" height="([0-9.]+)"')


class Drawing(str):
    """An SVG document; a notebook shows the picture, everything else has the text."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in a sans-serif font, in the unit of ``size``, from above."""
    units = sum(0.36 if c in _NARROW else 0.92 if c in _WIDE else 0.6 for c in text)
    return units * size


def text(
    x: float,
    y: float,
    content: str,
    *,
    size: float = 13,
    fill: str = INK,
    anchor: str = "middle",
    bold: bool = False,
) -> str:
    """Return one line of text, its middle height at ``y``."""
    weight = ' font-weight="600"' if bold else ""
    # A baseline a third of the size lower, not `dominant-baseline`, which few tools honour.
    return (
        f'<text x="{x:.1f}" y="{y + size * 0.35:.1f}" font-size="{size:g}" fill="{fill}" '
        f'text-anchor="{anchor}"{weight}>{escape(content)}</text>'
    )


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str,
    stroke: str,
    radius: float = 5,
    dashed: bool = False,
) -> str:
    """Return a rectangle with its centre at ``x``, ``y``."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius:g}" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="1.2"{dash}/>'
    )


def curve(points: Sequence[tuple[float, float]], *, stroke: str = LINE, width: float = 1.4) -> str:
    """Return an edge with an arrow head that passes the points, smooth, running down."""
    x, y = points[0]
    path = [f"M{x:.1f},{y:.1f}"]
    for nx, ny in points[1:]:
        middle = (y + ny) / 2
        path.append(
            f"L{nx:.1f},{ny:.1f}"
            if abs(nx - x) < 0.5
            else f"C{x:.1f},{middle:.1f} {nx:.1f},{middle:.1f} {nx:.1f},{ny:.1f}"
        )
        x, y = nx, ny
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{stroke}" stroke-width="{width:g}"/>'
        + arrow_head(x, y, stroke=stroke)
    )


def arrow_head(x: float, y: float, *, stroke: str = LINE, direction: str = "down") -> str:
    """Return a small triangle whose tip is at ``x``, ``y``."""
    if direction == "down":
        corners = ((x, y), (x - 3.6, y - 7), (x + 3.6, y - 7))
    else:
        corners = ((x, y), (x - 7, y - 3.6), (x - 7, y + 3.6))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    return f'<polygon points="{points}" fill="{stroke}"/>'


def group(title: str, *parts: str) -> str:
    """Return parts as one element; pointing at it shows ``title``."""
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


def side_by_side(drawings: Sequence[str], *, gap: float = 24, label: str) -> Drawing:
    """Return several drawings in a row, their upper edges in line."""
    parts, left, height = [], 0.0, 0.0
    for text in drawings:
        found = _SIZE.search(text)
        if found is None:
            raise ValueError(f"A drawing must have a width and a height, but got {text[:80]!r}.")
        parts.append(text.replace("<svg ", f'<svg x="{left:.0f}" ', 1))
        left += float(found[1]) + gap
        height = max(height, float(found[2]))
    return drawing(max(left - gap, 0.0), height, parts, label=label)


def drawing(width: float, height: float, parts: Iterable[str], *, label: str) -> Drawing:
    """Return the whole SVG document, shrinking to narrow pages."""
    return Drawing(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" style="max-width:100%;height:auto" '
        f'font-family="{FONT}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{''.join(parts)}</svg>"
    )
