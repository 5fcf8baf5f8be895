"""The shell of the report: page, style, tables, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from optuna_popnas.visualization.drawing.svg import LINE


_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b636d; --page: #ffffff;
  --panel: #f5f7f9; --line: #dde2e8; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebee; --soft: #a3abb5;
  --page: #14171b; --panel: #1c2126; --line: #333a42; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 Helvetica, Arial, "Liberation Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 27px; margin: 0 0 4px; }
h2 { font-size: 20px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 16px; margin: 24px 0 6px; }
.lead { color: var(--soft); font-size: 17px; margin: 0 0 18px; }
nav { font-size: 14px; margin-bottom: 6px; } nav a { margin-right: 16px; }
a { color: var(--accent); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; }
.tile { background: var(--panel); border-radius: 8px; padding: 10px 14px; min-width: 118px; }
.tile b { display: block; font-size: 21px; } .tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
td.name { color: var(--soft); white-space: nowrap; width: 1%; }
.scroll { overflow-x: auto; margin: 10px 0; }
.wide { overflow-x: auto; }
.plot { margin: 18px 0 4px; min-height: 200px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(305px, 1fr)); gap: 12px; }
.card { margin: 0; padding: 12px 14px; background: var(--panel); border-radius: 8px; }
.card figcaption { font-size: 13px; color: var(--soft); margin-bottom: 8px; }
.card figcaption b { color: var(--ink); font-size: 15px; }
.card svg { display: block; margin: 0 auto; }
details { margin: 14px 0; } summary { cursor: pointer; color: var(--accent); }
pre { background: var(--panel); padding: 10px 14px; border-radius: 8px; overflow-x: auto;
  font-size: 13px; margin: 4px 0 14px; }
footer { color: var(--soft); font-size: 13px; margin-top: 50px; }
@media print { .plot { break-inside: avoid; } }
"""

# Figures are drawn when they come near the window: a page of many figures opens at once.
_SCRIPT = """
const draw = (box) => {
  if (box.dataset.done) return;
  box.dataset.done = "1";
  const figure = JSON.parse(document.getElementById(box.dataset.figure).textContent);
  Plotly.newPlot(box, figure.data, figure.layout,
    {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"]});
};
const boxes = document.querySelectorAll(".plot");
if ("IntersectionObserver" in window) {
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) {
      draw(entry.target);
      watch.unobserve(entry.target);
    }
  }, {rootMargin: "600px"});
  boxes.forEach((box) => watch.observe(box));
} else {
  boxes.forEach(draw);
}
window.addEventListener("beforeprint", () => boxes.forEach(draw));
"""


class FigureSheet:
    """The figures of a page: their places in the text, and their data below it."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def add(self, plot: Callable[..., Any], *arguments: Any) -> str:
        """Draw a figure and return its place."""
        return self.add_figure(plot(*arguments))

    def add_figure(self, figure: Any) -> str:
        """Return the place of a plotly figure."""
        name = f"figure-{len(self._data)}"
        # "</script>" within a text would end the element.
        text = figure.to_json().replace("<", "\\u003c")
        self._data.append(f'<script type="application/json" id="{name}">{text}</script>')
        height = int(figure.layout.height or 450)
        return f'<div class="plot" data-figure="{name}" style="min-height:{height}px"></div>'

    def scripts(self) -> str:
        """Return plotly.js, the data and the script that draws them."""
        if not self._data:
            return ""
        from plotly.offline import get_plotlyjs

        return f"<script>{get_plotlyjs()}</script>{''.join(self._data)}<script>{_SCRIPT}</script>"


def page(title: str, lead: str, body: str, sheet: FigureSheet) -> str:
    """Return the whole document."""
    from optuna_popnas._version import __version__

    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An icon of its own, so that no browser asks for one.
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{body}'
        f"<footer>Written by optuna-popnas {escape(__version__)}. This page works offline."
        f"</footer></main>{sheet.scripts()}</body></html>"
    )


def section(title: str, body: str) -> str:
    """Return a part of the page with a heading that links can name."""
    anchor = "".join(c if c.isalnum() else "-" for c in title.lower())
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>'


def tiles(facts: Sequence[tuple[str, str]]) -> str:
    """Return large figures with what they are."""
    inner = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(words)}</span></div>'
        for value, words in facts
    )
    return f'<div class="tiles">{inner}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, plain: bool = False) -> str:
    """Return a table; a plain one has no head, and its first column names the rows."""
    top = "" if plain else "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>"
    lines = []
    for row in rows:
        cells = [f"<td>{escape(text)}</td>" for text in row]
        if plain:
            cells[0] = f'<td class="name">{escape(row[0])}</td>'
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table>{top}{"".join(lines)}</table></div>'


def code(text: str) -> str:
    """Return a command."""
    return f"<pre>{escape(text)}</pre>"


def sparkline(values: Sequence[float], *, width: float = 120, height: float = 22) -> str:
    """Return a small learning curve as SVG; accuracies from 0 to 1."""
    step = width / (len(values) - 1)
    points = " ".join(
        f"{i * step:.1f},{height - 1 - min(max(float(v), 0), 1) * (height - 2):.1f}"
        for i, v in enumerate(values)
    )
    return (
        f'<svg width="{width:g}" height="{height:g}" style="margin:4px 0 0" '
        f'role="img" aria-label="learning curve"><polyline '
        f'points="{points}" fill="none" stroke="{LINE}" stroke-width="1.5"/></svg>'
    )
